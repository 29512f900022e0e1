"""
Charts of the results of a benchmark: each takes its part of the results and returns a figure.

The figures are those of the report, and any other page can use them. None is known to pyplot. A figure less than
6 inches wide is laid out for a phone, its panels one above the other. Colors tell methods apart, also for the
color-blind; baselines and controls are gray; the truth is black.
"""

import numpy as np

from sunpy_superres.benchmark._chart_style import (
    GUIDE,
    INK,
    NARROW,
    PALETTE,
    legend,
    letters_in,
    main_range,
    numbers,
    panels,
    plain_log,
    shown_rows,
    title,
)
from sunpy_superres.benchmark.charts_ensembles import plot_rank_histogram, plot_reliability, plot_spread_error
from sunpy_superres.benchmark.charts_maps import plot_differences, plot_draws, plot_maps
from sunpy_superres.benchmark.charts_scatter import plot_scatter

__all__ = [
    "plot_by_field",
    "plot_by_mu",
    "plot_differences",
    "plot_draws",
    "plot_maps",
    "plot_rank_histogram",
    "plot_reliability",
    "plot_scatter",
    "plot_spectra",
    "plot_spread_error",
    "plot_time_series",
]

_TRUTH = {"color": INK, "linewidth": 2.2, "label": "truth", "zorder": 3}


def plot_spectra(spectra, *, rows=None, width=11.0):
    """
    Power spectra, their ratio to that of the truth, and the Fourier ring correlation with it, against the period.

    Parameters
    ----------
    spectra : `dict`
        ``"period"`` in arcsec; ``"rows"``: for every row ``"power"``, ``"ratio"`` and ``"frc"``, each optional;
        ``"truth"``, the power of the truth, and ``"half_bit"``, the threshold of van Heel & Schatz 2005
        (doi:10.1016/j.jsb.2005.05.009), optional.
    rows, width
        As for `plot_scatter`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from sunpy_superres.benchmark.charts import plot_spectra
    >>> part = {"period": [8, 4, 2], "rows": {"ldm": {"ratio": [1, 0.9, 0.7], "frc": [1, 0.8, 0.1]}}}
    >>> len(plot_spectra(part).axes)
    2
    """
    period = numbers(spectra["period"])
    styles = shown_rows(spectra["rows"], rows)
    titles = {"power": "power [G² arcsec²]", "ratio": "power / power of the truth", "frc": "Fourier ring correlation"}
    keys = [key for key in titles if any(key in row for row in spectra["rows"].values())]
    narrow = width < NARROW
    figure, drawn = panels(len(keys), width, columns=1 if narrow else 3, aspect=0.75 if narrow else 0.85)
    for axes, key in zip(drawn, keys, strict=True):
        values = {name: numbers(spectra["rows"][name][key]) for name in styles if key in spectra["rows"][name]}
        for name, value in values.items():
            axes.plot(period, np.where(value > 0, value, np.nan) if key != "frc" else value, **styles[name].line())
        if key == "frc":
            axes.axhline(1 / 7, **GUIDE, label="FRC = 1/7")
            if spectra.get("half_bit") is not None:
                axes.plot(period, numbers(spectra["half_bit"]), **{**GUIDE, "linestyle": ":"}, label="half bit")
            axes.set_ylim(-0.15, 1.05)
        elif key == "ratio":
            axes.axhline(1, **GUIDE)
            # What lies below a hundredth is no longer a spectrum.
            low, high = main_range(values, styles, np.array([0.5, 2.0]), log=True)
            axes.set(yscale="log", ylim=(max(low, 0.01), min(high, 100)))
            plain_log(axes.yaxis)
        else:
            truth = numbers(spectra["truth"]) if spectra.get("truth") is not None else np.ones(0)
            if truth.size:
                axes.plot(period, truth, **_TRUTH)
            low, high = main_range(values, styles, truth, log=True)
            # Rows without any power there are let out of the panel.
            least = np.nanmin(truth[truth > 0]) if np.any(truth > 0) else 0.0
            axes.set(yscale="log", ylim=(max(low, 0.01 * least), high))
        _period_axis(axes, period)
        title(axes, titles[key])
    legend(figure, drawn)
    return figure


def _period_axis(axes, period):
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # NOQA: PLC0415

    low, high = np.nanmin(period), np.nanmax(period)
    axes.set(xscale="log", xlim=(high, low), xlabel="period [arcsec]")
    ticks = [tick for tick in 2.0 ** np.arange(-6, 14) if low * 0.98 <= tick <= high * 1.02]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def plot_by_field(part, *, rows=None, width=11.0):
    """
    Error against the strength of the field.

    Parameters
    ----------
    part : `dict`
        ``"edges"`` of the bins of the absolute value of the truth in gauss; ``"count"``, the pixels of each bin, and
        ``"rows"``: for every row ``"rmse"`` and ``"bias"`` in gauss and ``"pcc"``, each optional.
    rows, width
        As for `plot_scatter`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from sunpy_superres.benchmark.charts import plot_by_field
    >>> part = {"edges": [0, 100, 3000], "count": [900, 50], "rows": {"ldm": {"rmse": [20, 90], "bias": [0, -5]}}}
    >>> [axes.get_title() for axes in plot_by_field(part).axes]
    ['RMSE [G]', 'bias [G]', 'pixels']
    """
    return _plot_by(part, rows, width, "field strength of the truth [G]")


def plot_by_mu(part, *, rows=None, width=11.0):
    """
    Error against the place on the disk.

    Parameters
    ----------
    part : `dict`
        As for `plot_by_field`, with the ``"edges"`` in the cosine of the heliocentric angle.
    rows, width
        As for `plot_scatter`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from sunpy_superres.benchmark.charts import plot_by_mu
    >>> part = {"edges": [0.4, 0.7, 1], "rows": {"ldm": {"pcc": [0.8, 0.9]}}}
    >>> [axes.get_title() for axes in plot_by_mu(part).axes]
    ['correlation']
    """
    return _plot_by(part, rows, width, "μ = cos(heliocentric angle)")


def _plot_by(part, rows, width, label):
    titles = {"rmse": "RMSE [G]", "bias": "bias [G]", "pcc": "correlation"}
    keys = [key for key in titles if any(key in row for row in part["rows"].values())]
    edges = numbers(part["edges"])
    count = numbers(() if part.get("count") is None else part["count"])
    # Without the bins at the ends in which there is nothing.
    filled = np.flatnonzero(count > 0) if np.any(count > 0) else np.arange(edges.size - 1)
    inside = slice(filled[0], filled[-1] + 1)
    edges, count = edges[filled[0] : filled[-1] + 2], count[inside]
    styles = shown_rows(part["rows"], rows)
    narrow = width < NARROW
    shape = {"columns": 1, "aspect": 0.8} if narrow else {"columns": 2, "aspect": 0.6}
    has_count = bool(np.any(count > 0))
    figure, drawn = panels(len(keys) + has_count, width, **shape)
    position = np.arange(edges.size - 1)
    for axes, key in zip(drawn, keys, strict=False):
        values = {name: numbers(part["rows"][name][key])[inside] for name in styles if key in part["rows"][name]}
        for name, value in values.items():
            axes.plot(position, value, **styles[name].line(marker=True))
        low, high = main_range(values, styles, log=key == "rmse")
        if key == "rmse" and high > 15 * low:
            axes.set(yscale="log", ylim=(low, high))
            plain_log(axes.yaxis)
        else:
            axes.set_ylim(main_range(values, styles, *([0.0] if key == "bias" else [])))
        if key == "bias":
            axes.axhline(0, **GUIDE)
        title(axes, titles[key])
    if has_count:
        drawn[-1].bar(position, count, width=0.8, color=PALETTE["gray"])
        drawn[-1].set(yscale="log", ylim=(0.8, 3 * max(2.0, float(np.nanmax(count)))))
        title(drawn[-1], "pixels")
    for axes in drawn:
        _bin_axis(axes, edges, width / (1 if narrow else min(2, len(drawn))) - 0.8)
        axes.set_xlabel(label)
    legend(figure, drawn)
    return figure


def _bin_axis(axes, edges, width):
    """
    Bins side by side, named by their edges: weak fields would be a point at the end of an axis in gauss.
    """
    count = edges.size - 1
    # An edge that was infinite is null in the results.
    names = [
        f"{low:g}–{high:g}" if np.isfinite(high) else f"≥ {low:g}"
        for low, high in zip(edges[:-1].round(3), edges[1:].round(3), strict=True)
    ]
    # As many names as there is room for when they are slanted.
    step = max(1, int(np.ceil(0.2 * count / width)))
    axes.set_xticks(range(0, count, step), names[::step])
    axes.set_xlim(-0.6, count - 0.4)
    axes.grid(visible=False, axis="x")
    if max(map(len, names)) + 1 > letters_in(width / count * step, axes.xaxis.label.get_fontsize()):
        for name in axes.get_xticklabels():
            name.set(rotation=40, ha="right", rotation_mode="anchor")


def plot_time_series(part, *, rows=None, width=11.0):
    """
    Unsigned and net flux in time, and how far they are from the truth.

    The unsigned flux is divided by that of the truth. The net flux of the truth can be near zero: its error is divided
    by the unsigned flux of the truth instead.

    Parameters
    ----------
    part : `dict`
        ``"time"`` as ISO strings; ``"truth"`` and ``"rows"``: ``"unsigned"`` and ``"net"`` flux in maxwell of the
        truth and of every row.
    rows, width
        As for `plot_scatter`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from sunpy_superres.benchmark.charts import plot_time_series
    >>> flux = {"unsigned": [3e22, 4e22], "net": [1e21, -1e21]}
    >>> part = {"time": ["2011-03-01", "2011-03-02"], "truth": flux, "rows": {"ldm": flux}}
    >>> len(plot_time_series(part).axes)
    4
    """
    time = np.array([str(moment).removesuffix("Z") for moment in part["time"]], dtype="datetime64[ms]")
    order = np.argsort(time)
    time = time[order]
    truth = {key: numbers(value)[order] for key, value in part["truth"].items()}
    styles = shown_rows(part["rows"], rows)
    narrow = width < NARROW
    figure, drawn = panels(4, width, columns=1 if narrow else 2, aspect=0.62 if narrow else 0.42)
    # One above the other flux and error alternate; side by side the errors are below.
    places = ((0, 1), (2, 3)) if narrow else ((0, 2), (1, 3))
    titles = ("unsigned flux / truth", "error of the net flux / unsigned flux")
    for key, place, what in zip(("unsigned", "net"), places, titles, strict=True):
        upper, lower = (drawn[i] for i in place)
        values = {name: numbers(row[key])[order] for name, row in part["rows"].items() if key in row}
        power = _power_of_ten(truth[key])
        with np.errstate(divide="ignore", invalid="ignore"):
            base, offset = (truth[key], 0) if key == "unsigned" else (truth["unsigned"], truth[key])
            errors = {name: (values[name] - offset) / base for name in values}
        upper.plot(time, truth[key] / 10.0**power, **_TRUTH)
        for name in styles:
            if name in values:
                style = styles[name].line(marker=time.size < 6)
                upper.plot(time, values[name] / 10.0**power, **style)
                lower.plot(time, np.where(np.isfinite(errors[name]), errors[name], np.nan), **style)
        right = 1.0 if key == "unsigned" else 0.0
        lower.axhline(right, **GUIDE)
        upper.set_ylim(*(limit / 10.0**power for limit in main_range(values, styles, truth[key])))
        lower.set_ylim(*main_range(errors, styles, right))
        title(upper, f"{key} flux " + (f"[{_ten_to(power)} Mx]" if power else "[Mx]"))
        title(lower, what)
        for axes in (upper, lower):
            _time_axis(axes, time, ticks=4 if narrow else 7)
    legend(figure, drawn)
    return figure


def _time_axis(axes, time, ticks):
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # NOQA: PLC0415

    margin = max(np.timedelta64(60_000, "ms"), (time[-1] - time[0]) // 40)
    axes.set_xlim(time[0] - margin, time[-1] + margin)
    locator = AutoDateLocator(minticks=3, maxticks=ticks)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _power_of_ten(values):
    largest = np.nanmax(np.abs(values), initial=0)
    return int(np.floor(np.log10(largest))) if largest >= 1e4 else 0


def _ten_to(power):
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
