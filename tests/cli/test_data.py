"""`robo data`: what there is, and everything wrong with it in one table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robo_trader.bars.bundled import bundled_bars
from robo_trader.cli.data import _ranges
from robo_trader.gateway.build import replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.server import GatewayServer
from robo_trader.gateway.settings import GatewaySettings


@pytest.fixture
def dirty(data: Path) -> Path:
    """The good folder with one file in trouble: two single cells and ten rows alike."""
    lines = [line.split(",") for line in (data / "SPY.csv").read_text(encoding="utf-8").splitlines()]
    lines[4][4] = "NaN"
    lines[6][1] = "abc"
    for row in range(20, 30):
        lines[row][5] = ""
    (data / "BAD.csv").write_text("\n".join(",".join(line) for line in lines), encoding="utf-8")
    return data


def test_a_good_folder(robo: Any, data: Path) -> None:
    answer = robo("data", "check", "data")
    assert (answer.code, answer.out, answer.err) == (0, "", "2 files, nothing wrong\n")
    assert json.loads(robo("data", "check", "data", "--json").out) == []


def test_everything_wrong_stands_in_one_table(robo: Any, dirty: Path) -> None:
    answer = robo("data", "check", "data")
    assert answer.code == 1 and answer.err == "12 problems in 1 of 3 files\n"
    rows = [line for line in answer.out.splitlines() if line.startswith("BAD.csv")]
    assert len(rows) == 3
    assert any(" 5 " in row and "close" in row for row in rows)
    assert any(" 7 " in row and "open = " in row and "abc" in row for row in rows)
    assert any(" 21-30 " in row and "(10 times)" in row for row in rows)


def test_json_lists_each_problem(robo: Any, dirty: Path) -> None:
    answer = robo("data", "check", "data", "--json")
    found = json.loads(answer.out)
    assert answer.code == 1 and len(found) == 12
    assert {"file", "row", "column", "value", "problem", "fix"} <= set(found[0])
    assert {problem["file"] for problem in found} == {"BAD.csv"}
    assert {problem["row"] for problem in found} == {5, 7, *range(21, 31)}


def test_one_file(robo: Any, dirty: Path) -> None:
    assert robo("data", "check", "data/SPY.csv").code == 0
    assert robo("data", "check", "data/BAD.csv").code == 1


def test_settings_of_robo_toml_and_flags_hold(robo: Any, home: Path, data: Path) -> None:
    half_hours = [f"{h:02d}:{m:02d}" for h in range(10, 15) for m in (0, 30)]
    rows = [f"2024-02-05 {time},10,11,9,10,5\n" for time in half_hours]
    text = "datetime,open,high,low,close,volume\n" + "".join(rows)
    (home / "data" / "SPY.csv").write_text(text, encoding="utf-8")
    assert robo("data", "check", "data/SPY.csv").code == 1
    assert robo("data", "check", "data/SPY.csv", "--stamps", "start").code == 0
    (home / "robo.toml").write_text('[bars]\nsource = "data/SPY.csv"\nstamps = "end"\n', encoding="utf-8")
    assert robo("data", "check").code == 0


def test_check_needs_a_folder(robo: Any, home: Path) -> None:
    assert "robo data check DIR" in robo("data", "check").one_error_line(2)
    assert "nowhere" in robo("data", "check", "nowhere").one_error_line(1)


def test_list_of_a_folder(robo: Any, dirty: Path) -> None:
    answer = robo("data", "list", "data")
    assert answer.code == 0
    assert "SPY" in answer.out and "2024-01-02" in answer.out and "2024-04-30" in answer.out
    assert (
        "BAD" not in answer.out
        and "BAD cannot be used" in answer.err
        and "robo data check data" in answer.err
    )


def test_list_of_the_bundled_bars_is_the_default(robo: Any, home: Path) -> None:
    rows = json.loads(robo("data", "list", "--json").out)
    assert {"SPY", "VIX"} <= {row["symbol"] for row in rows}
    assert all(row["timeframe"] == "1d" and row["bars"] > 2000 for row in rows)
    assert "SPY" in robo("data", "list", "bundled").out


def test_list_of_a_plugin_source(robo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "my_quotes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-quotes\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[robo_trader]\nmy-quotes = my_quotes\n", encoding="utf-8")
    (tmp_path / "my_quotes.py").write_text(
        "from robo_trader import BarSource, hookimpl\n"
        "class Quotes(BarSource):\n"
        "    def load(self, symbol, start, end, timeframe): ...\n"
        "    def symbols(self): return ['AAA', 'BBB']\n"
        "class Mute(BarSource):\n"
        "    def load(self, symbol, start, end, timeframe): ...\n"
        "@hookimpl\n"
        "def robo_register(add):\n"
        "    add.bars('quotes', Quotes)\n"
        "    add.bars('mute', Mute)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert [row["symbol"] for row in json.loads(robo("data", "list", "quotes", "--json").out)] == [
        "AAA",
        "BBB",
    ]
    assert "AAA" in robo("data", "list", "quotes").out
    assert "cannot list" in robo("data", "list", "mute").one_error_line(2)
    assert "did you mean 'quotes'" in robo("data", "list", "quots").one_error_line(2)
    assert "no folder" in robo("data", "check", "quotes").one_error_line(2)


def test_row_numbers_are_said_as_ranges() -> None:
    assert _ranges([9, 2, 3, 4, 4, 11]) == "2-4, 9, 11"


@pytest.fixture
def broker(home: Path) -> Iterator[EmbeddedGateway]:
    """A simulated gateway that stands on 2020-03-02, and a robo.toml that names it."""
    settings = GatewaySettings(port=0, control_port=0, speed="lockstep", matching="bars")

    def make() -> GatewayServer:
        return replay_gateway(settings, bundled_bars(["SPY", "QQQ"]), start="2020-03-02")

    with EmbeddedGateway(make) as gateway:
        (home / "robo.toml").write_text(f"[bars.ib]\nport = {gateway.port}\n", encoding="utf-8")
        yield gateway


def test_bars_of_a_broker_become_files(robo: Any, broker: Any, home: Path) -> None:
    asked = (
        "data",
        "fetch",
        "--bars",
        "ib",
        "--symbols",
        "SPY,QQQ",
        "--start",
        "2019-12-02",
        "--end",
        "2020-02-28",
    )
    answer = robo(*asked, "--json")
    assert answer.code == 0, answer.err
    first, second = json.loads(answer.out)
    assert (first["symbol"], first["bars"], first["last"]) == ("SPY", 61, "2020-02-28")
    assert second["file"] == str(Path("data") / "QQQ.csv")
    listed = json.loads(robo("data", "list", "data", "--json").out)
    assert [(row["symbol"], row["bars"]) for row in listed] == [("QQQ", 61), ("SPY", 61)]
    assert "data/SPY.csv exists" in robo(*asked).one_error_line(2).replace("\\", "/")
    again = robo(*asked, "--replace")
    assert again.code == 0 and "2019-12-02" in again.out


def test_what_cannot_be_fetched_is_told_and_the_rest_comes(robo: Any, broker: Any, home: Path) -> None:
    answer = robo("data", "fetch", "--bars", "ib", "--symbols", "NOPE,SPY", "--start", "2020-01-02")
    assert answer.code == 1 and "knows no contract NOPE-STK-SMART-USD" in answer.err
    assert [file.name for file in (home / "data").iterdir()] == ["SPY.csv"]
    broker.close()
    answer = robo("data", "fetch", "--bars", "ib", "--symbols", "SPY", "--to", "other")
    assert answer.code == 1 and "nothing listens at 127.0.0.1" in answer.err
    assert "name them with --symbols" in robo("data", "fetch", "--bars", "ib").one_error_line(2)
