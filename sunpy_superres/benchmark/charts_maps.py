"""
Maps of one case: what is true, what was seen, and what every row made of it.
"""

import numpy as np

from sunpy_superres.benchmark._chart_grid import square_panels
from sunpy_superres.benchmark._chart_style import NARROW, shown_rows
from sunpy_superres.plotting import _most_active

__all__ = ["plot_differences", "plot_draws", "plot_maps"]

#: The colors of magnetograms of HMI mean gauss between these limits, and so for every map.
_LIMIT = 1500.0


def plot_maps(maps, scale, *, rows=None, side=192, width=11.0):
    """
    Truth, input and the mean of every row, in the colors and between the limits of magnetograms of HMI.

    Parameters
    ----------
    maps : mapping
        Arrays in gauss: ``"truth"`` of shape (y, x), ``"seen"``, the input, on a coarser grid, optional, and
        ``"ROW/mean"`` for every row, on the grid of the truth.
    scale : `float`
        Of the truth, in arcsec per pixel.
    rows : sequence of `dict`, optional
        The rows of the results, with ``"name"``, ``"title"`` and ``"kind"``: they give order and titles.
    side : `int`, optional
        Side of the square that is shown, in pixels of the truth. It is put where the unsigned flux is largest; a map
        that is larger is then shown as a whole, too. Defaults to 192.
    width : `float`, optional
        Of the figure, in inches. Defaults to 11.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark.charts import plot_maps
    >>> maps = {"truth": np.ones((32, 32)), "seen": np.ones((8, 8)), "ldm/mean": np.ones((32, 32))}
    >>> [axes.get_title() for axes in plot_maps(maps, 0.5).axes if axes.get_title()]
    ['truth', 'input', 'ldm']
    """
    from matplotlib.patches import Rectangle  # NOQA: PLC0415

    import sunpy.visualization.colormaps  # NOQA: F401, PLC0415

    view = _View(maps, scale, side)
    styles = shown_rows(_rows_of(maps, "mean"), rows)
    shown = [("truth", view.cut("truth"))]
    if "seen" in maps:
        shown.append(("input", view.cut("seen")))
    shown += [(style.title, view.cut(f"{name}/mean")) for name, style in styles.items()]
    if view.is_part:
        shown.insert(0, ("truth, the whole case", view.whole()))
    squares = _grid([name for name, _ in shown], width)
    for axes, (_, (data, extent)) in zip(squares.upper, shown, strict=True):
        image = _show(axes, data, extent, cmap="hmimag", vmin=-_LIMIT, vmax=_LIMIT)
    if view.is_part:
        left, right, bottom, top = view.extent
        for color, line in (("white", 2.4), ("black", 1.0)):
            box = Rectangle((left, bottom), right - left, top - bottom, fill=False, color=color, linewidth=line)
            squares.upper[0].add_patch(box)
    _field_bar(squares, 0, image, "line-of-sight field [G]")
    return squares.figure


def plot_differences(maps, scale, *, rows=None, side=192, width=11.0):
    """
    Mean of every row minus truth, between limits shared by all.

    Parameters
    ----------
    maps, scale, rows, side, width
        As for `plot_maps`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark.charts import plot_differences
    >>> maps = {"truth": np.ones((32, 32)), "ldm/mean": np.zeros((32, 32))}
    >>> [axes.get_title() for axes in plot_differences(maps, 0.5).axes if axes.get_title()]
    ['ldm']
    """
    view = _View(maps, scale, side)
    truth, extent = view.cut("truth")
    styles = shown_rows(_rows_of(maps, "mean"), rows)
    differences = {name: view.cut(f"{name}/mean")[0] - truth for name in styles}
    # A control may be far from the truth, and would make all else pale.
    main = [name for name in styles if styles[name].kind != "control"] or list(styles)
    limit = _rounded(_typical(np.abs(differences[name]) for name in main))
    squares = _grid([style.title for style in styles.values()], width)
    for axes, name in zip(squares.upper, styles, strict=True):
        image = _show(axes, differences[name], extent, cmap="RdBu_r", vmin=-limit, vmax=limit)
    squares.color_bar(0, image, "prediction − truth [G]", extend="both")
    return squares.figure


def plot_draws(maps, scale, *, rows=None, side=192, width=11.0):
    """
    One draw of every ensemble, the spread of its members, and the error of their mean in the same colors.

    Parameters
    ----------
    maps : mapping
        As for `plot_maps`, and ``"ROW/sample"`` and ``"ROW/std"`` for every ensemble.
    scale, rows, side, width
        As for `plot_maps`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark.charts import plot_draws
    >>> maps = {f"ldm/{key}": np.ones((32, 32)) for key in ("mean", "sample", "std")}
    >>> figure = plot_draws({"truth": np.zeros((32, 32)), **maps}, 0.5)
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()]
    ['truth', 'ldm: one draw', 'ldm: spread', 'ldm: |error|']
    """
    import sunpy.visualization.colormaps  # NOQA: F401, PLC0415

    view = _View(maps, scale, side)
    truth, extent = view.cut("truth")
    styles = shown_rows(_rows_of(maps, "sample") & _rows_of(maps, "std"), rows)
    spreads = {name: view.cut(f"{name}/std")[0] for name in styles}
    errors = {name: np.abs(view.cut(f"{name}/mean")[0] - truth) for name in styles}
    limit = _rounded(_typical([*spreads.values(), *errors.values()]))
    field = {"cmap": "hmimag", "vmin": -_LIMIT, "vmax": _LIMIT}
    error = {"cmap": "inferno", "vmin": 0, "vmax": limit}
    shown = []
    for name, style in styles.items():
        shown += [
            ("truth", truth, field),
            (f"{style.title}: one draw", view.cut(f"{name}/sample")[0], field),
            (f"{style.title}: spread", spreads[name], error),
            (f"{style.title}: |error|", errors[name], error),
        ]
    squares = _grid([name for name, _, _ in shown], width, bars=2)
    images = {}
    for axes, (_, data, look) in zip(squares.upper, shown, strict=True):
        images[look["cmap"]] = _show(axes, data, extent, **look)
    _field_bar(squares, 0, images["hmimag"], "truth and draw: line-of-sight field [G]")
    squares.color_bar(1, images["inferno"], "spread and error [G]", extend="max")
    return squares.figure


class _View:
    """
    The square of the maps that is shown, cut along pixels of the input, which may be coarser.
    """

    def __init__(self, maps, scale, side):
        self._maps, self._scale = maps, scale
        truth = np.asarray(maps["truth"])
        self._shape = truth.shape
        factor = self._shape[0] // np.asarray(maps["seen"]).shape[0] if "seen" in maps else 1
        size = max(factor, min(side, *self._shape) // factor * factor)
        left, bottom = (start // factor * factor for start in _most_active(truth, size))
        self._box = bottom, left, size
        self.is_part = size < max(self._shape) // factor * factor

    @property
    def extent(self):
        bottom, left, size = self._box
        return tuple(self._scale * edge for edge in (left, left + size, bottom, bottom + size))

    def cut(self, key):
        data = np.asarray(self._maps[key])
        factor = self._shape[0] // data.shape[0]
        bottom, left, size = (edge // factor for edge in self._box)
        return data[bottom : bottom + size, left : left + size], self.extent

    def whole(self):
        # Thinned out to what a panel can show.
        ny, nx = self._shape
        step = -(-max(ny, nx) // 256)
        data = np.asarray(self._maps["truth"])[::step, ::step]
        return data, (0, nx * self._scale, 0, ny * self._scale)


def _rows_of(maps, key):
    return {name.rpartition("/")[0] for name in maps if name.rpartition("/")[2] == key and "/" in name}


def _grid(titles, width, *, bars=1):
    squares = square_panels(titles, width, columns=2 if width < NARROW else 4, left=0.7, bars=bars)
    squares.label("x [arcsec]", "y [arcsec]")
    return squares


def _field_bar(squares, number, image, label):
    wide = squares.figure.get_figwidth() > NARROW
    ticks = (-1500, -1000, -500, 0, 500, 1000, 1500)
    squares.color_bar(number, image, label, extend="both", ticks=ticks if wide else ticks[::3])


def _show(axes, data, extent, **look):
    # Without interpolation a drawing holds the very pixels.
    image = axes.imshow(data, origin="lower", extent=extent, interpolation="none", **look)
    axes.grid(visible=False)
    axes.locator_params(nbins=4)
    axes.spines[:].set_visible(True)
    return image


def _typical(fields):
    """
    What nearly all values of a field are below; the median of all fields, so that one that is far off pales no other.
    """
    fields = [field[np.isfinite(field)] for field in fields]
    return float(np.median([np.percentile(field, 99.5) if field.size else 0.0 for field in fields]))


def _rounded(limit):
    """
    The next of 1, 2, 5, 10, 20, 50, …
    """
    if not limit > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(limit))
    return float(power * min(step for step in (1, 2, 5, 10) if step * power >= 0.999 * limit))
