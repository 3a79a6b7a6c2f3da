"""Puts the measurements into Markdown tables."""

from __future__ import annotations

import re
from pathlib import Path

from groups import GOALS, GUARDED, TITLES, Side
from harness import Bench


def markdown(bench: Bench) -> str:
    """Return the measurements as tables: one of what is asked, and one for each group."""
    goals = [*_goals(bench), *_limits(bench)]
    head = "| | asked | measured | with guard and journal | |\n|---|---|---|---|---|\n"
    parts = [head + "\n".join(goals) + "\n"] if goals else []
    for group, sides in bench.groups.items():
        parts.append(f"### {TITLES[group]}\n\n{_size(sides)}\n\n{_table(bench, group)}\n")
    return "\n".join(parts)


def _size(sides: list[Side]) -> str:
    if sides[0].script == "_command.py":
        what = "CPU seconds of the whole process, start-up, reading and writing included."
    else:
        what = "CPU seconds from bars in memory to the result."
    sizes = dict.fromkeys(side.size for side in sides)
    shapes = [" x ".join(f"{int(part):,}" for part in size.split(",")) for size in sizes]
    return f"{', '.join(shapes)} bars. {what}"


def _table(bench: Bench, group: str) -> str:
    sides = bench.groups[group]
    first = bench.median(group, sides[0].name)
    lines = ["| | CPU s | of the first | peak MB | runs | fills |", "|---|---|---|---|---|---|"]
    for side in sides:
        cpu = bench.median(group, side.name)
        if cpu is None or first is None:
            lines.append(f"| {_named(side)} | {side.error or 'not run'} | | | | |")
            continue
        peak = bench.median(group, side.name, "peak_mb") or 0.0
        runs = len(side.samples)
        lines.append(
            f"| {_named(side)} | {cpu:.3g} | {cpu / first:.3g} | {peak:.0f} | {runs} | {side.verdict} |"
        )
    return "\n".join(lines)


def _named(side: Side) -> str:
    told = side.samples[0].get("version") if side.samples else None
    return f"{side.name} ({told})" if told else side.name


def _goals(bench: Bench) -> list[str]:
    lines = []
    for goal in GOALS:
        ours, theirs = bench.median(goal.group, goal.ours), bench.median(goal.group, goal.theirs)
        if ours and theirs:
            guarded = bench.median(goal.group, goal.ours + GUARDED)
            what, beside = f"{goal.group}: {goal.ours} against {goal.theirs}", ""
            if guarded:
                beside = f"{theirs / guarded:.3g}"
            ratio = theirs / ours
            lines.append(_line(what, goal.asked, f"{ratio:.3g}", beside, met=ratio >= goal.least))
    return lines


def _limits(bench: Bench) -> list[str]:
    """Lines for what may cost at most so much."""
    run, extra = "robo_trader", "robo_trader, metrics"
    pairs = [
        (f"{group}: returns, drawdown and trade metrics", "at most 1.1 times the run", 1.1,
         bench.median(group, extra), bench.median(group, run))
        for group in ("a", "b")
    ]  # fmt: skip
    pairs += [
        ("100 clocks, cost per bar", "at most 2 times that of 1 feed", 2.0,
         _per_bar(bench, "clocks", 1), _per_bar(bench, "clocks", 0)),
        ("100,000 events beside the bars", "at most 1.05 times the run", 1.05,
         bench.median("events", "with events"), bench.median("events", "without events")),
    ]  # fmt: skip
    lines = [
        _line(what, asked, f"{more / plain:.3g}", "", met=more / plain <= most)
        for what, asked, most, more, plain in pairs
        if more and plain
    ]
    cost = _per_bar(bench, "aligned", 0)
    if cost:
        each = f"{cost * 1e6:.3g} µs"
        lines.append(_line("aligned feeds, per bar and feed", "at most 0.1 µs", each, "", met=cost <= 1e-7))
    return lines


def _line(what: str, asked: str, measured: str, guarded: str, *, met: bool) -> str:
    return f"| {what} | {asked} | {measured} | {guarded} | {'met' if met else '**missed**'} |"


def _per_bar(bench: Bench, group: str, number: int) -> float | None:
    sides = bench.groups.get(group)
    cpu = bench.median(group, sides[number].name) if sides else None
    return cpu / sides[number].bars if cpu and sides else None


def write_into(path: Path, text: str, head: str) -> None:
    """Put the tables between the marks of a Markdown file."""
    marks = r"(<!-- figures -->\n).*(<!-- end of figures -->)"
    old = path.read_text(encoding="utf-8")
    new, count = re.subn(marks, lambda m: f"{m[1]}\n{head}\n\n{text}\n{m[2]}", old, flags=re.DOTALL)
    if not count:
        raise SystemExit(f"{path} has no lines '<!-- figures -->' and '<!-- end of figures -->'")
    path.write_text(new, encoding="utf-8")
