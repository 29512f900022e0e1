"""
Figures of results, in the projection of the Map.
"""

import numpy as np

from sunpy_superres._atomic import replacing

__all__ = ["plot_superresolution", "save_figure"]


def _most_active(smap, size):
    """
    Lower left corner of the square of the given side (pixels) with the most unsigned flux.
    """
    from scipy.ndimage import uniform_filter  # NOQA: PLC0415

    flux = uniform_filter(np.abs(np.nan_to_num(smap.data)), size, mode="constant")
    ny, nx = smap.data.shape
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
    if "HPLN" in str(smap.meta.get("ctype1", "HPLN")).upper():
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
    from matplotlib.colors import AsinhNorm  # NOQA: PLC0415
    from matplotlib.patches import Rectangle  # NOQA: PLC0415

    factor = fine.data.shape[0] / smap.data.shape[0]
    zoom = min(zoom or max(48, min(smap.data.shape) // 6), *smap.data.shape)
    left, bottom = _most_active(smap, zoom)
    spread = None if fine.uncertainty is None else fine.uncertainty.array
    method, samples = fine.meta.get("srmethod", "result"), fine.meta.get("srnsamp")
    name = method if spread is None else f"{method}: mean of {samples or 'the'} samples"
    panels = [("input", smap, smap.data, 1), (name, fine, fine.data, factor)]
    if sample is not None:
        panels.append(("one sample", fine, sample.data, factor))
    if truth is not None:
        panels.append(("truth", fine, truth.data, factor))
    inside = fine.data[
        int(bottom * factor) : int((bottom + zoom) * factor), int(left * factor) : int((left + zoom) * factor)
    ]
    limit = max(300.0, float(np.nanpercentile(np.abs(inside), 99.8)))
    columns = len(panels) + (spread is not None)
    if figure is None:
        figure = plt.figure(figsize=(4.0 * columns, 8.2), layout="constrained")
    grid = figure.add_gridspec(2, columns)
    # Linear near zero, compressed toward kilogauss: network and spots in one picture.
    norm = AsinhNorm(linear_width=limit / 5, vmin=-limit, vmax=limit)
    fields, spreads = [], []
    for column in range(columns):
        is_spread = column == len(panels)
        title, where, data, scale = ("uncertainty (1 sigma)", fine, spread, factor) if is_spread else panels[column]
        look = {"cmap": "gray", "norm": norm}
        if is_spread:
            look = {"cmap": "inferno", "vmin": 0, "vmax": float(np.nanpercentile(spread, 99.9))}
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
    ticks = [sign * tick for tick in (limit, limit / 5) for sign in (-1, 1)]
    for drawn, label, options in (
        (fields, "line-of-sight field [G]", {"ticks": [0, *ticks], "format": "%.0f"}),
        (spreads, "standard deviation [G]", {}),
    ):
        if drawn:
            axes, images = zip(*drawn, strict=True)
            bar = figure.colorbar(images[0], ax=axes, orientation="horizontal", fraction=0.05, pad=0.07, **options)
            bar.set_label(label)
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
