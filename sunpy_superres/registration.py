"""
Bringing two images of the same scene onto each other by a shift.

Real pairs of instruments are off by a pixel or more, which costs more correlation than a good super-resolution gains:
register before scoring, and state the shift.
"""

import itertools
import math

import numpy as np
from scipy import ndimage

__all__ = ["estimate_shift", "shift"]

#: Order of the interpolating spline.
ORDER = 3


def shift(image, offset):
    """
    Move the content of an image by a number of pixels, which need not be whole.

    Parameters
    ----------
    image : `numpy.ndarray`
        Two-dimensional.
    offset : `tuple` of `float`
        ``(dy, dx)`` in pixels: what was at ``(y, x)`` lands at ``(y + dy, x + dx)``.

    Returns
    -------
    `numpy.ndarray`
        Same shape; float32 stays float32, everything else becomes float64.
        It is interpolated by a cubic spline, and NaN where that needs pixels that are not finite or lie beyond the
        edge. A whole number of pixels moves the values as they are.

    Raises
    ------
    ValueError
        If the image has not two dimensions or the offset is not two finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.registration import shift
    >>> shift(np.array([[1.0, 2.0, 3.0]]), (0, 1))
    array([[nan,  1.,  2.]])
    """
    image = _two_dimensional(image)
    dy, dx = _offset(offset)
    return _Shifter(image)(dy, dx).astype(_float_type(image), copy=False)


def estimate_shift(reference, image, *, precision=0.5, max_shift=8):
    """
    Find the shift that brings an image onto a reference.

    It maximizes the correlation of the two over the central part of the reference that no shift can empty: first over
    all whole pixels, then, by halving steps, over multiples of ``precision`` around the best of them.
    Differences in gain and offset do not matter.

    Parameters
    ----------
    reference, image : `numpy.ndarray`
        Two-dimensional, same shape. Pixels that are not finite are left out.
    precision : `float`, optional
        The result is a multiple of this, in pixels. Defaults to 0.5.
    max_shift : `int`, optional
        Largest shift looked for along each axis, in pixels. Defaults to 8.

    Returns
    -------
    `tuple` of `float`
        ``(dy, dx)``, to be given to `shift` together with ``image``.

    Raises
    ------
    ValueError
        If the shapes differ, the image is too small for ``max_shift``, an option is out of range, or there is nothing
        to correlate.

    Notes
    -----
    Interpolation smooths, and smoothing raises the correlation with a noisy reference; so shifts by a fraction are
    slightly favored over whole pixels. With a precision of half a pixel the effect is of no importance.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.registration import estimate_shift, shift
    >>> reference = np.random.default_rng(0).normal(size=(64, 64))
    >>> estimate_shift(reference, shift(reference, (2, -3)))
    (-2.0, 3.0)
    """
    reference, image = _two_dimensional(reference), _two_dimensional(image)
    if reference.shape != image.shape:
        msg = f"The reference has shape {reference.shape} and the image {image.shape}; they must be equal."
        raise ValueError(msg)
    if not 0 < precision <= 1:
        msg = f"precision must be above 0 and at most 1 pixel, got {precision!r}."
        raise ValueError(msg)
    margin = math.ceil(max_shift)
    if max_shift < 0 or min(reference.shape) < 2 * margin + 8:
        msg = f"max_shift={max_shift!r} does not suit an image of shape {reference.shape}."
        raise ValueError(msg)
    similarity = _Similarity(reference, image, margin)

    whole = range(-math.floor(max_shift), math.floor(max_shift) + 1)
    # Sorted by length, so that the shortest of equals is taken.
    candidates = sorted(itertools.product(whole, whole), key=lambda p: p[0] ** 2 + p[1] ** 2)
    best = max(candidates, key=lambda p: similarity.at(*p))
    if similarity.at(*best) == -math.inf:
        msg = "Nothing to correlate: too few finite pixels in common, or an image without structure."
        raise ValueError(msg)

    # From here on in units of the precision, which keeps the result exactly on the grid.
    limit = math.floor(max_shift / precision + 1e-9)
    y, x = (max(-limit, min(limit, round(value / precision))) for value in best)
    step = 2 ** math.floor(math.log2(1 / precision))
    while step:
        around = [(y, x), *((y + i, x + j) for i, j in itertools.product((-step, 0, step), repeat=2) if i or j)]
        allowed = [p for p in around if max(abs(p[0]), abs(p[1])) <= limit]
        nearest = max(allowed, key=lambda p: similarity.at(p[0] * precision, p[1] * precision))
        if nearest == (y, x):
            step //= 2
        y, x = nearest
    return y * precision, x * precision


class _Shifter:
    """
    Shifts one image many times: its spline coefficients are computed once, when first needed.
    """

    def __init__(self, image):
        self._image = image.astype(np.float64)
        self._invalid = ~np.isfinite(self._image)
        self._coefficients = None

    def __call__(self, dy, dx):
        if dy == round(dy) and dx == round(dx):
            return _move(np.where(self._invalid, np.nan, self._image), round(dy), round(dx))
        if self._coefficients is None:
            self._coefficients = ndimage.spline_filter(self._filled(), ORDER, mode="mirror")
        moved = ndimage.shift(self._coefficients, (dy, dx), order=ORDER, mode="mirror", prefilter=False)
        for axis, d in enumerate((dy, dx)):
            source = np.arange(moved.shape[axis]) - d
            outside = (source < 0) | (source > moved.shape[axis] - 1)
            moved[outside if axis == 0 else (slice(None), outside)] = np.nan
        if self._invalid.any():
            moved[ndimage.shift(self._invalid.astype(np.float64), (dy, dx), order=1, mode="nearest") > 0] = np.nan
        return moved

    def _filled(self):
        # The nearest value instead of a hole: a spline through a jump would ring far into the image.
        if not self._invalid.any() or self._invalid.all():
            return np.where(self._invalid, 0, self._image)
        nearest = ndimage.distance_transform_edt(self._invalid, return_distances=False, return_indices=True)
        return self._image[tuple(nearest)]


class _Similarity:
    """
    Correlation of the reference with the shifted image, over the same part of the reference for every shift.
    """

    def __init__(self, reference, image, margin):
        inner = slice(margin, -margin or None)
        self._reference = reference[inner, inner].astype(np.float64)
        self._finite = np.isfinite(self._reference)
        # Fewer pixels than this in common, and a high correlation means little.
        self._enough = max(16, min(self._finite.sum(), np.isfinite(image).sum()) // 2)
        self._inner = inner
        self._shifter = _Shifter(image)
        self._known = {}

    def at(self, dy, dx):
        if (dy, dx) not in self._known:
            self._known[dy, dx] = self._correlation(self._shifter(dy, dx)[self._inner, self._inner])
        return self._known[dy, dx]

    def _correlation(self, image):
        both = self._finite & np.isfinite(image)
        if both.sum() < self._enough:
            return -math.inf
        a, b = self._reference[both], image[both]
        a, b = a - a.mean(), b - b.mean()
        power = math.sqrt(float(a @ a) * float(b @ b))
        return float(a @ b) / power if power > 0 else -math.inf


def _move(image, dy, dx):
    moved = np.full_like(image, np.nan)
    ny, nx = image.shape
    if abs(dy) < ny and abs(dx) < nx:
        moved[max(dy, 0) : ny + min(dy, 0), max(dx, 0) : nx + min(dx, 0)] = image[
            max(-dy, 0) : ny + min(-dy, 0), max(-dx, 0) : nx + min(-dx, 0)
        ]
    return moved


def _two_dimensional(image):
    image = np.asarray(image)
    if image.ndim != 2:
        msg = f"Expected an image with two dimensions, got shape {image.shape}."
        raise ValueError(msg)
    return image


def _offset(offset):
    offset = tuple(float(value) for value in offset)
    if len(offset) != 2 or not all(map(math.isfinite, offset)):
        msg = f"The offset must be two finite numbers (dy, dx), got {offset}."
        raise ValueError(msg)
    return offset


def _float_type(image):
    return np.float32 if image.dtype.kind == "f" and image.dtype.itemsize == 4 else np.float64
