"""
One case and what a row made of it: everything that is kept of the two.
"""

from importlib.util import find_spec

import numpy as np

from sunpy_superres.benchmark._scene import FACTOR
from sunpy_superres.benchmark.blocks import Blocks
from sunpy_superres.benchmark.cases import case_seed
from sunpy_superres.benchmark.ensemble_sums import ensemble_sums
from sunpy_superres.benchmark.statistics import SCATTER_EDGES, pixel_sums
from sunpy_superres.instruments import HMI_SCALE

__all__ = ["Scorer", "example_window"]

#: Pixels along a side of the example.
_EXAMPLE = 384


class Scorer:
    """
    Scores of a protocol.

    Parameters
    ----------
    protocol : `~sunpy_superres.benchmark.Protocol`
        What is asked for.
    seed : `int`
        Seed of all noise that is added.
    """

    def __init__(self, protocol, seed):
        self.protocol, self.seed = protocol, seed
        asked = {column.figure for table in protocol.tables for column in table.columns}
        self._regions = bool(asked & {"ar_size_error", "jaccard", "pil_error", "r_value_error"})
        self._perceptual = asked & {"lpips", "fid", "kid"}
        #: What could not be found, and why.
        self.lacking = {}
        #: Whether it is worth another try.
        self.again = False
        self._truths = {}

    def settings(self):
        """
        What decides the scores, for a fingerprint.
        """
        p = self.protocol
        return {
            "edge": p.edge,
            "mask": p.mask,
            "views": p.views,
            "box": p.box,
            "series_noise": p.series_noise,
            "regions": self._regions,
            "perceptual": sorted(self._perceptual),
            # With them installed there is more to find.
            "packages": [name for name in ("skimage", "lpips", "torch_fidelity") if find_spec(name) is not None],
            "seed": self.seed,
        }

    def score(self, case, prediction, *, window=None, noisy=True):
        """
        Score a prediction.

        Parameters
        ----------
        case : `~sunpy_superres.benchmark.cases.Case`
            The case.
        prediction : `~sunpy_superres.benchmark.contenders.Prediction`
            What was made of it.
        window : `tuple` of `slice`, optional
            Part of the maps that is kept, of the example.
        noisy : `bool`, optional
            Whether the prediction gets the noise of the time series, as that of a network.

        Returns
        -------
        `dict`
            Arrays by name: ``"mean/..."`` of the result, ``"draw/..."`` of the first member of an ensemble; sums of
            blocks, and after ``"case/"`` what is of the whole image.

        Raises
        ------
        ValueError
            If the prediction has holes where it is scored.
        """
        edge = self.protocol.edge
        inner = case.inner(edge)
        cut = (..., slice(edge, case.truth.shape[0] - edge), slice(edge, case.truth.shape[1] - edge))
        scored = inner.scored(self.protocol.mask)
        estimates = {"mean": prediction.mean}
        if prediction.members is not None:
            estimates["draw"] = prediction.members[0]
        found = {}
        for kind, whole in estimates.items():
            if whole.shape != case.truth.shape or not np.isfinite(whole[cut][scored]).all():
                msg = f"A prediction of {case.name} has another shape than its truth, or values that are not finite."
                raise ValueError(msg)
            estimate = whole[cut]
            members = prediction.independent[cut] if kind == "mean" else estimate[None]
            sums = pixel_sums(estimate, inner.truth, inner, scored)
            sums["consistency"] = self._consistency(case, whole, scored)
            rng = np.random.default_rng([case_seed(self.seed, case.name), 2])
            sums |= ensemble_sums(members, estimate, inner.truth, scored, self.protocol.views, rng)
            sums |= {f"case/{name}": value for name, value in self._whole(inner, estimate, scored, noisy).items()}
            found |= {f"{kind}/{name}": value for name, value in sums.items()}
        if window is not None:
            found |= {f"maps/{kind}": estimate[window] for kind, estimate in estimates.items()}
            if prediction.members is not None:
                found["maps/std"] = np.std(prediction.independent[(slice(None), *window)], axis=0, ddof=1)
            found = {k: v.astype(np.float32) if k.startswith("maps/") else v for k, v in found.items()}
        return found

    def _consistency(self, case, estimate, scored):
        """
        Pixels of the input, and squared misfits to it of the prediction and of the truth as the instrument sees them.
        """
        from sunpy_superres.degradation import degrade  # NOQA: PLC0415

        blocks, f, cut = Blocks(scored.shape), FACTOR, self.protocol.edge // FACTOR
        # Of the whole image, since pixels at the edge see what is beyond.
        misfits = np.stack(
            [
                degrade(np.where(case.known, field, np.nan), instrument=case.instrument, noise=False) - case.seen
                for field in (estimate, case.truth)
            ]
        )
        ny, nx = (n // f for n in scored.shape)
        misfits = misfits[:, cut : cut + ny, cut : cut + nx].astype(np.float64)
        used = scored.reshape(ny, f, nx, f).all(axis=(1, 3)) & np.isfinite(misfits).all(axis=0)
        terms = used, *(np.where(used, misfit, 0) ** 2 for misfit in misfits)
        return np.stack([blocks.sum(term, blocks.labels[::f, ::f]) for term in terms], axis=-1)

    def _whole(self, case, estimate, scored, noisy):
        found = {"scatter": _scatter(estimate[scored], case.truth[scored])}
        if self.protocol.box is not None:
            found["series"] = self._series(case, estimate, self.protocol.series_noise if noisy else 0)
        inside = [np.where(scored, field, np.nan) for field in (estimate, case.truth)]
        if self._regions:
            found["image"] = self._region_scores(case, *inside)
        if "lpips" in self._perceptual:
            found["lpips"] = np.array([self._try("lpips", _lpips, *inside)])
        if self._perceptual & {"fid", "kid"}:
            for name, field in (("features", inside[0]), ("true_features", inside[1])):
                vectors = self._try("features", _features, field)
                found[name] = np.zeros((0, 0)) if np.ndim(vectors) < 2 else vectors
        return found

    def _region_scores(self, case, pred, truth):
        """
        Size, polarity inversion line and R_VALUE of prediction and truth, and the overlap of their regions.
        """
        from sunpy_superres import metrics  # NOQA: PLC0415

        def numbers(field):
            return [
                self._try("regions", function, field, HMI_SCALE)
                for function in (metrics.active_region_size, metrics.pil_length, metrics.r_value)
            ]

        if case.name not in self._truths:
            self._truths[case.name] = numbers(truth)
        overlap = self._try("regions", metrics.active_region_jaccard, pred, truth, HMI_SCALE)
        return np.array([*numbers(pred), *self._truths[case.name], overlap], dtype=np.float64)

    def _try(self, name, function, *arguments):
        """
        NaN, with the reason kept, where a package or weights are missing.
        """
        try:
            return function(*arguments)
        except (ImportError, RuntimeError, OSError) as error:
            self.lacking[name] = " ".join(str(error).split())
            # What is installed is in the fingerprint; a download may succeed the next time.
            self.again |= not isinstance(error, ImportError)
        except ValueError:  # nothing in it of which this could be told
            pass
        return np.nan

    def _series(self, case, estimate, noise):
        """
        Pixels within the box, and sums of the sizes and of the values of prediction and truth there.
        """
        if case.center is None:
            return np.zeros(5)
        west, east, south, north = self.protocol.box
        y, x = (
            (np.arange(n) - (n - 1) / 2) * HMI_SCALE + c
            for n, c in zip(case.truth.shape, case.center[::-1], strict=True)
        )
        used = case.known & ((y >= south) & (y <= north))[:, None] & ((x >= west) & (x <= east))
        rng = np.random.default_rng([case_seed(self.seed, case.name), 3])
        noisy = estimate + rng.normal(0, noise, estimate.shape)
        p, g = noisy[used].astype(np.float64), case.truth[used].astype(np.float64)
        return np.array([p.size, np.abs(p).sum(), p.sum(), np.abs(g).sum(), g.sum()])


def _scatter(pred, truth):
    """
    How many pixels are in each bin of the truth and of the prediction; what is beyond the last is in it.
    """
    n = len(SCATTER_EDGES) - 1
    bins = [np.clip(np.digitize(field, SCATTER_EDGES) - 1, 0, n - 1) for field in (truth, pred)]
    return np.bincount(bins[0] * n + bins[1], minlength=n * n).reshape(n, n)


def _lpips(pred, truth):
    from sunpy_superres.metrics.perceptual import lpips  # NOQA: PLC0415

    return lpips(pred, truth, net="vgg", data_range=6000)


def _features(field):
    """
    Features of the whole blocks of an image, none of which overlap.
    """
    from sunpy_superres.metrics.perceptual import inception_features  # NOQA: PLC0415

    blocks = Blocks(field.shape)
    # A window that was moved inwards shows again what others show.
    own = (
        window
        for window, key in zip(blocks.windows(), blocks.keys, strict=True)
        if [part.start for part in window] == [k * blocks.side for k in key]
    )
    whole = [field[window] for window in own if np.isfinite(field[window]).all()]
    if not whole:
        return np.nan
    return inception_features(np.stack(whole), data_range=6000)


def example_window(case, scored):
    """
    The part of a case with the strongest field, as slices.

    Parameters
    ----------
    case : `~sunpy_superres.benchmark.cases.Case`
        The case.
    scored : `numpy.ndarray`
        Which pixels count.

    Returns
    -------
    window : `tuple` of `slice`
        Of whole pixels of the input.
    strength : `float`
        Mean size of the field around its strongest place, in gauss.
    """
    from scipy import ndimage  # NOQA: PLC0415

    strength = ndimage.uniform_filter(np.where(scored, np.abs(np.nan_to_num(case.truth)), 0), 64, mode="constant")
    place = np.unravel_index(strength.argmax(), strength.shape)
    window = []
    for middle, n in zip(place, case.truth.shape, strict=True):
        start = min(max(int(middle) - _EXAMPLE // 2, 0), max(n - _EXAMPLE, 0)) // 4 * 4
        window.append(slice(start, min(start + _EXAMPLE, n)))
    return tuple(window), float(strength.max())
