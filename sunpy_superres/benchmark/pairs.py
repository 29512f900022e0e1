"""
Real pairs: what MDI saw, super-resolved and held against what HMI saw at the same time.
"""

from pathlib import Path

import numpy as np

import sunpy_superres
from sunpy_superres import metrics, registration
from sunpy_superres.benchmark._scene import (
    FACTOR,
    about,
    check_complete,
    check_writable,
    crop,
    crop_edge,
    input_map,
    progress_bar,
    read_image,
)
from sunpy_superres.benchmark.report import write_json

__all__ = ["real_pairs", "run_pairs"]


def real_pairs(
    folder,
    *,
    method="ldm",
    n_samples=20,
    seed=0,
    precision=0.5,
    max_shift=8,
    edge=8,
    progress=False,
    **options,
):
    """
    Super-resolve the MDI magnetograms of real pairs and compare with HMI.

    The MDI images were interpolated onto the HMI grid; the mean over blocks of 4 by 4 pixels gives back MDI's own
    pixels, which are the input. The ensemble mean and the baseline (``method="bicubic"``) are each registered against
    HMI, then scored on the same pixels.

    Parameters
    ----------
    folder : path-like
        Folder with pairs of FITS files ``<name>_mdi.fits`` and ``<name>_hmi.fits``, in the gauss of each instrument,
        both on the grid of HMI.
    method : `str`, optional
        The method to be measured. Defaults to ``"ldm"``.
    n_samples : `int`, optional
        Samples the mean is taken over. Defaults to 20.
    seed : `int`, optional
        Seed of the samples. Defaults to 0.
    precision, max_shift : `float`, `int`, optional
        Of the registration, in pixels of HMI, see `~sunpy_superres.registration.estimate_shift`.
        Default to 0.5 and 8.
    edge : `int`, optional
        Pixels left out along every side, besides those that the shifts empty. Defaults to 8.
    progress : `bool`, optional
        Whether to show a progress bar. Defaults to `False`.
    **options
        Handed to `sunpy_superres.superresolve`, for example ``model`` or ``steps``.

    Returns
    -------
    `dict`
        What was measured and how, ``images`` (for each pair ``correlation``, ``rmse`` and ``mae`` in gauss, ``slope``
        against HMI and ``shift`` (y, x) in pixels; the same for the baseline with ``_bicubic`` added;
        ``correlation_gain``, ``rmse_ratio`` and, of an ensemble, ``spread_skill``) and ``figures``
        (``pair_correlation_gain``, ``pair_rmse_ratio`` and ``pair_spread_skill``, each of the worst pair). Fit for
        `write_json`.

    Raises
    ------
    FileNotFoundError
        If there are no pairs, or one of a pair is missing.
    ValueError
        If the images of a pair differ in shape, or the method leaves holes.

    Examples
    --------
    >>> from sunpy_superres.benchmark import real_pairs
    >>> real_pairs("data/pairs")["figures"]["pair_correlation_gain"]  # doctest: +SKIP
    """
    folder = Path(folder)
    names = sorted(path.name.removesuffix("_mdi.fits") for path in folder.glob("*_mdi.fits"))
    if not names:
        msg = f"No pairs *_mdi.fits, *_hmi.fits in {folder}."
        raise FileNotFoundError(msg)
    images, meta = [], None
    for name in progress_bar(names, show=progress):
        mdi = crop(read_image(folder / f"{name}_mdi.fits"), FACTOR)
        hmi = crop(read_image(folder / f"{name}_hmi.fits"), FACTOR)
        if mdi.shape != hmi.shape:
            msg = f"The images of pair {name} have shapes {mdi.shape} and {hmi.shape}; they must be equal."
            raise ValueError(msg)
        seen = _block_mean(mdi)
        smap = input_map(seen)
        result = sunpy_superres.superresolve(smap, method=method, n_samples=n_samples, seed=seed, **options)
        meta = result.meta
        outputs = {
            "": np.asarray(result.data),
            "_bicubic": np.asarray(sunpy_superres.superresolve(smap, method="bicubic", n_samples=1).data),
        }
        for suffix, output in outputs.items():
            check_complete(output, seen, "bicubic" if suffix else method)
        figures = _score(hmi, outputs, edge, precision=precision, max_shift=max_shift)
        if result.uncertainty is not None:
            moved = registration.shift(np.asarray(result.uncertainty.array), figures["shift"])
            figures["spread_skill"] = metrics.rmse(crop_edge(moved, edge), np.zeros_like(crop_edge(moved, edge)))
            figures["spread_skill"] /= figures["rmse"]
        images.append({"file": name, "shape": list(hmi.shape), **figures})

    settings = {"n_samples": n_samples, "seed": seed, "precision": precision, "max_shift": max_shift, "edge": edge}
    return {
        **about("real_pairs", meta, method=method, **settings),
        "images": images,
        "figures": {
            "pair_correlation_gain": float(np.min([image["correlation_gain"] for image in images])),
            "pair_rmse_ratio": float(np.max([image["rmse_ratio"] for image in images])),
            **_worst_spread(images),
        },
    }


def _worst_spread(images):
    """
    The spread-skill ratio that is furthest from 1, of an ensemble.
    """
    found = [image["spread_skill"] for image in images if "spread_skill" in image]
    return {"pair_spread_skill": float(max(found, key=lambda value: abs(np.log(value))))} if found else {}


def run_pairs(data_dir, out=None, **options):
    """
    Run `real_pairs` on a folder of data.

    Parameters
    ----------
    data_dir : path-like
        Folder with the pairs in ``pairs``.
    out : path-like, optional
        Where to write the results as JSON. Its folder must exist.
    **options
        Handed to `real_pairs`.

    Returns
    -------
    `dict`
        The results of `real_pairs`.

    Raises
    ------
    FileNotFoundError
        If there are no pairs, or no folder to write into.

    Examples
    --------
    >>> from sunpy_superres.benchmark import run_pairs
    >>> run_pairs("data", "pairs.json")["figures"]["pair_rmse_ratio"]  # doctest: +SKIP
    """
    check_writable(out)
    results = real_pairs(Path(data_dir) / "pairs", **options)
    if out is not None:
        write_json(results, out)
    return results


def _score(hmi, outputs, edge, **registering):
    shifts = {suffix: registration.estimate_shift(hmi, output, **registering) for suffix, output in outputs.items()}
    moved = {s: crop_edge(registration.shift(output, shifts[s]), edge) for s, output in outputs.items()}
    hmi = crop_edge(hmi, edge)
    # Two methods are compared on the same pixels only.
    valid = np.isfinite(hmi) & np.logical_and.reduce([np.isfinite(output) for output in moved.values()])
    hmi = np.where(valid, hmi, np.nan)
    figures = {}
    for suffix, output in moved.items():
        figures[f"correlation{suffix}"] = metrics.pcc(output, hmi)
        figures[f"rmse{suffix}"] = metrics.rmse(output, hmi)
        figures[f"mae{suffix}"] = metrics.mae(output, hmi)
        figures[f"slope{suffix}"] = metrics.slope(output, hmi)
        figures[f"shift{suffix}"] = list(shifts[suffix])
    figures["correlation_gain"] = figures["correlation"] - figures["correlation_bicubic"]
    figures["rmse_ratio"] = figures["rmse"] / figures["rmse_bicubic"] if figures["rmse_bicubic"] else float("nan")
    return figures


def _block_mean(image):
    ny, nx = (size // FACTOR for size in image.shape)
    return image.reshape(ny, FACTOR, nx, FACTOR).mean(axis=(1, 3), dtype=np.float64).astype(np.float32)
