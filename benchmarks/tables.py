"""Compares fills, and puts the measurements into Markdown tables."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from harness import Bench, Side

#: Against whose fills a group's are held, and how much slower or faster each side has to be at least.
GOALS: dict[str, list[tuple[str, str, str, float]]] = {
    "a": [
        ("robo_trader", "Backtrader, default", "at least {} times faster", 20),
        ("robo_trader", "Backtrader, best", "at least {} times faster", 10),
        ("robo_trader", "backtesting.py", "at least {} times faster", 1.5),
        ("robo_trader, wake", "Backtrader, default", "at least {} times faster", 35),
        ("robo_trader, wake", "backtesting.py", "at least {} times faster", 2.5),
    ],
    "b": [
        ("robo_trader", "Backtrader, default", "at least {} times faster", 75),
        ("robo_trader", "Backtrader, best", "at least {} times faster", 30),
        ("robo_trader", "vectorbt, warm", "at least {} times as fast", 0.8),
    ],
    "csv-a": [("robo backtest", "plain Backtrader script", "at least {} times faster", 10)],
    "csv-b": [("robo backtest", "plain Backtrader script", "at least {} times faster", 10)],
    "small": [("robo backtest", "plain Backtrader script", "at least {} times as fast", 1.25)],
}
TITLES = {
    "a": "(a) one instrument, minute bars, crosses of two averages",
    "b": "(b) many stocks, daily bars, monthly rebalance into the fifty strongest",
    "csv-a": "(a) from a CSV file, the whole process",
    "csv-b": "(b) from CSV files, the whole process",
    "small": "ten years of one symbol, the whole process",
    "clocks": "clocks apart",
    "aligned": "many feeds on one clock",
    "events": "events beside the bars",
}
#: The side whose fills are taken for true.
TRUE = "Backtrader, default"


def fills_agree(bench: Bench, group: str) -> dict[str, str]:
    """Return for each side of a group how its fills compare with Backtrader's."""
    sides = {side.name: side for side in bench.sides[group]}
    if TRUE not in sides or not sides[TRUE].samples:
        return {}
    truth = np.load(bench.fills_of(group, sides[TRUE]))
    verdicts = {TRUE: f"{len(truth):,} fills"}
    for name, side in sides.items():
        if name != TRUE and side.samples:
            verdicts[name] = _verdict(np.load(bench.fills_of(group, side)), truth)
    return verdicts


def _verdict(rows: np.ndarray, truth: np.ndarray) -> str:
    """Say how two sides' fills compare; rows are bar, symbol, size, price, commission."""
    rows, truth = (x[np.lexsort((x[:, 2] > 0, x[:, 1], x[:, 0]))] for x in (rows, truth))
    if rows.shape == truth.shape and (rows == truth).all():
        return "identical to the bit"
    keys = [[(int(r[0]), int(r[1]), r[2] > 0) for r in x] for x in (rows, truth)]
    both = sorted(set(keys[0]) & set(keys[1]))
    at = [{key: i for i, key in enumerate(k)} for k in keys]
    mine = rows[[at[0][key] for key in both]]
    theirs = truth[[at[1][key] for key in both]]
    price, size = (np.abs(mine[:, k] / theirs[:, k] - 1).max(initial=0.0) for k in (3, 2))
    if len(both) == len(rows) == len(truth):
        same = "identical" if price == 0 and size == 0 else f"sizes within {size:.1g}"
        return f"{same}, prices within {price:.1g}" if price else same
    return f"{len(both):,} of {len(rows):,} agree"


def markdown(bench: Bench, verdicts: dict[str, dict[str, str]]) -> str:
    """Return the measurements as tables, one for each group, and one of goals."""
    parts = []
    goals = []
    for group, sides in bench.sides.items():
        parts.append(f"### {TITLES[group]}\n\n{_size(sides)}\n\n{_table(sides, verdicts[group])}\n")
        goals += _goals(group, sides)
    goals += _extra_goals(bench)
    parts.insert(0, "| goal | asked | measured | |\n|---|---|---|---|\n" + "\n".join(goals) + "\n")
    return "\n".join(parts)


def _size(sides: list[Side]) -> str:
    words = sides[0].words
    if sides[0].command:
        return "CPU seconds of the whole process, start-up and reading included."
    size = " x ".join(f"{int(part):,}" for part in words[2].split(","))
    return f"{size} bars in memory; CPU seconds from there to the result."


def _table(sides: list[Side], verdicts: dict[str, str]) -> str:
    first = sides[0].median("cpu")
    lines = ["| | CPU s | times ours | peak MB | fills |", "|---|---|---|---|---|"]
    for side in sides:
        cpu = side.median("cpu")
        if cpu is None or first is None:
            lines.append(f"| {side.name} | {side.error or 'not run'} | | | |")
            continue
        peak = side.median("peak_mb")
        memory = f"{peak:.0f}" if peak else ""
        lines.append(
            f"| {side.name} | {cpu:.3g} | {cpu / first:.3g} | {memory} | {verdicts.get(side.name, '')} |"
        )
    return "\n".join(lines)


def _goals(group: str, sides: list[Side]) -> list[str]:
    found = {side.name: side.median("cpu") for side in sides}
    lines = []
    for ours, theirs, words, least in GOALS.get(group, []):
        mine, other = found.get(ours), found.get(theirs)
        if mine and other:
            ratio = other / mine
            lines.append(
                _goal(f"{group}: {ours} and {theirs}", words.format(f"{least:g}"), ratio, ratio >= least)
            )
    return lines


def _goal(what: str, asked: str, ratio: float, met: bool) -> str:
    return f"| {what} | {asked} | {ratio:.3g} | {'met' if met else '**missed**'} |"


def _extra_goals(bench: Bench) -> list[str]:
    """Goals that are no ratio of two sides' times."""
    lines = []
    for group in ("a", "b"):
        found = {side.name: side.median("cpu") for side in bench.sides.get(group, [])}
        plain, more = found.get("robo_trader"), found.get("robo_trader, metrics")
        if plain and more:
            ratio = more / plain
            lines.append(_goal(f"{group}: metrics", "at most 1.1 times the run", ratio, ratio <= 1.1))
    events = [side.median("cpu") for side in bench.sides.get("events", [])]
    if len(events) == 2 and events[0] and events[1]:
        ratio = events[1] / events[0]
        lines.append(_goal("100,000 events", "at most 1.05 times the run", ratio, ratio <= 1.05))
    clocks = bench.sides.get("clocks", [])
    per_bar = [_per_bar(side) for side in clocks]
    if len(per_bar) == 2 and per_bar[0] and per_bar[1]:
        ratio = per_bar[1] / per_bar[0]
        lines.append(_goal("100 clocks, cost per bar", "at most 2 times that of 1 feed", ratio, ratio <= 2))
    for side in bench.sides.get("aligned", []):
        cost = _per_bar(side)
        if cost:
            words = "at most 0.1 µs per bar and feed"
            lines.append(_goal("2,000 aligned feeds", words, cost * 1e6, cost <= 1e-7))
    return lines


def _per_bar(side: Side) -> float | None:
    cpu = side.median("cpu")
    bars = np.prod([int(part) for part in side.words[2].split(",")])
    return cpu / float(bars) if cpu else None


def write_into(path: Path, text: str, machine: str, environment: str, *, quick: bool) -> None:
    """Put the tables between the marks of a Markdown file."""
    old = path.read_text()
    note = " With ``--quick``: a tenth of the size." if quick else ""
    new = f"Measured {environment}, on {machine}.{note}\n\n{text}"
    marks = r"(<!-- figures -->\n).*(<!-- end of figures -->)"
    path.write_text(re.sub(marks, lambda m: f"{m[1]}\n{new}\n{m[2]}", old, flags=re.DOTALL))
