"""`write_report`: one HTML file that holds everything and asks nobody for anything.

Failure contract: the report exists for failed and empty runs as well; a chart or a part of the tear
sheet that cannot be drawn is named with its reason and the rest stands. The file appears whole or
not at all. A folder that cannot be written raises `RunError`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from robo_trader.errors import RunError
from robo_trader.report.figures import Chart
from robo_trader.report.parts import Skipped, shorten
from robo_trader.report.source import Book, Reportable, read_book

Step = Callable[[str], None]


def write_report(result: Reportable, path: str | Path, *, step: Step | None = None) -> Path:
    """Write the report of `result` to `path` (its folder must exist) and return the path.

    `step` is called with the name of each part that is being drawn. Takes a few seconds: pyfolio
    and the charting libraries are imported here and nowhere else.
    """
    from robo_trader.report.page import render
    from robo_trader.report.tearsheet.sheet import build_sheet

    path = Path(path)
    tell = step or _silent
    book = read_book(result)
    tell("charts")
    charts = build_charts(result, book)
    sheet = build_sheet(book, result.info.config, step=tell)
    tell("page")
    _replace(path, render(result, book, charts, sheet))
    return path


def build_charts(result: Reportable, book: Book) -> dict[str, Chart | Skipped]:
    """Return the interactive charts by name; a `Skipped` where one cannot be drawn."""
    from robo_trader.report.charts import equity_chart, price_chart, twin_line
    from robo_trader.report.prices import price_data

    def equity() -> Chart:
        others = dict(result.info.baselines)
        extra = twin_line(result.info.twin)
        return equity_chart(book, result.record.starting_cash, others, label=result.info.strategy, twin=extra)

    def prices() -> Chart:
        return price_chart(price_data(book, result.record.sessions))

    return {
        "equity": _guarded("The account", equity),
        "prices": _guarded("Prices and trades", prices),
    }


def _guarded(title: str, draw: Callable[[], Chart]) -> Chart | Skipped:
    try:
        return draw()
    except ValueError as error:
        return Skipped(title, str(error))
    except Exception as error:  # noqa: BLE001 - one chart must not cost the reader the other pages
        return Skipped(title, f"could not be drawn: {shorten(f'{type(error).__name__}: {error}', 160)}")


def _replace(path: Path, text: str) -> None:
    """Write beside the target and move into place, so that nobody ever sees half a page."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise RunError(
            f"the report cannot be written to {path}: {why}", hint="choose a folder that can be written"
        ) from error


def _silent(part: str) -> None:
    """Tell nobody."""
