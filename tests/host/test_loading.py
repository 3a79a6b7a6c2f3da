"""Loading plugins: one by one, the broken ones in quarantine, the rest at work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robo_trader.errors import PluginError
from robo_trader.plugins import load_host
from robo_trader.risk.profile import BUILT_IN

from .conftest import REGISTER, Site

GOOD = 'add.notifier("bell", "zz_good:Bell")'


def test_builtins_come_through_the_same_door() -> None:
    host = load_host(third_party=False, environ={})
    (row,) = host.rows()
    assert (row.name, row.state) == ("robo_trader", "ok")
    assert row.offers["strategy"] == ["buy_and_hold", "random_entry", "fomc_drift"]
    assert row.offers["risk_rule"] == list(BUILT_IN)
    assert host.names("strategy") == ["buy_and_hold", "fomc_drift", "random_entry"]
    assert host.check("robo_trader") == []


def test_a_plugin_shows_what_it_offers(site: Site) -> None:
    site.registering("good", GOOD, 'add.strategy("s", "zz_good:S")', 'add.strategy("t", "zz_good:T")')
    row = site.row("good")
    assert row.as_dict() == {
        "name": "good",
        "version": "1.0",
        "state": "ok",
        "offers": {"notifier": ["bell"], "strategy": ["s", "t"]},
        "error": "",
        "fix": "",
    }
    assert row.distribution == "robo-good"
    assert json.dumps(row.as_dict())


BROKEN: dict[str, tuple[str, str]] = {
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "syntax": ("def broken(:\n", "SyntaxError: invalid syntax"),
    "missing": ("import zz_not_there", "No module named 'zz_not_there'"),
    "exits": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "base": ("class E(BaseException): ...\nraise E", "E"),
    "registers": (REGISTER + "    raise ValueError('later')", "ValueError: later"),
    "leaves": (REGISTER + "    raise SystemExit(3)", "SystemExit: 3"),
    "no_hooks": ("x = 1", "the module zz_no_hooks implements no hook"),
    "unknown_kind": (REGISTER + "    add.stratgey('a', 'b:C')", "add has no method 'stratgey'"),
    "bad_name": (REGISTER + "    add.strategy('a b', 'b:C')", "a name must be letters"),
    "bad_target": (REGISTER + "    add.strategy('a', 'b.C')", "does not say where the class is"),
    "no_class": (REGISTER + "    add.strategy('a', print)", "must be a class or 'module:Class'"),
    "instance": (REGISTER + "    add.strategy('a', object())", "must be a class or 'module:Class'"),
    "twice": (REGISTER + "    add.bars('a', 'b:C'); add.bars('a', 'b:D')", "registers the bars 'a' twice"),
    "reserved": (REGISTER + "    add.bars('source', 'b:C')", "'source' has a meaning of its own in [bars]"),
    "bundled": (REGISTER + "    add.bars('bundled', 'b:C')", "'bundled' has a meaning of its own"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_quarantined_and_the_rest_go_on(name: str, site: Site) -> None:
    code, error = BROKEN[name]
    site.plugin(name, code)
    site.registering("good", GOOD)
    host = site.host()
    states = {row.name: row.state for row in host.rows()}
    assert states == {"robo_trader": "ok", name: "quarantined", "good": "ok"}
    row = next(row for row in host.rows() if row.name == name)
    assert error in row.error and "\n" not in row.error
    assert row.fix
    assert row.traceback
    assert host.names("notifier") == ["bell"]
    assert host.check(name)[0].problem == f"quarantined: {row.error}"


def test_the_traceback_names_the_line(site: Site) -> None:
    site.plugin("raises", "\n\n1 / 0\n")
    assert 'zz_raises.py", line 3' in site.row("raises").traceback


def test_an_interrupt_passes(site: Site) -> None:
    site.plugin("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.host()


def test_what_a_plugin_prints_stays_off_stdout(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.plugin("chatty", "print('hello')\n" + REGISTER + "    print('again')")
    assert site.row("chatty").state == "ok"
    assert capsys.readouterr().out == ""


def test_disabled_plugins_are_not_even_imported(site: Site) -> None:
    site.plugin("boom", "raise RuntimeError")
    for name in ("boom", "robo-boom"):
        row = site.row("boom", site.config(f'[plugins]\ndisabled = ["{name}"]'))
        assert (row.state, row.error) == ("disabled", "it is listed in [plugins] disabled")
        assert row.fix
    assert "zz_boom" not in sys.modules


def test_the_allow_list_loads_just_those(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.registering(name, f'add.bars("bars_{name}", "m:C")')
    host = site.host(ROBO_PLUGINS="a, robo-c")
    assert host.names("bars") == ["bars_a", "bars_c", "ib"]
    row = next(row for row in host.rows() if row.name == "b")
    assert (row.state, row.fix) == ("disabled", "add b to ROBO_PLUGINS to load it")
    assert "buy_and_hold" in host.names("strategy")
    assert site.host(ROBO_PLUGINS="").names("bars") == ["ib"]


def test_the_allow_list_names_what_is_not_installed(site: Site) -> None:
    site.registering("mine")
    row = site.row("mien", ROBO_PLUGINS="mien")
    assert (row.state, row.fix) == ("quarantined", "did you mean 'mine'?")
    assert "not installed" in row.error


def test_strict_mode_makes_failures_fatal(site: Site) -> None:
    site.plugin("bad", "raise RuntimeError('no luck')")
    assert site.host(ROBO_PLUGINS_STRICT="0").quarantined()
    with pytest.raises(PluginError, match=r"broken \(bad\).*no luck"):
        site.host(ROBO_PLUGINS_STRICT="1")


def test_two_plugins_with_one_name_on_offer_are_both_refused(site: Site) -> None:
    site.registering("one", 'add.bars("tape", "m:A")', 'add.signal("s", "m:A")')
    site.registering("two", 'add.bars("tape", "m:B")')
    site.registering("three", 'add.signal("tape", "m:B")')
    host = site.host()
    broken = {row.name: row for row in host.quarantined()}
    assert set(broken) == {"one", "two"}
    for row in broken.values():
        assert row.error == "the bars 'tape' is offered by one (robo-one) and two (robo-two)"
        assert "uninstall one of them" in row.fix
    assert host.names("bars") == ["ib"]
    assert host.names("signal") == ["tape"]
    with pytest.raises(PluginError, match="offered by plugin 'one', which is broken"):
        host.target("bars", "tape")
    with pytest.raises(PluginError, match="there is no bars 'other'"):
        host.target("bars", "other")


def test_a_clash_ends_when_one_is_disabled(site: Site) -> None:
    site.registering("one", 'add.bars("tape", "m:A")')
    site.registering("two", 'add.bars("tape", "m:B")')
    host = site.host(site.config('[plugins]\ndisabled = ["two"]'))
    assert host.quarantined() == []
    assert host.names("bars") == ["ib", "tape"]


def test_builtin_names_cannot_be_taken(site: Site) -> None:
    site.registering("thief", 'add.strategy("buy_and_hold", "m:A")')
    host = site.host()
    assert [row.name for row in host.quarantined()] == ["thief"]
    error = host.quarantined()[0].error
    assert error == "the strategy 'buy_and_hold' is offered by robo_trader itself and thief (robo-thief)"
    assert host.provider("strategy", "buy_and_hold").name == "robo_trader"


def test_two_plugins_of_one_name_are_both_refused(site: Site) -> None:
    site.module("zz_a", REGISTER + "    pass")
    site.module("zz_b", REGISTER + "    pass")
    site.dist("dist-a", "[robo_trader]\nsame = zz_a\n")
    site.dist("dist-b", "[robo_trader]\nsame = zz_b\n")
    rows = site.host().quarantined()
    assert [row.distribution for row in rows] == ["dist-a", "dist-b"]
    assert all(
        row.error == "the plugin name 'same' is used by same (dist-a) and same (dist-b)" for row in rows
    )
    host = site.host(site.config('[plugins]\ndisabled = ["dist-b"]'))
    assert host.quarantined() == []


def test_one_module_under_two_names_loads_once(site: Site) -> None:
    site.module("zz_a", REGISTER + "    add.bars('tape', 'm:C')")
    site.dist("old-name", "[robo_trader]\nfirst = zz_a\n")
    site.dist("new-name", "[robo_trader]\nsecond = zz_a\n")
    host = site.host()
    assert {row.name: row.state for row in host.rows()}["first"] == "ok"
    assert "already loaded as another plugin" in next(r for r in host.rows() if r.name == "second").error
    assert host.names("bars") == ["ib", "tape"]


OBJECTS = """
from robo_trader import hookimpl

class Plugin:
    def __init__(self, name="from_class"):
        self.name = name
    @hookimpl
    def robo_register(self, add):
        add.bars(self.name, "m:C")

instance = Plugin("from_instance")

class Fails(Plugin):
    def __init__(self):
        raise RuntimeError("in init")

def function(add): ...
"""


@pytest.mark.parametrize(("name", "bars"), [("Plugin", "from_class"), ("instance", "from_instance")])
def test_an_entry_point_may_name_a_class_or_an_instance(name: str, bars: str, site: Site) -> None:
    site.module("zz_obj", OBJECTS)
    site.dist("robo-obj", f"[robo_trader]\nobj = zz_obj:{name}\n")
    assert site.host().names("bars") == [bars, "ib"]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("zz_obj:Fails", "RuntimeError: in init"),
        ("zz_obj:function", "names the function zz_obj.function"),
        ("zz_obj:absent", "has no attribute 'absent'"),
        ("zz_obj:OBJECTS what", "names nothing"),
    ],
)
def test_an_entry_point_that_leads_nowhere(value: str, error: str, site: Site) -> None:
    site.module("zz_obj", OBJECTS)
    site.dist("robo-obj", f"[robo_trader]\nobj = {value}\n")
    row = site.row("obj")
    assert row.state == "quarantined"
    assert error in row.error


@pytest.mark.parametrize("what", ["entry_points", "encoding"])
def test_a_distribution_that_cannot_be_read_is_reported(what: str, site: Site) -> None:
    info = site.dist("robo-bad", "[robo_trader]\nthis is no entry\n")
    if what == "encoding":
        (info / "entry_points.txt").write_bytes(b"[robo_trader]\n\xff = zz\n")
    site.registering("good", GOOD)
    row = site.row("robo-bad")
    assert row.state == "quarantined"
    assert "entry_points.txt cannot be read" in row.error
    assert row.fix == "pip install --force-reinstall robo-bad"
    assert site.row("good").state == "ok"


def test_a_foreign_broken_distribution_is_none_of_our_business(site: Site) -> None:
    site.dist("other", "[console_scripts]\nthis is no entry\n")
    site.registering("good", GOOD)
    assert [row.name for row in site.host().rows()] == ["robo_trader", "good"]


def test_a_distribution_without_metadata_still_loads(site: Site) -> None:
    site.registering("good", GOOD)
    (site.folder / "robo_good-1.0.dist-info" / "METADATA").unlink()
    row = site.row("good")
    assert (row.state, row.distribution, row.version) == ("ok", "robo-good", "")


def test_metadata_that_is_no_text_costs_the_version_alone(site: Site) -> None:
    site.registering("good", GOOD)
    (site.folder / "robo_good-1.0.dist-info" / "METADATA").write_bytes(b"Name: \xff")
    row = site.row("good")
    assert (row.state, row.version) == ("ok", "")


@pytest.mark.parametrize("metadata", [b"Name: robo-egg\nVersion: 3.0\n", b"\xff"])
def test_an_egg_has_its_name_in_its_metadata(metadata: bytes, site: Site) -> None:
    egg = site.folder / "thing.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "PKG-INFO").write_bytes(metadata)
    (egg / "EGG-INFO" / "entry_points.txt").write_text("[robo_trader]\negg = zz_egg\n")
    site.module("zz_egg", REGISTER + "    pass")
    row = load_host(environ={}, path=[str(egg)]).rows()[1]
    known = metadata.startswith(b"Name")
    assert (row.name, row.state) == ("egg", "ok")
    assert (row.distribution, row.version) == (("robo-egg", "3.0") if known else ("unknown", ""))


def test_two_dist_infos_of_one_name_count_once_and_the_newer_wins(site: Site) -> None:
    for version in ("0.9", "0.10", "0.2"):
        site.dist("robo-two", "[robo_trader]\ntwo = zz_two\n", version=version)
    site.dist("robo-two", "[robo_trader]\ntwo = zz_two\n", version="9.0", stem="~obo_two-9.0")
    site.module("zz_two", REGISTER + "    add.bars('tape', 'm:C')")
    row = site.row("two")
    assert (row.state, row.version) == ("ok", "0.10")


def test_the_first_folder_of_the_path_wins(site: Site, tmp_path: Path) -> None:
    site.registering("mine")
    other = Site(tmp_path / "other")
    other.folder.mkdir()
    other.dist("Robo.Mine", "[robo_trader]\nmine = zz_elsewhere\n", version="2.0")
    host = load_host(environ={}, path=[str(site.folder), str(other.folder)])
    assert [(row.name, row.version, row.state) for row in host.rows()][1:] == [("mine", "1.0", "ok")]


def test_check_finds_by_name_or_distribution_and_suggests(site: Site) -> None:
    site.registering("mine")
    assert site.host().check("mine") == site.host().check("robo-mine") == []
    with pytest.raises(PluginError, match="did you mean 'mine'"):
        site.host().check("mime")


def test_names_in_robo_toml_without_a_plugin_are_noted(site: Site) -> None:
    site.registering("good", GOOD)
    config = site.config(
        """
        [notify.bell]
        a = 1
        [notify.bel]
        a = 1
        [notify.other]
        a = 1
        [strategies.buy_and_hold]
        weight = 0.5
        [strategies.my_file]
        a = 1
        [strategies.buy_and_hodl]
        a = 1
        [plugins]
        disabled = ["god", "elsewhere"]
        """
    )
    assert site.host(config).notes() == [
        "[notify.bel] configures no installed notifier; did you mean 'bell'?",
        "[notify.other] configures no installed notifier",
        "[strategies.buy_and_hodl] configures no installed strategy; did you mean 'buy_and_hold'?",
        "[plugins] disabled names 'god', which is not installed; did you mean 'good'?",
    ]


def test_a_stranger_s_package_with_a_strategy_and_a_bar_source(site: Site) -> None:
    """The whole way in a fresh process, found as pip would have installed it."""
    site.plugin(
        "stranger",
        REGISTER
        + '    add.strategy("stranger", "zz_stranger_parts:Buys")\n'
        + '    add.bars("stranger", "zz_stranger_parts:Flat")\n',
    )
    site.module(
        "zz_stranger_parts",
        """
        import pandas as pd
        from robo_trader import BarFrame, BarSource, Strategy

        class Buys(Strategy):
            def next(self):
                if not self.position:
                    self.buy(size=1, because="a stranger says so")

        class Flat(BarSource):
            def __init__(self, price=100.0):
                self.price = price
            def load(self, symbol, start, end, timeframe):
                days = pd.bdate_range("2024-01-02", "2024-02-15")
                days = days.difference(pd.DatetimeIndex(["2024-01-15"]))
                frame = pd.DataFrame({c: self.price for c in ("open", "high", "low", "close")}, index=days)
                return BarFrame.from_pandas(frame.assign(volume=1.0), symbol=symbol, stamps="date")
            def symbols(self):
                return ["FLAT"]
        """,
    )
    (site.folder / "robo.toml").write_text("[bars.stranger]\nprice = 50.0\n")
    code = (
        "import json, sys\n"
        f"sys.path.insert(0, {str(site.folder)!r})\n"
        "import robo_trader\n"
        "r = robo_trader.backtest('stranger', bars='stranger', symbols=['FLAT'], save=False)\n"
        "print(json.dumps([(f.symbol, f.price, f.because) for f in r.record.fills]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=site.folder, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr
    fills: list[Any] = json.loads(run.stdout)
    assert fills == [["FLAT", 50.0, "a stranger says so"]]
