"""A run on one screen: its numbers beside the baselines' and the benchmark, warnings, where it is.

Works on a stored run, so that `robo backtest` and `robo runs show` say the same.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from robo_trader.cli import out
from robo_trader.cli.style import is_terminal

if TYPE_CHECKING:
    from robo_trader.analytics import Metric
    from robo_trader.runs import StoredRun

#: (metric, label); a metric that the run does not have is left out.
ROWS = (
    ("total_return", "total return"),
    ("cagr", "return a year"),
    ("monthly_return", "return a month"),
    ("volatility", "volatility"),
    ("sharpe", "Sharpe"),
    ("sortino", "Sortino"),
    ("calmar", "Calmar"),
    ("max_drawdown", "worst drawdown"),
    ("max_drawdown_duration", "  its duration"),
    ("time_in_market", "time in market"),
    ("exposure_gross", "exposure"),
    ("turnover", "turnover a year"),
    ("trades_closed", "closed trades"),
    ("win_rate", "win rate"),
    ("profit_factor", "profit factor"),
    ("expectancy", "mean trade"),
    ("final_value", "final value"),
)
_SIGNED = {"total_return", "cagr", "monthly_return", "expectancy"}


def show(run: StoredRun) -> None:
    """Print the heading and the table of numbers to stdout."""
    for line in _heading(run):
        out.lines(line)
    if run.state != "finished":
        out.lines(f"{run.state}: what follows is the part that was run")
    out.write("")
    others = _others(run)
    columns = [out.Column(""), out.Column(run.strategy, right=True)]
    columns += [out.Column(name.replace("_", " "), right=True, style="dim") for name in others]
    rows = []
    for name, label in ROWS:
        metric = run.measures.get(name)
        if metric is None:
            continue
        row = [label, _text(metric)]
        row += [_other_text(metric, other.get(name)) for other in others.values()]
        rows.append(row)
        low, high = run.measures.get("sharpe_low"), run.measures.get("sharpe_high")
        if name == "sharpe" and low and high and low.value is not None and high.value is not None:
            rows.append(["  95 % interval", f"{low.value:.2f} to {high.value:.2f}", *("" for _ in others)])
    out.table(columns, rows)
    asides = _asides(run)
    if run.document.get("halts"):
        from robo_trader.cli.story import halt_lines

        asides += halt_lines(run.document["halts"], most=4)
    if asides:
        out.write("")
    for line in asides:
        out.lines(line)


def show_scorecard(run: StoredRun) -> None:
    """Print the plan's targets and whether they were met."""
    out.write("")
    columns = [out.Column("target"), out.Column("asked"), out.Column("reached", right=True)]
    columns += [out.Column(""), out.Column("", fold=True)]
    out.table(columns, [[s.label, s.target, s.shown, s.state, s.note] for s in run.scorecard])


def show_warnings(run: StoredRun) -> None:
    """Print the run's warnings and notes to stderr."""
    if is_terminal(sys.stdout) and is_terminal(sys.stderr):
        out.note("")
    for text in run.document.get("warnings", []):
        out.note(_sentence(text), label="warning")
    for text in _gathered(run.document.get("notes", [])):
        out.note(text, label="note")


def show_place(run: StoredRun) -> None:
    """Print where the report and the run are."""
    report = run.report_path
    out.write("")
    if report is not None:
        out.write(f"report  {report}")
    out.write(f"run     {run.run_dir}")


def _heading(run: StoredRun) -> list[str]:
    period = run.document.get("period") or {}
    data = run.document.get("data") or []
    symbols = list(dict.fromkeys(str(row.get("symbol")) for row in data if row.get("symbol")))
    frames = list(dict.fromkeys(str(row.get("timeframe")) for row in data if row.get("timeframe")))
    shown = " ".join(symbols[:8]) + (f" and {len(symbols) - 8} more" if len(symbols) > 8 else "")
    params = ", ".join(f"{key}={value}" for key, value in (run.document.get("params") or {}).items())
    what = " · ".join(part for part in (shown, " ".join(frames)) if part)
    when = ""
    if period.get("first"):
        when = f"{period['first']} to {period['last']}, {period.get('sessions', 0):,} sessions"
    title = out.strong(run.strategy) + (f" ({params})" if params else "")
    lines = [title, f"{what} · {when}" if what and when else what or when]
    return [line for line in (*lines, *_readers(run)) if line]


def _readers(run: StoredRun) -> list[str]:
    """Return a line for each analyst that read: what it is and what it gave."""
    from robo_trader.report.readers import described

    return [
        " · ".join(
            part
            for part in (
                f"analyst={row['name']}",
                described(row),
                f"{row['views']:,} views, {row['abstained'] + row['failed']:,} abstentions",
                f"signals {row['latency']:g} s after their events",
            )
            if part
        )
        for row in run.document.get("analysts") or ()
    ]


def _others(run: StoredRun) -> dict[str, dict[str, float | None]]:
    """Return what stands beside the run: what a model may have known, and baselines with numbers."""
    split: dict[str, Any] = run.document.get("split") or {}
    found: dict[str, Any] = run.document.get("baselines") or {}
    beside = {}
    if split:
        known = "" if split["clean_from"].startswith("9999") else f"before {split['clean_from'][:10]}, "
        beside = {f"{known}in sample": split["before"]}
    return {**beside, **{name: base["metrics"] for name, base in found.items() if base.get("metrics")}}


def _text(metric: Metric) -> str:
    text = metric.text()
    positive = metric.value is not None and metric.value > 0
    return f"+{text}" if positive and metric.name in _SIGNED else text


def _other_text(like: Metric, value: float | None) -> str:
    """Return a baseline's bare number in the form of the run's own metric."""
    from robo_trader.analytics import Metric

    return _text(Metric(like.name, value, like.unit, "", "", 0, "" if value is not None else "unknown"))


def _asides(run: StoredRun) -> list[str]:
    """Return what belongs below the table: the benchmark, and why a number is missing."""
    lines = []
    if run.document.get("benchmark"):
        shown = []
        for name, label in (
            ("benchmark_return", "return"),
            ("excess_return", "excess"),
            ("beta", "beta"),
            ("alpha", "alpha"),
            ("correlation", "correlation"),
        ):
            metric = run.measures.get(name)
            if metric is not None and metric.value is not None:
                shown.append(f"{label} {metric.text()}")
        lines.append(
            f"against {run.document['benchmark']}: {', '.join(shown) or 'nothing could be measured'}"
        )
    lines += _hindsight(run)
    reasons: dict[str, list[str]] = {}
    labels = {name: label.strip() for name, label in ROWS}
    for name, label in labels.items():
        metric = run.measures.get(name)
        if metric is not None and metric.value is None:
            reasons.setdefault(metric.reason, []).append(label)
    lines += [f"– {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return lines


def _hindsight(run: StoredRun) -> list[str]:
    """Return what midnight stamps would have "earned", where that was tried."""
    twin: dict[str, Any] = run.document.get("twin") or {}
    if twin.get("state") != "compared":
        return []
    shown = []
    for name, label in (("total_return", "return"), ("sharpe", "Sharpe"), ("max_drawdown", "worst drawdown")):
        if name in run.measures and twin["metrics"].get(name) is not None:
            shown.append(f"{label} {_other_text(run.measures[name], twin['metrics'][name])}")
    return [f"hindsight twin, bars known at midnight: {', '.join(shown)}"] if shown else []


def _gathered(notes: list[str]) -> list[str]:
    """Say what holds for several symbols once, the symbols in front."""
    about: dict[str, list[str]] = {}
    for note in map(_sentence, notes):
        symbol, colon, text = note.partition(": ")
        if not colon or " " in symbol:
            symbol, text = "", note
        about.setdefault(text, []).append(symbol)
    return [f"{', '.join(symbols)}: {text}" if all(symbols) else text for text, symbols in about.items()]


def _sentence(text: object) -> str:
    return " ".join(str(text).split())
