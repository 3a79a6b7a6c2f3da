"""Bokeh figures in the page's look, and their way into the page as JSON.

Colours are readable on a light and on a dark page. The drag tools are switched off by the page's
script where fingers scroll. No text of a user's may be used as a title or an axis label: Bokeh
would read formulas in it and ask a server for a renderer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

UP, DOWN, MAIN = "#128a7d", "#c8513a", "#128a7d"
QUIET, TEXT = "#8a93a3", "#7c8696"
OTHERS = ("#8a93a3", "#d9822b", "#7d63b8", "#2c6cb0", "#b0783c", "#c45f93")
_FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
_TIP = (
    "font:12px system-ui,sans-serif;max-width:260px;white-space:normal;overflow-wrap:anywhere;padding:2px 4px"
)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of the page's legend: the name of the drawn series, its label and colour.

    A `hidden` one is drawn when the reader asks for it.
    """

    key: str
    label: str
    colour: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A Bokeh document as JSON text, the words for those who cannot see it, and its handles.

    `lines` is the legend; `choices` the names of the symbols that can be shown, in order.
    """

    json: str
    alt: str
    lines: tuple[Line, ...] = ()
    choices: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def new_figure(height: int, *, x_range: Any = None) -> Any:
    """Return an empty figure over time, as wide as the page allows."""
    from bokeh.models import DataRange1d
    from bokeh.plotting import figure

    fig = figure(
        x_axis_type="datetime",
        sizing_mode="stretch_width",
        height=height,
        min_width=200,
        tools="xpan,xwheel_zoom,xbox_zoom,reset",
        active_drag="xpan",
        active_scroll=None,
        toolbar_location="above",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_left=8,
        min_border_right=12,
        output_backend="canvas",
        **({} if x_range is None else {"x_range": x_range}),
    )
    if x_range is None:
        fig.x_range = DataRange1d(range_padding=0.02)
    fig.toolbar.logo = None
    fig.toolbar.autohide = True
    for axis in (fig.xaxis, fig.yaxis):
        axis.axis_line_color = None
        axis.major_tick_line_color = axis.minor_tick_line_color = None
        axis.major_label_text_color = TEXT
        axis.major_label_text_font = _FONT
        axis.major_label_text_font_size = "12px"
    for grid in (fig.xgrid, fig.ygrid):
        grid.grid_line_color = QUIET
        grid.grid_line_alpha = 0.18
    fig.xgrid.grid_line_alpha = 0.08
    return fig


def add_hover(
    fig: Any,
    renderers: Sequence[Any],
    body: str,
    *,
    along: bool = True,
    dates: bool = False,
    place: Literal["horizontal", "above", "below"] = "horizontal",
) -> None:
    """Show `body` over `renderers`: an HTML template of ours; Bokeh escapes the values it puts in.

    `along` reacts to the whole column below the pointer, `dates` formats ``@x`` as a time. Two
    tooltips that may show at once need different places.
    """
    from bokeh.models import HoverTool

    fig.add_tools(
        HoverTool(
            renderers=list(renderers),
            tooltips=f'<div style="{_TIP}">{body}</div>',
            formatters={"@x": "datetime"} if dates else {},
            mode="vline" if along else "mouse",
            point_policy="snap_to_data",
            line_policy="nearest",
            attachment=place,
            visible=False,
        )
    )


def to_json(model: Any) -> str:
    """Return `model` as the JSON that `Bokeh.embed.embed_item` takes, safe inside a script element."""
    from bokeh.embed import json_item

    return json.dumps(json_item(model), separators=(",", ":")).replace("<", "\\u003c")


def library() -> str:
    """Return BokehJS, core only, as installed with Bokeh."""
    from bokeh.resources import Resources

    return str(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw[0])
