"""
Pairs of real observations that were prepared for training: what a model makes of what was seen.
"""

import numpy as np

import sunpy_superres
from sunpy_superres import metrics
from sunpy_superres.benchmark._scene import FACTOR, about, progress_bar, ratio
from sunpy_superres.instruments import HMI_SCALE, SOLAR_RADIUS, get_instrument

__all__ = ["mark_unknown", "paired_fields", "read_fields"]


def read_fields(folder):
    """
    The fields of prepared arrays, as they were observed: of several of one name, as seen nearer the limb, the first.

    Parameters
    ----------
    folder : path-like
        Written by `~sunpy_superres.training.prepare.prepare` or
        `~sunpy_superres.training.prepare_pairs.prepare_pairs`.

    Yields
    ------
    record : `~sunpy_superres.training.patches.Record`
        What is known of the field.
    field : `numpy.ndarray`
        In gauss, or in intensities of the quiet Sun, float32.
    seen : `numpy.ndarray` or None
        The low-resolution field that was observed at the same time, in the same unit.
    """
    from sunpy_superres.training.arrays import read_index, read_pixels  # NOQA: PLC0415
    from sunpy_superres.training.patches import STEPS, Record  # NOQA: PLC0415

    pixels, names = read_pixels(folder), set()
    for entry in read_index(folder):
        record = Record(**entry)
        if record.name in names and record.seen is None:
            continue
        names.add(record.name)
        step = np.float32(STEPS[record.quantity])

        def cut(offset, shape, step=step):
            return pixels[offset : offset + int(np.prod(shape))].reshape(shape) * step

        seen = None
        if record.seen is not None:
            seen = cut(record.seen, tuple(n // FACTOR for n in record.shape))
        yield record, cut(record.offset, tuple(record.shape)), seen


def paired_fields(
    folder, *, regions=None, method="ldm", instrument="mdi", n_samples=20, seed=0, progress=False, **options
):
    """
    Super-resolve the observed fields of prepared pairs and compare with what HMI saw.

    Parameters
    ----------
    folder : path-like
        Written by `~sunpy_superres.training.prepare_pairs.prepare_pairs`, which registered them.
    regions : iterable of `str`, optional
        Only pairs of these regions; all unless told.
    method, instrument : `str`, optional
        The method to be measured, and whose observations they are.
    n_samples, seed : `int`, optional
        Of the ensemble.
    progress : `bool`, optional
        Show a progress bar.
    **options
        Handed to `sunpy_superres.superresolve`, for example ``model``.

    Returns
    -------
    `dict`
        What was measured and how; ``images``: for each pair ``rmse``, ``correlation``, both of bicubic interpolation
        too, ``rmse_ratio``, ``correlation_gain`` and, of an ensemble, ``spread_skill``; ``figures``: their means, the
        names preceded by ``pairs_``. Fit for `write_json`.

    Raises
    ------
    ValueError
        If there are no pairs, or none of these regions.
    """
    regions = None if regions is None else set(regions)
    pairs = [one for one in read_fields(folder) if one[2] is not None and (not regions or one[0].region in regions)]
    if not pairs:
        msg = f"{folder} holds no pairs" + (f" of {', '.join(sorted(regions))}." if regions else ".")
        raise ValueError(msg)
    gain, images, meta = get_instrument(instrument).to_hmi, [], None
    for record, truth, seen in progress_bar(pairs, show=progress):
        truth, seen = mark_unknown(truth, seen)
        smap = _placed(seen / gain, instrument, record.plane[0])
        result = sunpy_superres.superresolve(smap, method, n_samples, seed=seed, **options)
        plain = sunpy_superres.superresolve(smap, "bicubic", n_samples=1)
        meta, fine, bicubic = result.meta, np.asarray(result.data), np.asarray(plain.data)
        figures = {"rmse": metrics.rmse(fine, truth), "correlation": metrics.pcc(fine, truth)}
        figures |= {"rmse_bicubic": metrics.rmse(bicubic, truth), "correlation_bicubic": metrics.pcc(bicubic, truth)}
        figures["rmse_ratio"] = ratio(figures["rmse"], figures["rmse_bicubic"])
        figures["correlation_gain"] = figures["correlation"] - figures["correlation_bicubic"]
        if result.uncertainty is not None:
            spread = float(np.sqrt(np.nanmean(np.square(result.uncertainty.array, dtype=np.float64))))
            figures["spread_skill"] = ratio(spread, figures["rmse"])
        images.append({"file": record.name, "region": record.region, "shape": list(truth.shape), **figures})
    names = [name for name in images[0] if name not in ("file", "region", "shape")]
    return {
        **about("paired_fields", meta, method=method, instrument=instrument, n_samples=n_samples, seed=seed),
        "images": images,
        "figures": {f"pairs_{name}": float(np.mean([image[name] for image in images])) for name in names},
    }


def mark_unknown(truth, seen):
    """
    A pair with NaN where nothing was seen: pixels that are zero, all of a block and what is below it.

    Parameters
    ----------
    truth, seen : `numpy.ndarray`
        What HMI and the other instrument saw, shapes (4 y, 4 x) and (y, x).

    Returns
    -------
    truth, seen : `numpy.ndarray`
    """
    blocks = truth.reshape(seen.shape[0], FACTOR, seen.shape[1], FACTOR)
    unknown = (seen == 0) & (blocks == 0).all(axis=(1, 3))
    fine = np.kron(unknown, np.ones((FACTOR, FACTOR), dtype=bool))
    return np.where(fine, np.nan, truth), np.where(unknown, np.nan, seen)


def _placed(field, instrument, radius):
    """
    A Map of a field as far from disk center as it was.
    """
    from sunpy_superres.maps import from_array  # NOQA: PLC0415

    place = {"center": (radius * SOLAR_RADIUS, 0), "rsun_obs": SOLAR_RADIUS}
    return from_array(field, scale=FACTOR * HMI_SCALE, instrument=instrument, **place)
