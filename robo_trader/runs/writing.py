"""Write a run directory: first beside its place, then moved there whole.

Failure contract: the folder with the run's id appears complete or not at all. When the disk is
full, the folder cannot be written, or Ctrl-C comes in between, what was begun is removed again; the
first two raise `RunError` with path and reason. (A process killed in that moment leaves a hidden
``.<id>.partial``, which `list_runs` reports.)
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_trader.errors import JournalError, RunError
from robo_trader.runs import csvs, journalling
from robo_trader.runs.info import RunInfo
from robo_trader.runs.plain import dumps, plain
from robo_trader.runs.result import Result

if TYPE_CHECKING:
    from robo_trader.analytics import Trade
    from robo_trader.bars.frame import BarFrame
    from robo_trader.engine.record import OrderRecord, RunRecord

#: The version of the run directory's format; a reader refuses one that is newer.
FORMAT = 1
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_run(record: RunRecord, info: RunInfo, parent: str | Path, *, bars: Sequence[BarFrame] = ()) -> Path:
    """Write the run directory of `record` below `parent` and return it.

    `bars` are the frames that were traded; without them trades have no count of bars. Raises
    `RunError` when it cannot be written or is there already.
    """
    return write_result(Result(record, info, bars=bars), Path(parent))


def write_result(result: Result, parent: Path) -> Path:
    """Write `result` as a run directory below `parent`; see `write_run`."""
    final, partial = parent / result.id, parent / f".{result.id}.partial"
    if final.exists():
        raise RunError(f"{final}: is there already", hint="a run is written once; run it again for a new id")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
    except OSError as error:
        raise _unwritable(parent, error) from error
    try:
        files: dict[str, dict[str, Any]] = {}
        for name, content, rows in _tables(result):
            (partial / name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            files[name] = {"sha256": digest, "rows": rows, "bytes": len(content)}
        journalling.write(result, partial / journalling.FILE)
        text = dumps(run_document(result, files))
        (partial / "run.json").write_bytes(text.encode("utf-8", errors="backslashreplace"))
        partial.rename(final)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise _unwritable(final, error) from error
    except JournalError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RunError(
            f"{final}: the run directory cannot be written: {error.message}", hint=error.hint
        ) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return final


def check_writable(parent: str | Path) -> None:
    """Raise `RunError` when no run could be written below `parent`; for use before a long run.

    Nothing is left behind: a parent that is not there yet is not made, the folder that would hold it
    is tried instead.
    """
    parent = Path(parent)
    place = parent.absolute()
    try:
        while not place.exists():
            place = place.parent
        Path(tempfile.mkdtemp(prefix=".robo-", dir=place)).rmdir()
    except OSError as error:
        raise _unwritable(parent, error) from error


def _unwritable(path: Path, error: OSError) -> RunError:
    full = error.errno in _FULL
    hint = "free some space, or name another folder with --out" if full else "name another folder with --out"
    return RunError(f"{path}: the run directory cannot be written: {error.strerror or error}", hint=hint)


def _tables(result: Result) -> Iterator[tuple[str, bytes, int]]:
    d = result.daily
    equity = [d.dates.astype(str).tolist(), d.value.tolist(), d.cash.tolist(), d.returns.tolist()]
    yield "equity.csv", csvs.encode(csvs.EQUITY, equity), len(d.dates)
    record = result.record
    yield "orders.csv", csvs.encode_records(csvs.ORDERS, record.orders), len(record.orders)
    yield "fills.csv", csvs.encode_records(csvs.FILLS, record.fills), len(record.fills)
    yield "trades.csv", csvs.encode_records(csvs.TRADES, result.trades.rows), len(result.trades)
    yield "signals.csv", csvs.encode_records(csvs.SIGNALS, record.signals), len(record.signals)


def run_document(result: Result, files: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return what `run.json` holds, as plain JSON values."""
    record, info, dates = result.record, result.info, result.daily.dates
    document = {
        "format": FORMAT,
        "id": info.id,
        "state": record.state,
        "partial": record.state != "finished",
        "failure": record.failure,
        "strategy": info.strategy,
        "command": info.command,
        "started": info.started,
        "period": {
            "first": str(dates[0]) if len(dates) else None,
            "last": str(dates[-1]) if len(dates) else None,
            "sessions": len(dates),
        },
        "params": info.params,
        "seed": info.seed,
        "starting_cash": record.starting_cash,
        "fill_rules": record.fill_rules,
        "notify": record.notify,
        "path": record.path,
        "path_reasons": record.path_reasons,
        "cheats": record.cheats,
        "counts": _counts(result),
        "outcome": outcome(result.orders, result.trades),
        "metrics": {name: metric.as_dict() for name, metric in result.measures.items()},
        **_split(result),
        "scorecard": [score.as_dict() for score in result.scorecard],
        "drawdowns": [spell.as_dict() for spell in result.drawdowns(5)],
        "benchmark": info.benchmark.symbol if info.benchmark else None,
        "baselines": {
            name: {"note": base.note, "metrics": {key: metric.value for key, metric in base.metrics.items()}}
            for name, base in info.baselines.items()
        },
        # Its curve is for the report; a reader of run.json wants the comparison.
        "twin": {key: value for key, value in info.twin.items() if key not in ("dates", "value")},
        "halts": [
            {"at": halt.when, "state": halt.state, "rule": halt.rule, "who": halt.who, "why": halt.why}
            for halt in info.halts
        ],
        "warnings": result.warnings,
        "notes": info.notes,
        "data": info.data,
        "config": info.config,
        "versions": info.versions,
        "timings": {**record.timings, **info.timings},
        "files": files or {},
        **info.extra,
    }
    shown: dict[str, Any] = plain(document)
    return shown


def _split(result: Result) -> dict[str, Any]:
    """Return what stands beside the metrics where a model read the events: nothing elsewhere."""
    if not result.split:
        return {}
    parts = {
        part: {name: metric.value for name, metric in measures.items()}
        for part, measures in result.split.items()
    }
    n = {part: measures["total_return"].n for part, measures in result.split.items()}
    return {"split": {"clean_from": result.info.clean_from, "sessions": n, **parts}}


def outcome(orders: Iterable[OrderRecord], trades: Iterable[Trade]) -> dict[str, Any]:
    """Return what a run came to in a few words: for `robo explain`, which then reads no table.

    How many orders were not filled, by status and reason; the five commonest reasons given; how
    many trades are open; the ids of the best and the worst closed one.
    """
    not_filled: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for order in orders:
        if order.status not in ("Completed", "Accepted", "Submitted"):
            not_filled[f"{order.status}: {order.reason}" if order.reason else order.status] += 1
        if order.because:
            reasons[order.because] += 1
    every = list(trades)
    closed = [(t.pnl_net, t.trade_id) for t in every if t.exit_time is not None and t.pnl_net is not None]
    ranked = sorted(closed, key=lambda pair: pair[0])
    return {
        "not_filled": dict(not_filled.most_common()),
        "reasons": dict(reasons.most_common(5)),
        "open_trades": len(every) - len(closed),
        "best": ranked[-1][1] if ranked else None,
        "worst": ranked[0][1] if ranked else None,
    }


def _counts(result: Result) -> dict[str, int]:
    from robo_trader.engine.record import AllowedOrders

    record = result.record
    # A run without a guard allowed them all.
    decisions = () if isinstance(record.decisions, AllowedOrders) else record.decisions
    answers = Counter(decision.action for decision in decisions)
    return {
        "bars": record.bars_processed,
        "events": len(record.events_delivered),
        "signals": len(record.signals),
        "orders": len(record.orders),
        "orders_resized": answers["resize"],
        "orders_vetoed": answers["veto"],
        "fills": len(record.fills),
        "trades": len(result.trades),
    }
