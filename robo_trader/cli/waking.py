"""`robo backtest --check-wake`: is a strategy's ``wake()`` true to what it does?"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import typer

from robo_trader.cli import out
from robo_trader.cli.progress import Progress

if TYPE_CHECKING:
    from robo_trader.audit import WakeReport


def check(
    strategy: str | None,
    flags: dict[str, Any],
    params: dict[str, str],
    config_file: str | None,
    *,
    as_json: bool,
) -> None:
    """Run a strategy both ways and tell what came of it; exit with 1 where they differ."""
    # It runs twice; what it prints would stand there twice.
    with Progress("getting ready") as progress, open(os.devnull, "w", encoding="utf-8") as nowhere:
        with contextlib.redirect_stdout(nowhere):
            from robo_trader.audit import check_wake

            report = check_wake(strategy, params=params, config=config_file, flags=flags, progress=progress)
    if as_json:
        out.print_json(report.as_dict())
    else:
        _present(report)
    if not report.equal:
        raise typer.Exit(1)


def _present(report: WakeReport) -> None:
    part = f"{report.named:,} of {report.bars:,} bars"
    found = report.difference
    if found is None:
        out.lines(out.strong(f"{report.strategy}: the same on the bars that wake() names as on all"))
        out.lines(
            f"  wake() names {part}; {report.orders:,} orders, {report.fills:,} fills and"
            f" {report.sessions:,} sessions are equal to the bit"
        )
        return
    out.lines(out.strong(f"{report.strategy}: wake() changes what it does"))
    out.lines(f"  wake() names {part}, and the first {found.what} that differs is at {found.time}")
    out.lines(f"  on all bars: {found.always}")
    out.lines(f"  on the bars that wake() names: {found.awake}")
    if not found.named:
        out.lines("  wake() does not name the bar that ends then")
