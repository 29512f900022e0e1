"""
What the charts of a report share: colors, lines, sizes and legends.

Colors stand for rows, and the same row has the same line in all charts of a report. Only methods are colored;
baselines and controls are gray and told apart by their dashes. The colors after Okabe & Ito 2008 and Tol 2021 are told
apart by the color-blind, too.
"""

import textwrap
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

__all__ = [
    "GRID",
    "GUIDE",
    "INK",
    "NARROW",
    "PALETTE",
    "Style",
    "dress",
    "legend",
    "letters_in",
    "main_range",
    "new_figure",
    "numbers",
    "panels",
    "plain_log",
    "shown_rows",
    "subplot",
    "title",
    "wrap",
]

#: Of text, axes and the truth; of the lines of the grid. In a web page they follow the color scheme of the reader.
INK, GRID = "#1b1c20", "#d4d7dd"

#: Lines at what would be right.
GUIDE = {"color": INK, "linewidth": 1.0, "linestyle": (0, (5, 3))}

#: By the name of a variable of the style sheet, that of the light color scheme.
PALETTE = {
    "blue": "#0072b2",
    "red": "#d55e00",
    "green": "#009e73",
    "purple": "#aa4499",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "wine": "#882255",
    "olive": "#7d7d20",
    "gray": "#6c6f78",
}

#: A figure less wide than this, in inches, is laid out for a phone.
NARROW = 6.0

_METHOD_LINES = ("-", (0, (7, 1.5)), (0, (7, 1.5, 1.5, 1.5)), (0, (3, 1.2)), (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5)))
_OTHER_LINES = (
    *((0, (4, 2)), (0, (4, 2, 1, 2)), (0, (1, 1.2)), (0, (2, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (1, 3))),
    *((0, (8, 1, 4, 1)), (0, (2, 2)), (0, (8, 2, 1, 2, 1, 2)), (0, (4, 5)), (0, (4, 1, 4, 4)), (0, (1, 1, 1, 4))),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")


@dataclass(frozen=True)
class Style:
    """
    How one row is drawn, and what it is called.
    """

    title: str
    kind: str
    color: str
    linestyle: object
    marker: str

    def line(self, *, marker=False, **options):
        """
        Options for `matplotlib.axes.Axes.plot`.
        """
        main = self.kind in ("method", "predictions")
        style = {"color": self.color, "linestyle": self.linestyle, "linewidth": 1.9 if main else 1.3}
        if marker:
            style |= {"marker": self.marker, "markersize": 4.5, "markeredgewidth": 0}
        return {**style, "label": self.title, **options}


def shown_rows(part, rows=None):
    """
    Return the `Style` of every row of a part of the results, in the order of the table of rows.
    """
    listed = {row["name"]: row for row in rows or ()}
    names = [*listed, *(name for name in part if name not in listed)]
    colors = [name for name in PALETTE if name != "gray"]
    styles, models, lines, other = {}, {}, Counter(), 0
    for i, name in enumerate(names):
        row = listed.get(name, {})
        kind = row.get("kind") or "method"
        if kind in ("method", "predictions"):
            # Rows of one model, such as its mean and one draw, share a color, and have other dashes.
            number = models.setdefault(row.get("model") or name, len(models)) % len(colors)
            color = PALETTE[colors[number]]
            line = _METHOD_LINES[(number + lines[number]) % len(_METHOD_LINES)]
            lines[number] += 1
        else:
            color, line = PALETTE["gray"], _OTHER_LINES[other % len(_OTHER_LINES)]
            other += 1
        title = str(row.get("title") or name)
        # To matplotlib, a "$" begins a formula, and a label that begins with "_" is none.
        title = title.replace("$", r"\$")
        title = f" {title}" if title.startswith("_") else title
        styles[name] = Style(title, kind, color, line, _MARKERS[i % len(_MARKERS)])
    return {name: styles[name] for name in names if name in part}


@contextmanager
def _defaults(size):
    import matplotlib as mpl  # NOQA: PLC0415

    parameters = {
        "font.family": ["DejaVu Sans"],
        "font.size": size,
        "axes.titlesize": "medium",
        "axes.labelsize": "medium",
        "legend.fontsize": "medium",
        "axes.titlecolor": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.facecolor": "none",
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "text.color": INK,
    }
    with mpl.rc_context(parameters):
        yield


def new_figure(width, height, *, layout="constrained"):
    """
    Return an empty figure that pyplot does not know, in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # NOQA: PLC0415
    from matplotlib.figure import Figure  # NOQA: PLC0415

    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    if layout == "constrained":
        figure.get_layout_engine().set(w_pad=0.06, h_pad=0.08)
    return figure


def panels(count, width, *, columns, aspect):
    """
    Return a figure with a grid of dressed panels, and the panels as a flat list.

    Parameters
    ----------
    count, columns : `int`
        Number of panels, and of those side by side.
    width : `float`
        Of the figure, in inches.
    aspect : `float`
        Height of a panel, its labels included, over its width.
    """
    columns = min(columns, count)
    lines = -(-count // columns)
    with _defaults(9.0 if width < NARROW else 10.0):
        figure = new_figure(width, aspect * width / columns * lines)
        grid = figure.add_gridspec(lines, columns)
        drawn = [figure.add_subplot(grid[i // columns, i % columns]) for i in range(count)]
    for axes in drawn:
        dress(axes)
    return figure, drawn


def subplot(figure, place, *, font, grid=True):
    """
    Return dressed axes at a place (left, bottom, width, height), with labels of a size in points.
    """
    with _defaults(font):
        axes = figure.add_axes(place)
    dress(axes, grid=grid)
    return axes


def dress(axes, *, grid=True):
    """
    Give axes their ticks and grid; explicitly, since ticks are made when a figure is drawn, long after this.
    """
    from matplotlib.font_manager import FontProperties  # NOQA: PLC0415

    size = axes.xaxis.label.get_fontsize()
    axes.tick_params(which="both", color=INK, labelcolor=INK, labelsize=size, labelfontfamily="DejaVu Sans")
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set(color=INK, fontproperties=FontProperties(family="DejaVu Sans", size=size))
    axes.set_axisbelow(True)
    if grid:
        axes.grid(visible=True, color=GRID, linewidth=0.7)
    else:
        axes.grid(visible=False)


def legend(figure, axes, *, columns=4):
    """
    Put one legend of all lines of some axes below the figure, in as many columns as fit.
    """
    handles = {}
    for drawn in axes:
        for handle, label in zip(*drawn.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if not handles:
        return
    width = figure.get_figwidth()
    size = axes[0].xaxis.label.get_fontsize()
    labels = [wrap(label, letters_in(max(2.6, width / 3 - 0.9), size)) for label in handles]
    renderer = figure.canvas.get_renderer()
    for number in range(min(columns, len(labels)), 0, -1):
        with _defaults(size):
            drawn = figure.legend(
                list(handles.values()),
                labels,
                loc="outside lower center",
                ncols=number,
                frameon=False,
                handlelength=3.2,
                columnspacing=1.6,
            )
        if number == 1 or drawn.get_window_extent(renderer).width <= 0.98 * figure.bbox.width:
            break
        drawn.remove()
    # The figure grows by the legend: the panels keep their size.
    height = drawn.get_window_extent(renderer).height / figure.dpi
    figure.set_figheight(figure.get_figheight() + height)


def title(axes, text, inches=None):
    """
    Give a panel a title of the size of its labels, broken where it is wider than so many inches.
    """
    size = axes.xaxis.label.get_fontsize()
    text = text if inches is None else wrap(text, letters_in(inches, size))
    axes.set_title(text, color=INK, fontsize=size)


def letters_in(inches, size):
    """
    Return how many letters of a size in points fit, about.
    """
    return int(inches / (0.56 * size / 72))


def main_range(values, styles, *also, log=False):
    """
    Lower and upper limit of an axis: a control far from all else is let out of the panel, everything else is in it.

    Parameters
    ----------
    values : `dict`
        Array of what is drawn of every row.
    styles : `dict`
        `Style` of every row.
    *also : `numpy.ndarray` or `float`
        What else has to be seen.
    log : `bool`, optional
        The axis is logarithmic.
    """

    def together(arrays):
        array = np.concatenate([np.ravel(array) for array in arrays])
        if log:
            array = np.log10(array, where=array > 0, out=np.full(array.shape, np.nan))
        return array[np.isfinite(array)]

    every = together([*values.values(), *also])
    main = together([*(value for name, value in values.items() if styles[name].kind != "control"), *also])
    main = main if main.size else every
    if not main.size:
        return (1.0, 10.0) if log else (0.0, 1.0)
    room = np.ptp(main)
    low, high = max(every.min(), main.min() - room), min(every.max(), main.max() + room)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    low, high = float(low - margin), float(high + margin)
    return (10.0**low, 10.0**high) if log else (low, high)


def plain_log(axis):
    """
    Give a logarithmic axis ticks in plain numbers, at 1, 2 and 5 where it spans few decades.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # NOQA: PLC0415

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 400 * low else (1,), numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def numbers(values):
    """
    Return a list of the results as an array, NaN where it holds `None`.
    """
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def wrap(text, letters):
    """
    Break a text into lines of so many letters, three at most.
    """
    return "\n".join(textwrap.wrap(text, max(8, letters), max_lines=3, placeholder=" …")) or text
