"""
Grids of square panels, placed by hand: a layout that is solved for cuts the titles of panels of fixed shape.
"""

from dataclasses import dataclass

from sunpy_superres.benchmark._chart_style import INK, NARROW, letters_in, new_figure, subplot, wrap

__all__ = ["Squares", "square_panels"]

#: Inches: at the right edge, between panels, below panels without and with labels, of a bar of colors
#: and its labels.
_RIGHT, _GAP, _PLAIN, _LABELED, _BAR, _BAR_LABELS = 0.12, 0.16, 0.14, 0.54, 0.14, 0.52


@dataclass
class Squares:
    """
    A figure of square panels.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        The figure.
    upper, lower : `list` of `~matplotlib.axes.Axes`
        The squares, and what is below each of them, if anything.
    bars : `list` of `~matplotlib.axes.Axes`
        Of the bars of colors, at the bottom.
    is_left, is_low : `list` of `bool`
        Whether a panel is the first of its line, and whether there is none below it: these have labels.
    side : `float`
        Of a square, in inches.
    """

    figure: object
    upper: list
    lower: list
    bars: list
    is_left: list
    is_low: list
    side: float

    def label(self, x, y, *, lower=False):
        """
        Label the axes of the panels at the left and at the bottom, and leave out the numbers of all others.
        """
        for axes, is_left, is_low in zip(self.lower if lower else self.upper, self.is_left, self.is_low, strict=True):
            axes.tick_params(labelleft=is_left, labelbottom=is_low)
            if is_left:
                axes.set_ylabel(y)
            if is_low:
                axes.set_xlabel(x)

    def color_bar(self, number, image, label, **options):
        """
        Draw a bar of colors.
        """
        axes = self.bars[number]
        bar = self.figure.colorbar(image, cax=axes, orientation="horizontal", **options)
        # Hundreds of rectangles in a drawing, otherwise.
        bar.solids.set_rasterized(True)
        bar.outline.set_edgecolor(INK)
        bar.set_label(label, color=INK, fontsize=axes.xaxis.label.get_fontsize())


def square_panels(titles, width, *, columns, left=0.8, below=None, bars=1):
    """
    Make a figure of square panels with titles.

    Parameters
    ----------
    titles : sequence of `str`
        One for each panel.
    width : `float`
        Of a figure with all columns, in inches; with fewer panels it is narrower.
    columns : `int`
        Panels side by side.
    left : `float`, optional
        Inches for labels at the left edge. Defaults to 0.8.
    below : `float`, optional
        Height over width of a second panel below each.
    bars : `int`, optional
        Bars of colors at the bottom. Defaults to 1.

    Returns
    -------
    `Squares`
    """
    count, size = len(titles), 9.0 if width < NARROW else 10.0
    columns = 1 if count == 1 and width < NARROW else columns
    side = (width - left - _RIGHT - _GAP * (columns - 1)) / columns
    columns = min(columns, count)
    width = left + _RIGHT + side * columns + _GAP * (columns - 1)
    titles = [wrap(text, letters_in(side, size)) for text in titles]
    is_low = [i >= count - columns for i in range(count)]
    # Of every line of panels: where it begins, and what is free below its panels.
    lines, top = [], 0.08
    for first in range(0, count, columns):
        line = range(first, min(first + columns, count))
        top += max(titles[i].count("\n") + 1 for i in line) * 1.22 * size / 72 + 0.1
        under = _LABELED if any(is_low[i] for i in line) else _PLAIN
        lines.append((top, under))
        top += side + under + (0 if below is None else below * side + under)
    height = top + bars * (_BAR + _BAR_LABELS) + 0.02
    figure = new_figure(width, height, layout="none")

    def place(x, top, wide, high):
        return x / width, 1 - (top + high) / height, wide / width, high / height

    upper, lower = [], []
    for i, text in enumerate(titles):
        start, (top, under) = left + (i % columns) * (side + _GAP), lines[i // columns]
        upper.append(subplot(figure, place(start, top, side, side), font=size))
        upper[-1].set_title(text, color=INK, fontsize=size, pad=4)
        if below is not None:
            lower.append(subplot(figure, place(start, top + side + under, side, below * side), font=size))
    room = width - left - _RIGHT
    wide = max(0.75 * room, min(3.0, room))
    start = left + (room - wide) / 2
    bottom = [height - (bars - i) * (_BAR + _BAR_LABELS) for i in range(bars)]
    drawn = [subplot(figure, place(start, top, wide, _BAR), font=size, grid=False) for top in bottom]
    return Squares(figure, upper, lower, drawn, [i % columns == 0 for i in range(count)], is_low, side)
