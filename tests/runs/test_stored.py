"""What was written is read back the same; what was damaged is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.engine.record import OrderRecord
from robo_trader.errors import RunError, UsageError
from robo_trader.records import Fill, Signal
from robo_trader.runs import Result, StoredRun, csvs, load_run

Make = Callable[..., Result]


@pytest.fixture
def stored(make_result: Make, tmp_path: Path) -> StoredRun:
    return load_run(make_result().save(tmp_path))


def test_a_stored_run_reads_like_its_result(make_result: Make, tmp_path: Path) -> None:
    result = make_result()
    run = load_run(result.save(tmp_path))
    assert (run.id, run.state, run.strategy) == (result.id, "finished", "sma_cross")
    assert run.started == result.info.started
    assert run.fills == result.fills and run.orders == result.orders
    assert run.trades == result.trades and run.signals == result.signals
    assert run.metrics == result.metrics
    assert run.metric("sharpe") == result.metric("sharpe")
    assert run.scorecard == result.scorecard
    pd.testing.assert_frame_equal(run.equity, result.equity)
    assert run.verify() == [] and run.report_path is None
    (run.run_dir / "report.html").write_text("<html></html>")
    assert run.report_path == run.run_dir / "report.html"


def test_unknown_metric(stored: StoredRun) -> None:
    with pytest.raises(UsageError, match="did you mean 'sharpe'"):
        stored.metric("sharp")


# -- every value survives -------------------------------------------------------------------------

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times = st.timedeltas(timedelta(days=7_000), timedelta(days=47_000)).map(lambda gap: EPOCH + gap)
finite = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)
positive = st.floats(1e-12, 1e300)
# A carriage return is written as a line feed, and a NUL is dropped; both are no text to keep.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)
no_separator = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0;"), min_size=1)


def back(columns: tuple[csvs.Column, ...], records: list[Any], path: Path) -> list[Any]:
    path.write_bytes(csvs.encode_records(columns, records))
    names = [column.name for column in columns]
    return [dict(zip(names, row, strict=True)) for row in csvs.decode(columns, path)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv") / "table.csv"


@given(
    fills=st.lists(
        st.builds(
            Fill,
            time=times,
            symbol=words,
            side=st.sampled_from(["BUY", "SELL"]),
            size=positive | st.integers(1, 10**9).map(float),
            price=finite,
            commission=finite,
            order_id=st.integers(0),
            because=words,
        ),
        max_size=5,
    )
)
def test_fills_survive(fills: list[Fill], file: Path) -> None:
    assert [Fill(**row) for row in back(csvs.FILLS, fills, file)] == fills


@given(
    orders=st.lists(
        st.builds(
            OrderRecord,
            order_id=st.integers(1),
            time=times.map(lambda t: int((t - EPOCH).total_seconds()) * 10**9 + 5000),
            symbol=words,
            side=st.sampled_from(["BUY", "SELL"]),
            type=st.sampled_from(["Market", "StopLimit"]),
            size=positive,
            limit=st.none() | finite,
            stop=st.none() | finite,
            parent=st.none() | st.integers(1),
            oco=st.none() | st.integers(1),
            status=st.sampled_from(["Completed", "Canceled"]),
            filled=st.just(0.0) | positive,
            reason=words,
            because=words,
        ),
        max_size=5,
    )
)
def test_orders_survive(orders: list[OrderRecord], file: Path) -> None:
    assert [OrderRecord(**row) for row in back(csvs.ORDERS, orders, file)] == orders


@given(
    signals=st.lists(
        st.builds(
            Signal,
            at=times,
            symbol=words,
            name=words,
            value=st.floats(-1, 1).map(lambda x: x + 0.0),
            confidence=st.floats(0, 1),
            expires_at=st.none() | times,
            evidence=st.lists(no_separator, max_size=3).map(tuple),
        ),
        max_size=5,
    )
)
def test_signals_survive(signals: list[Signal], file: Path) -> None:
    assert [Signal(**row) for row in back(csvs.SIGNALS, signals, file)] == signals


# -- damage ---------------------------------------------------------------------------------------


def test_no_such_folder_and_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no such folder"):
        load_run(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"has no run\.json"):
        load_run(tmp_path)


def _without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda run: {k: v for k, v in run.items() if k != key}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run: [], "is no run of robo_trader"),
        (lambda run: {"name": "npm package"}, "is no run of robo_trader"),
        (lambda run: {**run, "format": 99}, "has format 99, this version reads up to 1"),
        (lambda run: {**run, "state": "half"}, "the state is 'half'"),
        (lambda run: {**run, "started": "yesterday"}, "is damaged"),
        (lambda run: {**run, "started": "2024-01-01T00:00:00"}, "no time zone"),
        (lambda run: {**run, "metrics": 3}, "is damaged"),
        (lambda run: {**run, "metrics": {"sharpe": 1.5}}, "is damaged"),
        (lambda run: {**run, "metrics": {"sharpe": {"value": 1.5}}}, "is damaged"),
        (_without("strategy"), "is damaged: KeyError: 'strategy'"),
    ],
)
def test_damaged_run_json(stored: StoredRun, change: Callable[[dict[str, Any]], Any], words: str) -> None:
    file = stored.run_dir / "run.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(RunError, match=words) as caught:
        load_run(stored.run_dir)
    assert str(file) in caught.value.message


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_run_json_that_is_no_json(stored: StoredRun, content: bytes) -> None:
    (stored.run_dir / "run.json").write_bytes(content)
    with pytest.raises(RunError, match="is damaged"):
        load_run(stored.run_dir)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"time,symbol", b"when,symbol", "the header is 'when,symbol"),
        (b"105.5,1.5", b"105.5.1,1.5", "line 3: column price has '105.5.1'"),
        (b"2024-01-03T21:00:00Z", b"2024-01-03T21:00:00", "line 3: column time has"),
        (b"2024-01-03T21:00:00Z", b"noon", "line 3: column time has 'noon'"),
        (b"1.5,2,", b"1.5,2", "line 3: 7 cells, not 8"),
        (b"AAA", b"\xff", "is damaged"),
    ],
)
def test_damaged_table(stored: StoredRun, old: bytes, new: bytes, words: str) -> None:
    file = stored.run_dir / "fills.csv"
    file.write_bytes(file.read_bytes().replace(old, new))
    with pytest.raises(RunError, match=words) as caught:
        _ = stored.fills
    assert str(file) in caught.value.message
    assert stored.verify() == ["fills.csv: was changed after the run"]


def test_missing_table(stored: StoredRun) -> None:
    (stored.run_dir / "trades.csv").unlink()
    with pytest.raises(RunError, match=r"trades\.csv: cannot be read: No such file"):
        _ = stored.trades
    assert stored.verify() == ["trades.csv: No such file or directory"]


def test_damaged_equity(stored: StoredRun) -> None:
    file = stored.run_dir / "equity.csv"
    file.write_text(file.read_text().replace("2024-01-03", "someday"))
    with pytest.raises(RunError, match="a date cannot be read"):
        _ = stored.equity
