"""
Figures of results, in the projection of the Map.
"""

from collections import namedtuple

import numpy as np

from sunpy_superres._atomic import replacing

__all__ = ["plot_comparison", "plot_superresolution", "save_figure"]


#: How values are drawn: what they are divided by, their unit then, what it is called, options of imshow and of the bar.
_Look = namedtuple("_Look", ["level", "unit", "label", "style", "bar"])


def _look_of(fine, inside):
    """
    How a result is drawn, from its values in the region that is shown.
    """
    from matplotlib.colors import AsinhNorm  # NOQA: PLC0415

    if level := fine.meta.get("srquiet"):
        low, high = (float(v) for v in np.nanpercentile(inside / level, (0.1, 99.9)))
        style = {"cmap": "gray", "vmin": low, "vmax": high}
        return _Look(level, "quiet Sun", "continuum intensity [quiet Sun]", style, {})
    limit = max(300.0, float(np.nanpercentile(np.abs(inside), 99.8)))
    # Linear near zero, compressed toward kilogauss: network and spots in one picture.
    style = {"cmap": "gray", "norm": AsinhNorm(linear_width=limit / 5, vmin=-limit, vmax=limit)}
    ticks = [0, *(sign * tick for tick in (limit, limit / 5) for sign in (-1, 1))]
    return _Look(1.0, "G", "line-of-sight field [G]", style, {"ticks": ticks, "format": "%.0f"})


def _activity(smap, level):
    """
    Where there is something to see: the field, or how far a continuum image is from a quiet Sun, away from the limb.
    """
    data = np.asarray(smap.data)
    if not level:
        return data
    from sunpy_superres._quiet_sun import limb_darkening  # NOQA: PLC0415
    from sunpy_superres._wcs import disk_radius  # NOQA: PLC0415

    radius = disk_radius(smap)
    return np.where(radius < 0.95, data / level - limb_darkening(radius), 0)


def _most_active(data, size):
    """
    Lower left corner of the square of the given side (pixels) with the most unsigned flux.
    """
    from scipy.ndimage import uniform_filter  # NOQA: PLC0415

    flux = uniform_filter(np.abs(np.nan_to_num(data)), size, mode="constant")
    ny, nx = data.shape
    y, x = np.unravel_index(np.argmax(flux), flux.shape)
    return int(np.clip(x - size // 2, 0, nx - size)), int(np.clip(y - size // 2, 0, ny - size))


def _show(axes, data, first, last, **look):
    """
    Draw a rectangle of pixels, thinned out where there are more than a figure can show.
    """
    (left, bottom), (right, top) = ([int(n) for n in corner] for corner in (first, last))
    step = max(1, (top - bottom) // 1000)
    extent = (left - 0.5, right - 0.5, bottom - 0.5, top - 0.5)
    thinned = data[bottom:top:step, left:right:step]
    return axes.imshow(thinned, origin="lower", interpolation="nearest", extent=extent, **look)


def _axis_labels(smap):
    if "HPLN" in str(smap.wcs.wcs.ctype[0]).upper():
        return "Solar X", "Solar Y"
    return "Longitude", "Latitude"


def plot_superresolution(smap, fine, *, sample=None, truth=None, zoom=None, figure=None):
    """
    Input, result and uncertainty side by side, whole and zoomed.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        The input.
    fine : `~sunpy.map.GenericMap`
        What `sunpy_superres.superresolve` made of it.
    sample : `~sunpy.map.GenericMap`, optional
        One draw, on the grid of the result.
    truth : `~sunpy.map.GenericMap`, optional
        What HMI saw, on the grid of the result, where it is known.
    zoom : `int`, optional
        Side of the zoomed square in pixels of the input; a sixth of the map, at least 48 pixels, unless told.
        It is put where the unsigned flux is largest.
    figure : `~matplotlib.figure.Figure`, optional
        Drawn into; a new one unless given.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    import matplotlib.pyplot as plt  # NOQA: PLC0415
    from matplotlib.patches import Rectangle  # NOQA: PLC0415

    from sunpy_superres.observations import read  # NOQA: PLC0415

    factor = fine.data.shape[0] / smap.data.shape[0]
    zoom = min(zoom or max(48, min(smap.data.shape) // 6), *smap.data.shape)
    level = fine.meta.get("srquiet")
    # Of the result, which is nothing where the sky of the input is filled with a number.
    left, bottom = (int(n / factor) for n in _most_active(_activity(fine, level), round(zoom * factor)))
    spread = None if fine.uncertainty is None else fine.uncertainty.array
    method, samples = fine.meta.get("srmethod", "result"), fine.meta.get("srnsamp")
    name = method if spread is None else f"{method}: mean of {samples or 'the'} samples"
    source = str(fine.meta.get("srinstr", "its own")).upper()
    # Without the sky, which may be filled with a number.
    seen = np.where(read(smap, instrument=fine.meta.get("srinstr")).valid, smap.data, np.nan)
    title = "input" if level else f"input [G of {source}]"
    panels = [(title, smap, seen, 1), (name, fine, fine.data, factor)]
    if sample is not None:
        panels.append(("one sample", fine, sample.data, factor))
    if truth is not None:
        panels.append(("truth", fine, truth.data, factor))
    inside = fine.data[
        int(bottom * factor) : int((bottom + zoom) * factor), int(left * factor) : int((left + zoom) * factor)
    ]
    looks = _look_of(fine, inside)
    columns = len(panels) + (spread is not None)
    if figure is None:
        figure = plt.figure(figsize=(3.6 * columns + 0.6, 8.2))
    # By hand: the automatic layouts of matplotlib give up on the labels of some Maps.
    grid = figure.add_gridspec(2, columns, left=0.35 / columns, right=0.985, top=0.95, bottom=0.17, wspace=0.06)
    fields, spreads = [], []
    for column in range(columns):
        is_spread = column == len(panels)
        title, where, data, scale = ("uncertainty (1 sigma)", fine, spread, factor) if is_spread else panels[column]
        data, look = data / looks.level, looks.style
        if is_spread:
            look = {"cmap": "inferno", "vmin": 0, "vmax": float(np.nanpercentile(data, 99.9))}
        for row in range(2):
            axes = figure.add_subplot(grid[row, column], projection=where)
            if row == 0:
                image = _show(axes, data, (0, 0), data.shape[::-1], **look)
                axes.set_title(title)
                corner, side = (left * scale - 0.5, bottom * scale - 0.5), zoom * scale
                axes.add_patch(Rectangle(corner, side, side, fill=False, color="C1"))
            else:
                first = (left * scale, bottom * scale)
                image = _show(axes, data, first, [start + zoom * scale for start in first], **look)
            for i, (coordinate, label) in enumerate(zip(axes.coords, _axis_labels(where), strict=True)):
                coordinate.set_ticklabel(size=8)
                coordinate.set_ticklabel_visible(i == 0 or column == 0)
                coordinate.set_axislabel(label if (row == 1 and i == 0) or (column == 0 and i == 1) else " ")
            (spreads if is_spread else fields).append((axes, image))
    for drawn, label, options in (
        (fields, looks.label, looks.bar),
        (spreads, f"standard deviation [{looks.unit}]", {}),
    ):
        if drawn:
            axes, images = zip(*drawn, strict=True)
            left, right = axes[0].get_position().x0, axes[-1].get_position().x1
            inset = 0.15 * (right - left)
            below = figure.add_axes([left + inset, 0.085, right - left - 2 * inset, 0.02])
            figure.colorbar(images[0], cax=below, orientation="horizontal", **options).set_label(label)
    return figure


def plot_comparison(results, *, samples=None, truth=None, zoom=None, figure=None):
    """
    Results of several methods: the most active region, the difference from the truth, and the spectra.

    Parameters
    ----------
    results : `dict`
        `~sunpy.map.GenericMap` on one grid, by the name of the method.
    samples : `dict`, optional
        One draw, as an array, of the methods that draw: the spectra are then theirs.
    truth : `numpy.ndarray`, optional
        What HMI saw, on the grid of the results.
    zoom : `int`, optional
        Side of the square that is shown in pixels of the results; an eighth of the map, at least 192 pixels, unless
        told. It is put where the unsigned flux is largest.
    figure : `~matplotlib.figure.Figure`, optional
        Drawn into; a new one unless given.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    import matplotlib.pyplot as plt  # NOQA: PLC0415

    from sunpy_superres._wcs import pixel_scale  # NOQA: PLC0415
    from sunpy_superres.metrics import power_spectrum  # NOQA: PLC0415

    first = next(iter(results.values()))
    ny, nx = first.data.shape
    zoom = min(zoom or max(192, min(ny, nx) // 8), ny, nx)
    left, bottom = _most_active(_activity(first, first.meta.get("srquiet")), zoom)
    inside = np.s_[bottom : bottom + zoom, left : left + zoom]
    panels = {name: np.asarray(result.data) for name, result in results.items()}
    if truth is not None:
        panels["truth"] = truth
    look = _look_of(first, first.data[inside])
    panels = {name: data / look.level for name, data in panels.items()}
    rows = 2 + (truth is not None)
    if figure is None:
        figure = plt.figure(figsize=(3.4 * len(panels) + 2, 3.6 * rows))
    n = len(panels)
    margins = {"left": 0.3 / n, "right": 1 - 0.35 / n, "top": 1 - 0.12 / rows, "bottom": 0.18 / rows}
    grid = figure.add_gridspec(rows, n, wspace=0.08, hspace=0.35, **margins)
    looks = [(panels, look.style, look.label, look.bar)]
    if truth is not None:
        differences = {name: data - panels["truth"] for name, data in panels.items() if name != "truth"}
        largest = max(float(np.nanpercentile(np.abs(data[inside]), 99)) for data in differences.values())
        looks.append(
            (differences, {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}, f"result - truth [{look.unit}]", {})
        )
    corner, end = (left, bottom), (left + zoom, bottom + zoom)
    for row, (shown, style, label, bar) in enumerate(looks):
        drawn = []
        for column, (name, data) in enumerate(shown.items()):
            axes = figure.add_subplot(grid[row, column], projection=first)
            image = _show(axes, data, corner, end, **style)
            axes.set_title(name if row == 0 else f"{name} - truth")
            for i, (coordinate, title) in enumerate(zip(axes.coords, _axis_labels(first), strict=True)):
                coordinate.set_ticklabel(size=8)
                coordinate.set_ticklabel_visible(i == 0 or column == 0)
                coordinate.set_axislabel(title if i == 0 or column == 0 else " ")
            drawn.append(axes)
        place = drawn[-1].get_position()
        beside = figure.add_axes([place.x1 + 0.02 / n, place.y0, 0.04 / n, place.height])
        figure.colorbar(image, cax=beside, **bar).set_label(label)
    axes = figure.add_subplot(grid[-1, :])
    scale = float(np.mean(pixel_scale(first)))
    for name, data in panels.items():
        drawn = samples[name] / look.level if name in (samples or {}) else data
        frequency, power = power_spectrum(drawn[inside], scale)
        style = {"color": "black", "linewidth": 2} if name == "truth" else {}
        axes.loglog(1 / frequency, power, label=f"{name}, one draw" if name in (samples or {}) else name, **style)
    axes.invert_xaxis()
    axes.set_xlabel("period [arcsec]")
    axes.set_ylabel("power [G$^2$ arcsec$^2$]" if look.unit == "G" else "power [arcsec$^2$]")
    axes.legend()
    return figure


def save_figure(figure, path, *, dpi=110):
    """
    Write a figure to a temporary file and rename it: complete, or not there.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        The figure.
    path : `pathlib.Path`
        Its suffix names the format.
    dpi : `int`, optional
        Dots per inch.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
