"""The run directory: its exact bytes, its state, and that nothing half-written ever stays."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from robo_trader.engine.record import Failure
from robo_trader.errors import RunError
from robo_trader.records import Decision, Fill, Intent
from robo_trader.runs import Baseline, Benchmark, Result, check_writable, new_run_id, write_run

Make = Callable[..., Result]


def text(folder: Path, name: str) -> str:
    return (folder / name).read_bytes().decode()


def test_csv_files_to_the_byte(make_result: Make, tmp_path: Path) -> None:
    folder = make_result().save(tmp_path)
    assert text(folder, "equity.csv") == (
        "date,value,cash,return\n"
        "2024-01-02,100000.0,90000.0,0.0\n"
        "2024-01-03,100490.5,100490.5,0.004904999999999937\n"
        "2024-01-04,100600.0,95000.25,0.001089655241042653\n"
    )
    assert text(folder, "orders.csv") == (
        "order_id,time,symbol,side,type,size,limit,stop,parent,oco,status,filled,reason,because\n"
        '1,2024-01-02T14:30:00Z,AAA,BUY,Market,100,,,,,Completed,100,,"cross, up"\n'
        "2,2024-01-03T14:30:00Z,AAA,SELL,Limit,100,105.5,,,1,Completed,100,,\n"
        "3,2024-01-04T14:30:00Z,BBB,BUY,Market,0.5,,,,,Margin,0,not enough cash,\n"
    )
    assert text(folder, "fills.csv") == (
        "time,symbol,side,size,price,commission,order_id,because\n"
        '2024-01-02T14:30:00Z,AAA,BUY,100,100.1,1.0,1,"cross, up"\n'
        "2024-01-03T21:00:00Z,AAA,SELL,100,105.5,1.5,2,\n"
        "2024-01-04T14:30:00Z,BBB,BUY,0.5,11.0,0.0,3,\n"
    )
    assert text(folder, "trades.csv") == (
        "trade_id,symbol,side,size,entry_time,entry_price,exit_time,exit_price,"
        "pnl,commission,pnl_net,bars,because\n"
        "1,AAA,BUY,100,2024-01-02T14:30:00Z,100.1,2024-01-03T21:00:00Z,105.5,"
        '540.0,2.5,537.5,,"cross, up"\n'
        "2,BBB,BUY,0.5,2024-01-04T14:30:00Z,11.0,,,0.25,0.0,0.25,,\n"
    )
    assert text(folder, "signals.csv") == (
        "at,symbol,name,value,confidence,expires_at,evidence\n"
        "2024-01-02T14:30:00Z,AAA,news,0.25,0.5,2024-01-03T14:30:00Z,e1;e2\n"
        "2024-01-02T14:30:00.001500Z,*,fed,-1.0,1.0,,\n"
    )


def test_same_run_same_bytes_and_metrics(make_result: Make, tmp_path: Path) -> None:
    first, second = make_result().save(tmp_path), make_result().save(tmp_path)
    assert first != second
    for name in ("equity", "orders", "fills", "trades", "signals"):
        assert (first / f"{name}.csv").read_bytes() == (second / f"{name}.csv").read_bytes()
    one, two = (json.loads(text(f, "run.json")) for f in (first, second))
    assert one["metrics"] == two["metrics"] and one["files"] == two["files"]
    assert {k for k in one if one[k] != two[k]} == {"id"}


def test_id() -> None:
    from datetime import UTC, datetime

    got = new_run_id("My Strategy (v2)", datetime(2026, 11, 20, 8, 1, 2, tzinfo=UTC))
    assert re.fullmatch(r"20261120T080102Z-my-strategy-v2-[0-9a-f]{6}", got)
    assert "-strategy-" in new_run_id("¿?", datetime(2026, 11, 20, tzinfo=UTC))
    assert new_run_id("sma_cross", datetime(2026, 11, 20, tzinfo=UTC)).count("sma_cross") == 1


def test_run_json(make_result: Make, tmp_path: Path) -> None:
    intent = Intent(
        order_id=1, time=make_result().info.started, symbol="AAA", side="BUY", size=1.0, type="Market"
    )
    result = make_result(
        decisions=[Decision(intent=intent), Decision(intent=intent, action="resize", size=0.5)],
        benchmark=Benchmark("SPY", np.array(["2024-01-03"], "datetime64[D]"), np.array([0.01])),
        baselines={"buy_and_hold": make_result().as_baseline("equal parts")},
        twin={"state": "compared", "metrics": {"total_return": 0.2}, "dates": ["2024-01-02"], "value": [1.0]},
        extra={"strategy_origin": "plugin sma"},
        config={"run": {"cash": float("nan")}, "path": tmp_path},
    )
    folder = result.save(tmp_path)
    run = json.loads(text(folder, "run.json"))
    assert run["format"] == 1 and run["id"] == folder.name == result.id
    assert run["state"] == "finished" and run["partial"] is False and run["failure"] is None
    assert run["command"] == "robo backtest sma_cross" and run["params"] == {"fast": 10, "slow": 30}
    assert run["config"] == {"run": {"cash": None}, "path": str(tmp_path)}
    assert run["data"] == [{"source": "AAA.csv", "sha256": "ab", "rows": 3}]
    assert run["warnings"] == ["costs are 0", "bars were guessed"]
    assert run["timings"] == {"run": 0.5} and run["versions"] == {"python": "3.11.7"}
    assert run["period"] == {"first": "2024-01-02", "last": "2024-01-04", "sessions": 3}
    assert run["started"] == "2026-11-20T08:00:00Z"
    sharpe = run["metrics"]["sharpe"]
    assert sharpe["value"] is None and sharpe["reason"] == "3 daily returns; 30 needed"
    assert sharpe["extra"] == {"rf": 0.0, "factor": 252.0} and sharpe["n"] == 3
    assert run["metrics"]["total_return"]["value"] == pytest.approx(0.006)
    assert run["metrics"]["beta"]["extra"]["benchmark"] == run["benchmark"] == "SPY"
    assert run["baselines"]["buy_and_hold"]["metrics"]["trades"] == 2
    assert run["twin"] == {"state": "compared", "metrics": {"total_return": 0.2}}
    assert run["strategy_origin"] == "plugin sma"
    assert run["counts"]["orders_resized"] == 1 and run["counts"]["orders_vetoed"] == 0
    assert [row["state"] for row in run["scorecard"]].count("unknown") == 4
    assert run["files"]["fills.csv"]["rows"] == 3


@pytest.mark.parametrize("state", ["interrupted", "failed"])
def test_partial_runs_are_marked(make_result: Make, tmp_path: Path, state: str) -> None:
    failure = Failure("ZeroDivisionError: division by zero", "sma.py:12") if state == "failed" else None
    run = json.loads(text(make_result(state=state, failure=failure).save(tmp_path), "run.json"))
    assert run["state"] == state and run["partial"] is True
    assert (run["failure"] or {}).get("where") == ("sma.py:12" if failure else None)


def test_a_run_that_never_saw_a_session(make_result: Make, tmp_path: Path) -> None:
    from robo_trader.engine.record import Sessions

    none = np.zeros(0)
    empty = Sessions(none.astype("datetime64[D]"), none.astype(np.int64), none, none, none)
    folder = make_result(sessions=empty, orders=[], fills=[], signals=[], state="failed").save(tmp_path)
    assert text(folder, "equity.csv") == "date,value,cash,return\n"
    assert json.loads(text(folder, "run.json"))["metrics"]["total_return"]["reason"] == "there are no returns"


def test_awkward_text_survives_every_reader(make_result: Make, tmp_path: Path) -> None:
    because = 'He said "buy",\r\nthen\rleft; naïve 漢字 \ud800'
    fill = Fill(
        time=make_result().record.fills[0].time,
        symbol="A,B",
        side="BUY",
        size=1e-9,
        price=1e22,
        commission=-0.0,
        order_id=1,
        because=because,
    )
    folder = make_result(fills=[fill], orders=[], strategy="x").save(tmp_path)
    assert b"\r" not in (folder / "fills.csv").read_bytes()
    with (folder / "fills.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["because"] == 'He said "buy",\nthen\nleft; naïve 漢字 \\ud800'
    assert (row["symbol"], row["size"], row["price"], row["commission"]) == ("A,B", "1e-09", "1e+22", "0.0")


def test_write_run_takes_record_and_info(make_result: Make, tmp_path: Path) -> None:
    made = make_result()
    assert write_run(made.record, made.info, tmp_path / "a" / "b") == tmp_path / "a" / "b" / made.id


# -- what cannot be written -----------------------------------------------------------------------


def refused(result: Result, parent: Path, words: str) -> None:
    with pytest.raises(RunError, match=words) as caught:
        result.save(parent)
    assert "\n" not in str(caught.value) and "--out" in caught.value.hint


def test_full_disk(make_result: Make, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of a process are a thing of Unix")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
    try:
        refused(make_result(), tmp_path, "run directory cannot be written: .*(File too large|disk I/O error)")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["equity.csv", "trades.csv", "run.json"])
def test_disk_full_at_any_file(
    make_result: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if self.name == name:
            write(self, content[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    refused(make_result(), tmp_path, "No space left on device.*free some space")
    assert list(tmp_path.iterdir()) == []


def test_out_is_a_file(make_result: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    refused(make_result(), out, "cannot be written")
    refused(make_result(), out / "deeper", "cannot be written: Not a directory")
    assert out.read_text() == "mine"


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs /proc, a folder that not even root can write"
)
def test_unwritable_folder(make_result: Make) -> None:
    refused(make_result(), Path("/proc/runs"), "cannot be written")


def test_a_place_can_be_tried_before_the_run(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.write_text("mine")
    for wrong in (file, file / "runs"):
        with pytest.raises(RunError, match="cannot be written: Not a directory") as caught:
            check_writable(wrong)
        assert str(wrong) in caught.value.message and "--out" in caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_ctrl_c_while_writing_leaves_nothing(
    make_result: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_result().save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_written_once(make_result: Make, tmp_path: Path) -> None:
    result = make_result()
    folder = result.save(tmp_path)
    before = (folder / "run.json").read_bytes()
    with pytest.raises(RunError, match="is there already"):
        result.save(tmp_path)
    assert (folder / "run.json").read_bytes() == before


def test_baseline_without_anything(make_result: Make, tmp_path: Path) -> None:
    nothing = Baseline(np.array([], "datetime64[D]"), np.array([]), note="nothing here can be traded")
    run = json.loads(text(make_result(baselines={"random_entry": nothing}).save(tmp_path), "run.json"))
    assert run["baselines"]["random_entry"] == {"note": "nothing here can be traded", "metrics": {}}


def test_runs_import_nothing_heavy() -> None:
    heavy = ("pandas", "backtrader", "empyrical", "matplotlib")
    code = f"import sys, robo_trader.runs; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
