"""`robo plugins` and `robo config`: what they print, and how they refuse."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from robo_trader.cli.config import template


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of the import path, to install distributions into."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def install(folder: Path, name: str, code: str) -> None:
    """Install a distribution `name` whose plugin is a module of `code`."""
    module = name.replace("-", "_")
    info = folder / f"{module}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[robo_trader]\n{name} = {module}\n", encoding="utf-8")
    (folder / f"{module}.py").write_text(code, encoding="utf-8")


GOOD = """
from robo_trader import hookimpl
@hookimpl
def robo_register(add):
    add.event_source("posts", "{module}:Posts")
class Posts:
    def fetch(self, since, until):
        return []
"""


def test_the_list_shows_every_plugin_and_what_is_wrong(robo: Any, site: Path) -> None:
    install(site, "good-one-a", GOOD.format(module="good_one_a"))
    install(site, "broken-one-a", "raise RuntimeError('boom')")
    answer = robo("plugins")
    assert answer.code == 0
    assert "good-one-a" in answer.out and "event_source: posts" in answer.out
    assert "broken-one-a" in answer.out and "quarantined" in answer.out
    assert "boom" in answer.err and "fix:" in answer.err


def test_list_and_the_bare_group_are_the_same(robo: Any) -> None:
    assert robo("plugins").out == robo("plugins", "list").out
    assert robo("plugins", "--json").out == robo("plugins", "list", "--json").out


def test_json_is_the_list_that_was_promised(robo: Any, site: Path) -> None:
    install(site, "broken-one-b", "raise RuntimeError('boom')")
    rows = {row["name"]: row for row in json.loads(robo("plugins", "--json").out)}
    assert set(rows["broken-one-b"]) == {"name", "version", "state", "offers", "error", "fix"}
    assert rows["broken-one-b"]["state"] == "quarantined" and rows["broken-one-b"]["version"] == "1.5"
    assert rows["robo_trader"]["state"] == "ok"
    assert "buy_and_hold" in rows["robo_trader"]["offers"]["strategy"]


def test_check_of_a_good_plugin(robo: Any, site: Path) -> None:
    install(site, "good-one-c", GOOD.format(module="good_one_c"))
    answer = robo("plugins", "check", "good-one-c")
    assert answer.code == 0 and "everything loads" in answer.err


def test_check_imports_what_is_lazy(robo: Any, site: Path) -> None:
    install(site, "good-one-d", GOOD.format(module="nowhere_at_all"))
    assert robo("plugins").code == 0
    answer = robo("plugins", "check", "good-one-d")
    assert answer.code == 1 and "nowhere_at_all" in answer.out and "fix:" in answer.out
    problems = json.loads(robo("plugins", "check", "good-one-d", "--json").out)["problems"]
    assert [p["subject"] for p in problems] == ["event_source posts"]


def test_check_of_a_broken_plugin_shows_its_traceback(robo: Any, site: Path) -> None:
    install(site, "broken-one-e", "def deep():\n    raise RuntimeError('boom')\ndeep()")
    answer = robo("plugins", "check", "broken-one-e")
    assert answer.code == 1 and "in deep" in answer.out and "boom" in answer.out


def test_check_of_an_unknown_plugin_suggests(robo: Any, site: Path) -> None:
    install(site, "good-one-f", GOOD.format(module="good_one_f"))
    assert "good-one-f" in robo("plugins", "check", "good-one-q").one_error_line(1)


def test_config_shows_values_and_where_they_came_from(
    robo: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "robo.toml").write_text('[run]\ncash = 5\n[events.wsb]\napi_key = "hush"\n', encoding="utf-8")
    monkeypatch.setenv("ROBO_RUN__SEED", "7")
    answer = robo("config", "show")
    rows = {line.split()[0]: line for line in answer.out.splitlines() if line.strip()}
    assert "5.0" in rows["run.cash"] and "robo.toml" in rows["run.cash"]
    assert "7" in rows["run.seed"] and "ROBO_RUN__SEED" in rows["run.seed"]
    assert "default" in rows["run.slippage"]
    assert "hush" not in answer.out and "***" in rows["events.wsb.api_key"]


def test_config_json_nests_values_and_tells_origins(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text("[run]\ncash = 5\n", encoding="utf-8")
    found = json.loads(robo("config", "show", "run", "--json").out)
    assert found["file"] == "robo.toml"
    assert found["values"]["run"]["cash"] == 5 and set(found["values"]) == {"run"}
    assert found["origins"]["run.cash"].endswith("robo.toml")


def test_config_alone_shows_everything(robo: Any) -> None:
    assert robo("config").out == robo("config", "show").out


def test_one_key(robo: Any) -> None:
    answer = robo("config", "show", "run.cash")
    assert "100000" in answer.out and "run.seed" not in answer.out


def test_unknown_key_suggests(robo: Any, home: Path) -> None:
    assert "'run.cash'" in robo("config", "show", "run.csh").one_error_line(2)
    (home / "robo.toml").write_text("[run]\ncsh = 5\n", encoding="utf-8")
    assert "cash" in robo("config", "show").one_error_line(2)


def test_a_configuration_file_that_is_not_there(robo: Any) -> None:
    assert "nowhere.toml" in robo("config", "show", "--config", "nowhere.toml").one_error_line(2)


def test_init_writes_a_file_that_changes_nothing(robo: Any, home: Path) -> None:
    before = json.loads(robo("config", "show", "--json").out)["values"]
    assert robo("config", "init").code == 0
    assert json.loads(robo("config", "show", "--json").out)["values"] == before


def test_what_init_writes_is_right_when_uncommented(robo: Any, home: Path) -> None:
    lines = template().splitlines()
    active = [line.removeprefix("#") for line in lines if not line.startswith("# ") and "…" not in line]
    text = "\n".join(active)
    assert tomllib.loads(text)["run"]["cash"] == 100000.0
    before = json.loads(robo("config", "show", "--json").out)["values"]
    (home / "robo.toml").write_text(text, encoding="utf-8")
    assert json.loads(robo("config", "show", "--json").out)["values"] == before


def test_init_never_overwrites(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text("# mine\n", encoding="utf-8")
    assert "robo.toml" in robo("config", "init").one_error_line(1)
    assert (home / "robo.toml").read_text(encoding="utf-8") == "# mine\n"


PACK = """
import numpy as np
from robo_trader import hookimpl
@hookimpl
def robo_register(add):
    add.signal("{name}", "{module}:Pack")
class Pack:
    also = ("VIX",)
    def score(self, bars, VIX):
        moves = np.diff(bars.close) / bars.close[:-1]
        return np.tanh(np.concatenate(({numbers})))
"""


def test_check_tries_signals_for_what_they_know_too_early(robo: Any, site: Path) -> None:
    install(site, "pack-good", PACK.format(module="pack_good", name="goodpack", numbers="[np.nan], moves"))
    install(site, "pack-bad", PACK.format(module="pack_bad", name="badpack", numbers="moves, [np.nan]"))
    assert robo("plugins", "check", "pack-good").code == 0
    answer = robo("plugins", "check", "pack-bad")
    assert answer.code == 1
    assert "the signal 'badpack' depends on later bars" in answer.out
    assert "number i may use bars 0 to i only" in answer.out


def test_check_makes_analysts(robo: Any, site: Path) -> None:
    source = """
from datetime import timedelta
from robo_trader import hookimpl
@hookimpl
def robo_register(add):
    add.analyst("{module}", "{module}:Early")
    add.analyst("{module}_keyed", "{module}:Keyed")
class Early:
    kinds = ("news",)
    latency = timedelta(seconds={latency})
    def read(self, event): return []
class Keyed(Early):
    def __init__(self, key): ...
"""
    install(site, "reads-good", source.format(module="reads_good", latency="3"))
    assert robo("plugins", "check", "reads-good").code == 0
    install(site, "reads-bad", source.format(module="reads_bad", latency="-3"))
    answer = robo("plugins", "check", "reads-bad")
    assert (
        answer.code == 1 and "the analyst 'reads_bad' has latency = datetime.timedelta(days=-1" in answer.out
    )
