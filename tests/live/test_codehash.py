"""The hashes of code and risk configuration: the same elsewhere, another for whatever changes behaviour."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from robo_trader.config import Config, load_config
from robo_trader.errors import StrategyError
from robo_trader.live.gate.codehash import code_hash, risk_hash
from robo_trader.plugins import load_host
from robo_trader.strategy_manager.find import find_strategy

DRIFT = """
    from robo_trader import Strategy
    {more}
    class Drift(Strategy):
        params = dict(fast=5)
        def next(self):
            self.buy(self.data0)
"""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Forget the modules that a test made, and the paths that it added."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path


def write(folder: Path, *, more: str = "", name: str = "drift.py", **beside: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for other, text in beside.items():
        (folder / f"{other}.py").write_text(text, encoding="utf-8")
    path = folder / name
    path.write_text(dedent(DRIFT).format(more=more), encoding="utf-8")
    return path


def hash_of(spec: Path | str) -> str:
    return code_hash(find_strategy(str(spec), load_host(third_party=False)).cls)


def test_a_file_has_the_same_hash_elsewhere(tmp_path: Path) -> None:
    first = hash_of(write(tmp_path / "a"))
    assert first == hash_of(write(tmp_path / "b")) == hash_of(write(tmp_path / "b", name="other.py"))
    assert len(first) == 64
    windows = tmp_path / "c" / "drift.py"
    windows.parent.mkdir()
    windows.write_bytes((tmp_path / "a" / "drift.py").read_bytes().replace(b"\n", b"\r\n"))
    assert hash_of(windows) == first
    assert hash_of(write(tmp_path / "d", more="# another")) != first


def test_two_strategies_of_one_file_are_two(tmp_path: Path) -> None:
    path = write(tmp_path)
    with path.open("a") as file:
        file.write("\nclass Other(Drift):\n    pass\n")
    assert hash_of(f"{path}:Drift") != hash_of(f"{path}:Other")


def test_what_a_file_imports_from_its_folder_counts(tmp_path: Path) -> None:
    """The logic must not hide beside the file whose hash was rehearsed."""

    def at(place: str, deep: str, unused: str = "") -> str:
        path = write(
            tmp_path / place, more="from .helper import go", helper="from . import inner\ngo = inner.deep\n",
            inner=f"def deep():\n    import leaf.more\n    return {deep}\n", unused=unused,
        )  # fmt: skip
        (tmp_path / place / "leaf").mkdir()
        (tmp_path / place / "leaf" / "__init__.py").write_text("")
        (tmp_path / place / "leaf" / "more.py").write_text(f"x = {leaf}")
        return hash_of(path)

    leaf = 1
    first = at("a", "1")
    assert at("b", "1") == first
    assert at("c", "2") != first
    assert at("d", "1", unused="x = 1") == first, "what is not imported does not count"
    leaf = 2
    assert at("e", "1") != first


def test_a_package_counts_with_all_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def at(place: str, **files: str) -> str:
        package = tmp_path / place / "zz_drift"
        write(package, name="rules.py")
        (package / "__init__.py").write_text("from .rules import Drift\n")
        for name, text in files.items():
            target = package / name.replace("__", "/").replace("_dot_", ".")
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
        (package / "__pycache__").mkdir(exist_ok=True)
        (package / "__pycache__" / "x.cpython").write_text(place)
        (package / "y.pyc").write_text(place)
        monkeypatch.syspath_prepend(str(tmp_path / place))
        for name in [name for name in sys.modules if name.partition(".")[0] == "zz_drift"]:
            del sys.modules[name]
        return hash_of("zz_drift:Drift")

    first = at("a", weights_dot_json="[1]")
    assert at("b", weights_dot_json="[1]") == first
    assert at("c", weights_dot_json="[2]") != first
    assert at("d", weights_dot_json="[1]", sub__more_dot_py="") != first


def test_a_base_class_of_somebody_else_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))

    def at(place: str, base: str) -> str:
        (tmp_path / "lib").mkdir(exist_ok=True)
        (tmp_path / "lib" / "zz_base.py").write_text(f"import robo_trader\n{base}\n")
        (tmp_path / place).mkdir()
        path = tmp_path / place / "drift.py"
        path.write_text("import zz_base\nclass Drift(zz_base.Base):\n    pass\n")
        sys.modules.pop("zz_base", None)
        return hash_of(path)

    base = "class Base(robo_trader.Strategy):\n    x = {}"
    assert at("a", base.format(1)) == at("b", base.format(1))
    assert at("c", base.format(22)) != at("d", base.format(1))


def test_built_in_and_installed_strategies_have_a_hash() -> None:
    host = load_host(third_party=False)
    names = host.names("strategy")
    hashes = {name: code_hash(find_strategy(name, host).cls) for name in names}
    assert names and len(set(hashes.values())) == len(names)


def test_a_strategy_without_source_has_none() -> None:
    from robo_trader import Strategy

    made = type("Made", (Strategy,), {"__module__": "nowhere"})
    with pytest.raises(StrategyError, match="source of Made cannot be found"):
        code_hash(made)


# -- the risk configuration ----------------------------------------------------------------------


@pytest.fixture
def risk(tmp_path: Path) -> Callable[..., str]:
    """Hash the risk configuration of a `robo.toml` with this text."""

    def of(text: str = "", **environ: str) -> str:
        file = tmp_path / "robo.toml"
        file.write_text(dedent(text), encoding="utf-8")
        config: Config = load_config(file, environ=environ)
        return risk_hash(config, load_host(config, third_party=False))

    return of


def test_limits_are_resolved_before_they_are_hashed(risk: Callable[..., str], tmp_path: Path) -> None:
    plain = risk()
    assert plain == risk("[run]\ncash = 5000\n[live]\naccount = 'U1'"), "what is no limit does not count"
    assert plain == risk("[risk.position]\nlimit = 0.10"), "the default, written out"
    profile = tmp_path / "tight.toml"
    profile.write_text("position = 0.05\n")
    tight = risk("[risk.position]\nlimit = 0.05")
    assert tight != plain
    assert risk(f"[risk]\nprofile = '{profile}'") == tight, "a file and a table may say the same"
    assert risk(ROBO_RISK__PROFILE="off") not in (plain, tight)
    assert risk("[risk.sector]\nenabled = false") != plain
    assert risk('[risk.position]\nlimit = "env:MOST"', MOST="0.05") != plain


def test_a_limit_behind_a_variable_is_its_value(risk: Callable[..., str]) -> None:
    text = '[risk.deny]\nsymbols = ["env:NAME"]'
    assert risk(text, NAME="GME") != risk(text, NAME="AMC")


def test_sectors_that_were_told_count(risk: Callable[..., str], tmp_path: Path) -> None:
    plain = risk()
    file = tmp_path / "sectors.csv"
    file.write_text("symbol,sector\nZZZ,Technology\n")
    told = risk(f"[risk]\nsectors = '{file}'")
    assert told != plain
    file.rename(tmp_path / "elsewhere.csv")
    assert risk(f"[risk]\nsectors = '{tmp_path / 'elsewhere.csv'}'") == told, "the path does not count"
    (tmp_path / "elsewhere.csv").write_text("symbol,sector\nZZZ,Energy\n")
    assert risk(f"[risk]\nsectors = '{tmp_path / 'elsewhere.csv'}'") not in (told, plain)
    assert risk('[bars.symbols.ZZZ]\nsector = "Energy"') != plain
    assert risk('[bars.symbols.ZZZ]\ntz = "UTC"') == plain


def test_a_plugins_rule_counts_with_version_and_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(place: str, version: str, body: str) -> str:
        folder = tmp_path / place
        info = folder / f"robo_shy-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: robo-shy\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[robo_trader]\nshy = zz_shy\n")
        (folder / "zz_shy.py").write_text(
            "from robo_trader import RiskRule, hookimpl\n\n"
            f"class Shy(RiskRule):\n    def check(self, intent, book):\n        {body}\n\n"
            "@hookimpl\ndef robo_register(add):\n    add.risk_rule('shy', Shy)\n"
        )
        (folder / "robo.toml").write_text("[risk.shy]\n")
        monkeypatch.syspath_prepend(str(folder))
        sys.modules.pop("zz_shy", None)
        config = load_config(folder / "robo.toml", environ={})
        return risk_hash(config, load_host(config, environ={}, path=[str(folder)]))

    first = at("a", "1.0", "return None")
    assert at("b", "1.0", "return None") == first
    assert at("c", "1.1", "return None") != first
    assert at("d", "1.0", "return self.veto(intent, 'shy')") != first
