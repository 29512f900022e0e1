"""
What is kept of a prediction and its truth: sums for every block of the image.

All figures are functions of such sums, so that those of all images together, of each image and of a thousand resampled
sets of blocks come from the same numbers, and no image is looked at twice.
"""

import numpy as np

from sunpy_superres.benchmark.blocks import BLOCK, Blocks
from sunpy_superres.instruments import HMI_SCALE, get_instrument
from sunpy_superres.metrics.physics import sobel
from sunpy_superres.metrics.similarity import ssim_map

__all__ = [
    "EXTREME_BLOCKS",
    "FIELD_EDGES",
    "HISTOGRAM_EDGES",
    "MOMENTS",
    "MU_EDGES",
    "PERIODS",
    "RADIUS_EDGES",
    "RINGS",
    "SCATTER_EDGES",
    "THRESHOLDS",
    "pixel_sums",
]

#: Edges of bins of the truth, its size in gauss, and of the distance from disk center in solar radii: those of
#: Muñoz-Jaramillo et al. and, as a radius, those of mu.
FIELD_EDGES = (0, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1000, 1500, 2000, np.inf)
MU_EDGES = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
RADIUS_EDGES = tuple(sorted({0, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, *(float(np.sqrt(1 - mu**2)) for mu in MU_EDGES)}))
#: What is summed in each of these bins: P prediction, G truth.
MOMENTS = ("count", "P", "G", "PP", "GG", "PG", "error", "square", "within")
_TOLERANCE = 300  # gauss, of "within"
#: Fields above which the flux is summed; the third is three times the noise of HMI.
THRESHOLDS = (0, 30, round(3 * get_instrument("hmi").noise, 1), 100)
#: Sides of the blocks whose extremes are compared.
EXTREME_BLOCKS = (2, 4, 8, 16, 32, 128)
#: Mean unsigned field of a block in gauss below which its correlation is that of noise.
_WEAK = 15
#: Periods in arcsec, and half width of the band relative to its frequency.
PERIODS, _WIDTH = (8, 4, 2, 1), 0.1
#: Rings of spatial frequency up to Nyquist.
RINGS = BLOCK // 2
_FINE = np.r_[0:300:2, 300:1000:10, 1000:4001:50]
#: Edges of the histograms of P and G in gauss, closer where there are more pixels.
HISTOGRAM_EDGES = np.r_[-_FINE[:0:-1], _FINE].astype(float)
#: Edges of the histogram of both.
SCATTER_EDGES = np.arange(-2000.0, 2001.0, 50.0)
#: Data range of the structural similarity in gauss.
_RANGE = 6000.0


def pixel_sums(pred, truth, case, scored):
    """
    Sums over the blocks of an image, of all that needs one prediction.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`
        Prediction and truth in gauss, shape (y, x), finite where they are scored.
    case : `~sunpy_superres.benchmark.cases.Case`
        Where they are, and what was seen.
    scored : `numpy.ndarray`
        Which pixels count.

    Returns
    -------
    `dict`
        Arrays of shape (blocks, ...), float64, by name.
    """
    blocks = Blocks(truth.shape)
    inside = np.where(scored, pred, np.nan).astype(np.float64), np.where(scored, truth, np.nan).astype(np.float64)
    radius = case.radius
    # Rings of the disk are scored to the limb.
    on_disk = case.known & np.isfinite(pred) if radius is not None else np.zeros(truth.shape, dtype=bool)
    strength = np.digitize(np.abs(truth), FIELD_EDGES[1:-1])
    distance = np.digitize(radius, RADIUS_EDGES[1:-1]) if radius is not None else strength
    return {
        "field": _moments(blocks, pred, truth, scored, strength, len(FIELD_EDGES) - 1),
        "radius": _moments(blocks, pred, truth, on_disk, distance, len(RADIUS_EDGES) - 1),
        "flux": _flux(blocks, *inside),
        "signed": _signed(blocks, *inside, case.flux_area()),
        "patches": _patches(blocks, *inside),
        "extremes": _extremes(blocks, *inside),
        "gradient": _gradient(blocks, *inside),
        "ssim": _ssim(blocks, *inside),
        "histogram": np.stack([_histogram(blocks, field, scored) for field in (pred, truth)], axis=1),
        **_spectra(blocks, *inside),
    }


def _moments(blocks, pred, truth, used, bins, n_bins):
    p, g, labels, bins = (array[used] for array in (pred, truth, blocks.labels, bins))
    p, g = p.astype(np.float64), g.astype(np.float64)
    error = np.abs(p - g)
    terms = None, p, g, p * p, g * g, p * g, error, error**2, error < _TOLERANCE
    return np.stack([blocks.sum(term, labels, bins, n_bins) for term in terms], axis=-1)


def _flux(blocks, pred, truth):
    p, g = (np.nan_to_num(np.abs(field)) for field in (pred, truth))
    both = [[blocks.sum(np.where(field > t, field, 0)) for field in (p, g)] for t in THRESHOLDS]
    return np.moveaxis(np.array(both), -1, 0)


def _signed(blocks, pred, truth, area):
    """
    Pixels, and the sum of the sizes of the errors of their flux in Mx.
    """
    if area is None:
        return np.zeros((len(blocks), 2))
    error = np.abs(pred - truth) * area
    known = np.isfinite(error)
    return np.stack([blocks.sum(known), blocks.sum(np.where(known, error, 0))], axis=-1)


def _patches(blocks, pred, truth):
    """
    Whole blocks that are not weak, and the sum of the correlations in them.
    """
    found = np.zeros((len(blocks), 2))
    for i, window in enumerate(blocks.windows()):
        p, g = pred[window], truth[window]
        key = blocks.keys[i]
        if p.shape != (blocks.side,) * 2 or [part.start for part in window] != [k * blocks.side for k in key]:
            continue
        if not np.isfinite(p + g).all() or np.abs(g).mean() < _WEAK:
            continue
        p, g = p - p.mean(), g - g.mean()
        if power := np.sqrt((p * p).sum() * (g * g).sum()):
            found[i] = 1, (p * g).sum() / power
    return found


def _extremes(blocks, pred, truth):
    """
    For each side: blocks, errors of their extremes, the same with sign, blocks with gradients, and mean gradients.
    """
    size, found = sobel(pred - truth), []
    for side in EXTREME_BLOCKS:
        ny, nx = (n // side for n in truth.shape)
        if not ny or not nx:
            found.append(np.zeros((5, len(blocks))))
            continue
        labels = blocks.labels[: ny * side : side, : nx * side : side]

        def reduced(field, by, shape=(ny, side, nx, side)):
            # NaN where one of the pixels is.
            return by(field[: shape[0] * shape[1], : shape[2] * shape[3]].reshape(shape), axis=(1, 3))

        highest = reduced(pred, np.max) - reduced(truth, np.max)
        lowest = reduced(pred, np.min) - reduced(truth, np.min)
        mean, whole = reduced(size, np.mean), np.isfinite(highest)
        terms = whole, (np.abs(highest) + np.abs(lowest)) / 2, (highest - lowest) / 2, np.isfinite(mean), mean
        found.append([blocks.sum(np.nan_to_num(term), labels) for term in terms])
    return np.moveaxis(np.array(found), -1, 0)


def _gradient(blocks, pred, truth):
    """
    Pixels, gradients of the error, of P, of G, and differences of the sizes of the last two.
    """
    error, p, g = sobel(pred - truth), sobel(pred), sobel(truth)
    known = np.isfinite(error)
    terms = known, *(np.where(known, term, 0) for term in (error, p, g, np.abs(p - g)))
    return np.stack([blocks.sum(term) for term in terms], axis=-1)


def _ssim(blocks, pred, truth):
    """
    Windows of the structural similarity and its sum; the same of windows whose truth is above 150 G in the middle.
    """
    similarity = ssim_map(*(np.clip(field, -_RANGE / 2, _RANGE / 2) for field in (pred, truth)), _RANGE)
    whole = np.isfinite(similarity)
    strong = whole & (np.abs(np.nan_to_num(truth)) > 150)
    return np.stack([blocks.sum(np.where(used, s, 0)) for used in (whole, strong) for s in (1, similarity)], axis=-1)


def _histogram(blocks, field, used):
    bins = np.clip(np.digitize(field[used], HISTOGRAM_EDGES) - 1, 0, len(HISTOGRAM_EDGES) - 2)
    return blocks.sum(None, blocks.labels[used], bins, len(HISTOGRAM_EDGES) - 1)


def _spectra(blocks, pred, truth):
    """
    How many places of the Fourier plane each ring of each window has, and sums there of the power of P, that of G, and
    the real part of P times G conjugate; the last three in bands too.
    """
    rings, bands = np.zeros((len(blocks), RINGS, 4)), np.zeros((len(blocks), len(PERIODS), 3))
    for i, window in enumerate(blocks.windows()):
        p, g = pred[window], truth[window]
        plane = _plane(p.shape)
        weight = plane["window"] * np.isfinite(p)
        if not weight.any():
            continue
        transforms = [
            np.fft.fft2(weight * (f - (weight * f).sum() / weight.sum())) for f in (np.nan_to_num(p), np.nan_to_num(g))
        ]
        # Such that white noise has a power of its variance times the area of a pixel.
        norm = HMI_SCALE**2 / (plane["window"] ** 2).sum()
        f, h = transforms
        terms = [np.ones(p.shape), *(norm * t for t in (np.abs(f) ** 2, np.abs(h) ** 2, (f * h.conj()).real))]
        for j, term in enumerate(terms):
            rings[i, :, j] = np.bincount(plane["ring"].ravel(), term.ravel(), RINGS + 2)[1 : RINGS + 1]
        bands[i] = [[term[band].sum() for term in terms[1:]] for band in plane["bands"]]
    return {"rings": rings, "bands": bands}


_planes = {}


def _plane(shape):
    """
    Hann window, number of the ring of each place of the Fourier plane (the first is 1) and the bands, for a window.
    """
    if shape not in _planes:
        fy, fx = (np.fft.fftfreq(n, HMI_SCALE) for n in shape)
        frequency = np.hypot(fy[:, None], fx)
        ring = np.minimum(np.rint(frequency * BLOCK * HMI_SCALE).astype(int), RINGS + 1)
        nyquist = frequency <= 0.5 / HMI_SCALE * (1 + 1e-9)
        least = 0.5 / (min(shape) * HMI_SCALE)
        bands = [nyquist & (np.abs(frequency - 1 / p) <= max(_WIDTH / p, least)) for p in PERIODS]
        window = np.hanning(shape[0])[:, None] * np.hanning(shape[1])
        _planes[shape] = {"window": window, "ring": ring, "bands": bands}
    return _planes[shape]
