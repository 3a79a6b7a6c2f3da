"""The whole tear sheet: every table and panel tried on its own, every refusal with its reason.

Failure contract: a part that does not apply, or that foreign code cannot draw for this run, is
named with its reason; nothing here stops the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from robo_trader.report.parts import Group, ImageView, Skipped, TableView, shorten
from robo_trader.report.source import Book
from robo_trader.report.tearsheet.frames import Frames, build_frames
from robo_trader.report.tearsheet.panels import Panel

GROUPS = ("Returns", "Positions", "Transactions", "Round trips")

#: Sheets of pyfolio that no backtest can fill, and what they would need.
_ELSEWHERE = (
    Skipped("Capacity", "needs each market's volume at the time of each order"),
    Skipped("Performance attribution", "needs returns and loadings of risk factors"),
    Skipped("Bootstrap of the statistics", "takes minutes; the metrics give closed intervals instead"),
)

Step = Callable[[str], None]


def build_sheet(
    book: Book,
    config: Mapping[str, Any],
    *,
    step: Step | None = None,
    panels: Sequence[Panel] | None = None,
) -> list[Group]:
    """Return the tear sheet of `book` in groups; `step` is called with the name of each part.

    `panels` are the drawings to try, all of the catalogue's without it.
    """
    groups = {name: Group(name) for name in GROUPS}
    if not len(book.dates):
        for group in groups.values():
            group.skipped.append(Skipped(group.name, "the run has no session"))
        return list(groups.values())

    from robo_trader.report.tearsheet.draw import quiet

    with quiet():
        import pyfolio

        from robo_trader.report.tearsheet.catalogue import PANELS
        from robo_trader.report.tearsheet.tables import TABLES

        frames = build_frames(book, config)
        for name, title, make, needs in TABLES:
            why = next((text for need in needs if (text := need(frames))), "")
            got = Skipped(title, why) if why else _guarded(title, partial(make, pyfolio, frames, book))
            _put(groups[name], got)
        for panel in PANELS if panels is None else panels:
            if step:
                step(panel.title)
            why = panel.reason(frames)
            drawn = (
                Skipped(panel.title, why)
                if why
                else _guarded(panel.title, partial(_image, pyfolio, panel, frames))
            )
            _put(groups[panel.group], drawn)
    groups["Round trips"].skipped.extend(_ELSEWHERE)
    return list(groups.values())


def _image(pyfolio: Any, panel: Panel, frames: Frames) -> ImageView:
    from robo_trader.report.tearsheet.draw import webp

    source, width, height = webp(lambda ax: panel.paint(pyfolio, frames, ax), panel.size, fit=panel.fit)
    alt = f"Chart, {panel.title.lower()}: {panel.shows}"
    return ImageView(panel.title, panel.shows, alt, source, width, height)


def _guarded(title: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - foreign drawing code: any error is this part's alone
        said = shorten(str(error), 160) or type(error).__name__
        return Skipped(title, f"could not be drawn for this run: {said}")


def _put(group: Group, part: TableView | ImageView | Skipped) -> None:
    if isinstance(part, Skipped):
        group.skipped.append(part)
    elif isinstance(part, TableView):
        group.tables.append(part)
    else:
        group.images.append(part)
