"""
Is the uncertainty honest: charts of the members of ensembles against the truth.
"""

import numpy as np

from sunpy_superres.benchmark._chart_style import (
    GUIDE,
    NARROW,
    PALETTE,
    legend,
    numbers,
    panels,
    plain_log,
    shown_rows,
    title,
)

__all__ = ["plot_rank_histogram", "plot_reliability", "plot_spread_error"]


def plot_rank_histogram(part, *, rows=None, width=11.0):
    """
    Rank of the truth among the members of every ensemble.

    Flat for a calibrated ensemble; high at both ends for one whose spread is too small, in the middle for one whose
    spread is too large; a slope is a bias. [1]_

    Parameters
    ----------
    part : `dict`
        ``"rows"``: for every row the M + 1 counts; ``"errors"``, optional: for every row the standard deviation of
        each over their mean, a band of twice which is drawn around what is flat.
    rows, width
        As for `plot_scatter`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    References
    ----------
    .. [1] Hamill 2001, Mon. Weather Rev. 129, 550

    Examples
    --------
    >>> from sunpy_superres.benchmark.charts import plot_rank_histogram
    >>> len(plot_rank_histogram({"rows": {"ldm": [12, 10, 9, 13]}}).axes)
    1
    """
    styles = shown_rows(part["rows"], rows)
    columns = 2 if width < NARROW else min(4, max(2, len(styles)))
    used = min(columns, len(styles))
    aspect = 1.05 if width < NARROW else 0.55 if columns == 2 else 0.8
    figure, drawn = panels(len(styles), max(width * used / columns, 2.6), columns=used, aspect=aspect)
    top = 1.5
    for i, (axes, (name, style)) in enumerate(zip(drawn, styles.items(), strict=True)):
        counts = numbers(part["rows"][name])
        total = np.nansum(counts)
        share = counts * counts.size / total if total > 0 else counts
        axes.bar(np.arange(counts.size), share, width=0.86, color=style.color)
        error = (part.get("errors") or {}).get(name)
        if error is not None:
            band = 2 * np.nan_to_num(numbers(error))
            at = np.arange(-0.5, counts.size)
            low, high = (np.append(edge, edge[-1]) for edge in (1 - band, 1 + band))
            axes.fill_between(at, low, high, step="post", color=PALETTE["gray"], alpha=0.45, linewidth=0, zorder=2.5)
        axes.axhline(1, **GUIDE)
        title(axes, style.title, width / columns - 0.5)
        axes.set_xlabel("rank of the truth")
        axes.set_xticks(sorted({0, (counts.size - 1) // 2, counts.size - 1}))
        axes.grid(visible=False, axis="x")
        if i % columns == 0:
            axes.set_ylabel("pixels / flat")
        top = max(top, 1.08 * float(np.nanmax(share, initial=0)))
    for axes in drawn:
        axes.set_ylim(0, top)
    return figure


def plot_reliability(part, *, rows=None, width=5.4):
    """
    How often the truth lies in the central interval of the members, against how often it should.

    Parameters
    ----------
    part : `dict`
        ``"rows"``: for every row ``"nominal"`` and ``"observed"``.
    rows : sequence of `dict`, optional
        As for `plot_scatter`.
    width : `float`, optional
        Of the figure, in inches. Defaults to 5.4.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from sunpy_superres.benchmark.charts import plot_reliability
    >>> figure = plot_reliability({"rows": {"ldm": {"nominal": [0.5, 0.9], "observed": [0.4, 0.8]}}})
    >>> figure.axes[0].get_xlabel()
    'nominal coverage'
    """
    figure, (axes,) = panels(1, width, columns=1, aspect=0.9)
    axes.set_box_aspect(1)
    axes.plot([0, 1], [0, 1], **GUIDE, label="calibrated")
    for name, style in shown_rows(part["rows"], rows).items():
        row = part["rows"][name]
        axes.plot(numbers(row["nominal"]), numbers(row["observed"]), **style.line(marker=True))
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="nominal coverage", ylabel="observed coverage")
    legend(figure, [axes])
    return figure


def plot_spread_error(part, *, rows=None, width=5.4):
    """
    Error of the mean of an ensemble against its spread, in bins of the spread.

    Parameters
    ----------
    part : `dict`
        ``"rows"``: for every row ``"spread"`` and ``"rmse"`` in gauss, and ``"count"``, the pixels of each bin,
        optional: a bin of fewer than 100 pixels is drawn hollow.
    rows, width
        As for `plot_reliability`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from sunpy_superres.benchmark.charts import plot_spread_error
    >>> part = {"rows": {"ldm": {"spread": [5, 10, 50], "rmse": [4, 11, 60], "count": [900, 150, 9]}}}
    >>> len(plot_spread_error(part).axes)
    1
    """
    figure, (axes,) = panels(1, width, columns=1, aspect=0.9)
    axes.set_box_aspect(1)
    every = [np.ones(0)]
    for name, style in shown_rows(part["rows"], rows).items():
        row = part["rows"][name]
        spread, rmse = (np.where(numbers(row[key]) > 0, numbers(row[key]), np.nan) for key in ("spread", "rmse"))
        axes.plot(spread, rmse, **style.line(marker=True))
        if row.get("count") is not None:
            few = numbers(row["count"]) < 100
            axes.plot(spread[few], rmse[few], style.marker, color="white", markersize=2.4, markeredgewidth=0)
        every += [values[np.isfinite(spread + rmse)] for values in (spread, rmse)]
    every = np.concatenate(every)
    low, high = (every.min() / 1.3, every.max() * 1.3) if every.size else (1.0, 100.0)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.plot((low, high), (low, high), **GUIDE, label="spread = error")
    for axis in (axes.xaxis, axes.yaxis):
        plain_log(axis)
    axes.set(xlabel="spread of the members [G]", ylabel="RMSE of their mean [G]")
    legend(figure, [axes])
    return figure
