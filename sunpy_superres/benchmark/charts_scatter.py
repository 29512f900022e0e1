"""
Prediction against truth, pixel by pixel.
"""

import numpy as np

from sunpy_superres.benchmark._chart_grid import square_panels
from sunpy_superres.benchmark._chart_style import GUIDE, NARROW, shown_rows

__all__ = ["plot_scatter"]


def plot_scatter(scatter, *, rows=None, width=11.0):
    """
    Joint histogram of prediction and truth of every row, and below it the histogram of their difference.

    Parameters
    ----------
    scatter : `dict`
        ``"edges"`` of the bins in gauss, the same for both, and ``"rows"``: for every row its ``"counts"``, truth
        along the first axis and prediction along the second.
    rows : sequence of `dict`, optional
        The rows of the results, with ``"name"``, ``"title"`` and ``"kind"``: they give order, titles and colors.
    width : `float`, optional
        Of the figure, in inches. Defaults to 11.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from sunpy_superres.benchmark.charts import plot_scatter
    >>> figure = plot_scatter({"edges": [-100, 0, 100], "rows": {"ldm": {"counts": [[9, 1], [2, 8]]}}})
    >>> len(figure.axes)
    3
    """
    import matplotlib as mpl  # NOQA: PLC0415
    from matplotlib.colors import ListedColormap, LogNorm  # NOQA: PLC0415

    edges = np.asarray(scatter["edges"], dtype=float)
    counts = {name: np.asarray(row["counts"], dtype=float) for name, row in scatter["rows"].items()}
    styles = shown_rows(counts, rows)
    titles = [style.title for style in styles.values()]
    squares = square_panels(titles, width, columns=2 if width < NARROW else 4, below=0.34)
    largest = max(2.0, *(float(count.max()) for count in counts.values()))
    limit = _largest_used(edges, counts.values())
    # The largest of 1, 2, 5, 10, … below two thirds of the axis.
    power = 10.0 ** np.floor(np.log10(limit / 1.5))
    tick = power * max(step for step in (1, 2, 5) if step * power <= limit / 1.5)
    # Without its dark end, which is lost on a dark page.
    colors = ListedColormap(mpl.colormaps["viridis"](np.linspace(0.2, 1, 256)))
    for (name, style), upper, lower in zip(styles.items(), squares.upper, squares.lower, strict=True):
        shown = np.ma.masked_equal(counts[name].T, 0)
        image = upper.pcolormesh(edges, edges, shown, norm=LogNorm(1, largest), cmap=colors, rasterized=True)
        upper.axline((0, 0), slope=1, **GUIDE)
        upper.set(xlim=(-limit, limit), ylim=(-limit, limit), yticks=(-tick, 0, tick))
        # The limits first: where there is no pixel, there would be none.
        lower.set(xlim=(-limit, limit), ylim=(0.8, 3 * largest), yscale="log")
        steps, total = _differences(edges, counts[name])
        lower.stairs(total, steps, fill=True, color=style.color, alpha=0.8)
        lower.axvline(0, **GUIDE)
        for axes in (upper, lower):
            axes.set_xticks((-tick, 0, tick) if squares.side > 1.8 else (-tick, tick))
    squares.label("truth [G]", "prediction [G]")
    squares.label("difference [G]", "pixels", lower=True)
    squares.color_bar(0, image, "pixels per bin")
    return squares.figure


def _largest_used(edges, counts):
    """
    Largest distance from zero of a bin in which there is a pixel.
    """
    used = sum(count.sum(0) + count.sum(1) for count in counts) > 0
    inside = np.concatenate([edges[:-1][used], edges[1:][used]]) if used.any() else edges
    return float(np.abs(inside).max())


def _differences(edges, counts):
    """
    Edges and counts of the histogram of prediction minus truth, from the middles of the bins.
    """
    middle = 0.5 * (edges[1:] + edges[:-1])
    # In steps of the widest bin: no step is empty only because of where the bins are.
    step = float(np.diff(edges).max())
    index = np.rint((middle[None, :] - middle[:, None]) / step).astype(int)
    reach = int(np.abs(index).max())
    total = np.bincount((index + reach).ravel(), counts.ravel(), 2 * reach + 1)
    return (np.arange(2 * reach + 2) - reach - 0.5) * step, total
