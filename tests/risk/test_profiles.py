"""Profiles: which rules are asked with which limits, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robo_trader.config import load_config
from robo_trader.errors import ConfigError
from robo_trader.plugins import load_host
from robo_trader.risk.guard import Guard
from robo_trader.risk.profile import BUILT_IN, load_guard
from robo_trader.risk.sectors import BROAD_INDEX, SectorMap


def load(tmp_path: Path, profile: str = "default", toml: str = "", **files: str) -> Guard | None:
    for name, text in files.items():
        (tmp_path / name.replace("_", ".", 1)).write_text(text)
    (tmp_path / "robo.toml").write_text(toml)
    path = str(tmp_path / profile) if profile.endswith(".toml") else profile
    config = load_config(tmp_path / "robo.toml", flags={"risk.profile": path}, environ={})
    return load_guard(config, load_host(config, third_party=False, environ={}))


def rule(guard: Guard | None, name: str) -> Any:
    assert guard is not None
    return guard.rules[name]


def test_the_default_profile_has_the_limits_of_the_design(tmp_path: Path) -> None:
    guard = load(tmp_path)
    assert guard is not None
    assert tuple(guard.rules) == BUILT_IN
    assert guard.labels() == {
        "position": "10 %", "sector": "30 %", "gross": "100 %", "net": "100 %", "leverage": "100 %",
        "daily_loss": "3 %", "drawdown": "15 %", "correlation": "0.7", "orders_per_minute": "3000",
        "duplicate": "",
    }  # fmt: skip


def test_off_is_no_guard(tmp_path: Path) -> None:
    assert load(tmp_path, "off") is None


def test_a_file_goes_over_robo_toml_which_goes_over_the_defaults(tmp_path: Path) -> None:
    toml = "[risk.position]\nlimit = 0.2\n[risk.position.symbols]\nAAPL = 0.05\n[risk.gross]\nlimit = 2.0\n"
    text = "position = 0.3\ncorrelation = false\n[deny]\nsymbols = ['GME']\n"
    guard = load(tmp_path, "r.toml", toml, r_toml=text)
    assert rule(guard, "position").limits.limit == 0.3
    assert rule(guard, "position").limits.symbols == {"aapl": 0.05}
    assert rule(guard, "gross").limits.limit == 2.0
    assert rule(guard, "deny").symbols == {"gme"}
    assert guard is not None and "correlation" not in guard.rules


def test_a_sector_that_somebody_is_told_to_be_in_is_no_misspelling(tmp_path: Path) -> None:
    toml = "[bars.symbols.RWE]\nsector = 'Energie'\n[risk.position]\nsectors = {Energie = 0.05, RWE = 0.1}\n"
    assert rule(load(tmp_path, "default", toml), "position").limits.named == ("Energie", "RWE")


def test_sectors_come_from_a_file_beside_the_profile(tmp_path: Path) -> None:
    text = "symbol,sector\nAAPL,Fruit\nNEW,Fruit\nMYIDX,Broad index\n"
    guard = load(tmp_path, "r.toml", r_toml='sectors = "s.csv"\n', s_csv=text)
    assert guard is not None
    assert [guard.view.sectors.sector(s) for s in ("AAPL", "NEW", "MYIDX", "XOM")] == [
        "Fruit", "Fruit", BROAD_INDEX, "Energy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("profile", "toml", "files", "says"),
    [
        ("defalt", "", {}, "did you mean 'default'?"),
        ("none.toml", "", {}, "there is no risk profile"),
        ("r.toml", "", {"r_toml": "[positon]\nlimit = 0.1\n"}, "did you mean 'position'?"),
        ("r.toml", "", {"r_toml": "[position]\nlimt = 0.1\n"}, "did you mean 'limit'?"),
        ("r.toml", "", {"r_toml": "position = 15\n"}, "15 % is written 0.15"),
        ("r.toml", "", {"r_toml": "position = \n"}, "is not valid TOML"),
        ("r.toml", "", {"r_toml": "sectors = 3\n"}, "must be the path of a CSV file"),
        ("r.toml", "", {"r_toml": "[position]\nsectors = {Enrgy = 0.05}\n"}, "did you mean 'Energy'?"),
        ("r.toml", "", {"r_toml": "[position]\nindex_funds = 0\n"}, "index_funds must be above 0"),
        ("r.toml", "", {"r_toml": "[position]\nenabled = 'no'\n"}, "must be true or false, not 'no'"),
        ("r.toml", "", {"r_toml": "zzz = 3\n"}, "rules are allow, correlation"),
        ("default", "[risk.sectr]\nlimit = 0.5\n", {}, "did you mean 'sector'?"),
        ("default", "[risk.daily_loss]\nlimit = -0.03\n", {}, "[risk.daily_loss] limit must be above 0"),
        ("default", "[risk]\nsectors = 'gone.csv'\n", {}, "there is no sector file gone.csv"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, profile: str, toml: str, files: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, profile, toml, **files)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("symbol,sector\nA,X\nB,Y\nA,Z\n", "row 4: A is given twice ('X' in row 2, now 'Z')"),
        ("symbol,sector\nA,X\nA,X\n", "row 3: A is given twice"),
        ("A,X\n", "the first row must be symbol,sector"),
        ("symbol,sector\nA\n", "row 2: 'A' is no symbol and sector"),
        ("symbol,sector\nA,\n", "row 2"),
        ("", "the first row"),
    ],
)
def test_a_wrong_sector_file_names_file_and_row(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "sectors.csv"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        SectorMap.load(file)
    assert says in str(caught.value) and "sectors.csv" in str(caught.value)


def test_a_sector_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "sectors.csv"
    file.write_bytes(b"symbol,sector\n\xff\xfe,X\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        SectorMap.load(file)


def test_the_map_that_comes_with_the_project() -> None:
    sectors = SectorMap.load()
    assert len(sectors) > 600
    known = {"AAPL": "Information Technology", "XOM": "Energy", "JPM": "Financials", "SPY": BROAD_INDEX}
    assert {s: sectors.sector(s) for s in known} == known
    assert len(sectors.names()) == 12
    assert sectors.sector("NOSUCH") is None
