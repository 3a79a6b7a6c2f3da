"""Draw one matplotlib figure quietly and hand it back as a WebP image.

Figures are made beside pyplot, so that neither the user's backend nor open figures are touched;
rcParams, pandas' plotting option, numpy's random state and the warning filters are put back.
"""

from __future__ import annotations

import base64
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

DPI = 80
WIDE = (7.2, 3.4)
TALL = (7.2, 4.2)

_INK = "#3b4351"
TEAL, RUST, BLUE, AMBER, GREY = "#0f7f74", "#c0452f", "#2c6cb0", "#d9822b", "#8a93a3"
#: pyfolio names its colours in its code; these are the page's in their place.
_COLOURS = {
    **dict.fromkeys(("#228b22", "#008000", "#32cd32"), TEAL),  # forestgreen, green, limegreen
    **dict.fromkeys(("#ff0000", "#ff6347", "#b22222"), RUST),  # red, tomato, firebrick
    **dict.fromkeys(("#4682b4", "#0000cd", "#0000ff"), BLUE),  # steelblue, mediumblue, blue
    **dict.fromkeys(("#ff4500", "#ffa500"), AMBER),  # orangered, orange
    "#808080": GREY,
}
_ROUNDED = {"percentage": "{x:g} %", "one_dec_places": "{x:g}", "two_dec_places": "{x:g}"}


def _cycle() -> Any:
    from cycler import cycler

    return cycler(
        color=[BLUE, AMBER, TEAL, RUST, "#7a5ea8", "#8c6d46", "#c45f93", GREY, "#9aa52c", "#2aa3b8"]
    )


_STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#c9cfd8",
    "axes.labelcolor": _INK,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8ebf0",
    "grid.linewidth": 0.8,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.fontsize": 10,
    "legend.edgecolor": "#d9dee6",
    "font.size": 11,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "lines.linewidth": 1.4,
    "text.parse_math": False,  # a symbol like $SPX is a name, not a formula
    "text.usetex": False,
    "timezone": "UTC",
}


@contextmanager
def quiet() -> Iterator[None]:
    """Let foreign code draw: our style inside, everything as it was afterwards.

    Warnings of pandas, seaborn and matplotlib about their own use of each other say nothing to a
    reader and are dropped here and only here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matplotlib
        import matplotlib.pyplot as plt
        import pandas as pd

        fonts = logging.getLogger("matplotlib.font_manager")
        level, random, draw = fonts.level, np.random.get_state(), plt.draw_if_interactive
        settings = matplotlib.rcParams
        # Whoever has not chosen a backend yet keeps that choice: reading the parameter would make it
        # for the process, and so would the call with which pandas ends each plot.
        backend = dict.__getitem__(settings, "backend")
        dict.__setitem__(settings, "backend", "agg")
        plt.draw_if_interactive = lambda *args, **kwargs: None
        fonts.setLevel(logging.ERROR)
        try:
            options: Any = pd.plotting.plot_params
            compat = options.use("xaxis.compat", True)
            with matplotlib.rc_context(), compat, np.errstate(all="ignore"):
                cast("dict[str, Any]", settings).update(_STYLE | {"axes.prop_cycle": _cycle()})
                yield
        finally:
            plt.draw_if_interactive = draw
            dict.__setitem__(settings, "backend", backend)
            np.random.set_state(random)
            fonts.setLevel(level)


def webp(
    paint: Callable[[Axes], object], size: tuple[float, float] = WIDE, *, fit: bool = False
) -> tuple[str, int, int]:
    """Return the figure that `paint` draws on the given axes, as a data URL with width and height.

    `size` is in inches; `fit` measures all labels first, which long names need and figures do not (it
    doubles the time). Raises `ValueError` when nothing was drawn; must run inside `quiet()`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=DPI, layout="constrained" if fit else None)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    paint(axes)
    if not any(has_ink(ax) for ax in figure.axes):
        raise ValueError("there is nothing to draw")
    for ax in figure.axes:
        _restyle(ax)
    if not fit:
        # Room for an axis label and six digits, whatever the size.
        left, below = 0.9 / size[0], (0.55 if axes.get_xlabel() or _short_dates(axes) else 0.33) / size[1]
        figure.subplots_adjust(left=left, bottom=below, right=0.965, top=0.97)
    buffer = io.BytesIO()
    canvas.print_figure(buffer, format="webp", dpi=DPI, pil_kwargs={"quality": 78, "method": 4})
    width, height = canvas.get_width_height()
    figure.clear()
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"), width, height


def has_ink(ax: Axes) -> bool:
    """True when the axes show a finite mark of their own; a line across all of them is none."""
    for line in ax.lines:
        values = np.asarray(line.get_ydata(), dtype=float)
        if line.get_transform() is ax.transData and np.isfinite(values).any():
            return True
    if any(all(patch.get_extents().size) for patch in ax.patches):
        return True
    return bool(ax.collections or ax.images)


def _short_dates(ax: Axes) -> bool:
    """True for an axis of dates too short to name its years: they stand in a second line then."""
    import matplotlib.dates

    first, last = ax.get_xlim()
    return isinstance(ax.xaxis.get_major_locator(), matplotlib.dates.AutoDateLocator) and last - first < 1500


def _formats(axis: Axis) -> str:
    """Return the name of the function that writes an axis' labels; pyfolio wraps it twice."""
    from matplotlib.ticker import FuncFormatter

    write: Any = axis.get_major_formatter()
    while isinstance(write, FuncFormatter):
        write = write.func
    return getattr(write, "__name__", "")


def _restyle(ax: Axes) -> None:
    """Bring foreign drawings to one look: the page's title, our colours, short dates."""
    import matplotlib.dates
    from matplotlib.colors import to_hex

    dates: Any = matplotlib.dates

    ax.set_title("")
    if ax.get_xlabel() == "date":
        ax.set_xlabel("")
    if isinstance(ax.xaxis.get_major_locator(), dates.AutoDateLocator):
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
        ax.tick_params(axis="x", rotation=0)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("center")
    for axis in (ax.xaxis, ax.yaxis):
        # pyfolio rounds to whole percents or two digits, so that a calm run's axis repeats one label.
        if spelled := _ROUNDED.get(_formats(axis)):
            axis.set_major_formatter(spelled)
    legend = ax.get_legend()
    drawn = [*ax.lines, *(legend.get_lines() if legend else ())]
    filled = [*ax.collections, *ax.patches, *(legend.get_patches() if legend else ())]
    for line in drawn:
        line.set_color(_COLOURS.get(to_hex(line.get_color()), line.get_color()))
        line.set_linewidth(
            min(max(line.get_linewidth(), 1.0), 2.0) if len(line.get_xdata()) > 2 else line.get_linewidth()
        )
    for shape in filled:
        face = np.atleast_2d(shape.get_facecolor())
        if len(face) == 1 and (ours := _COLOURS.get(to_hex(face[0]))):
            shape.set_color(ours)
