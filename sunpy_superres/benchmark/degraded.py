"""
Degraded HMI: the forward operator makes MDI or GONG of HMI magnetograms, the method has to undo it.
"""

from pathlib import Path

import numpy as np

import sunpy_superres
from sunpy_superres import metrics
from sunpy_superres.benchmark._scene import (
    FACTOR,
    about,
    check_complete,
    check_writable,
    crop,
    crop_edge,
    input_map,
    network_of,
    progress_bar,
    ratio,
    read_image,
)
from sunpy_superres.benchmark.report import write_json
from sunpy_superres.instruments import HMI_SCALE

__all__ = ["PERIODS", "degraded_hmi", "run_degraded", "score_ensemble"]

#: Periods, in arcsec, at which the power of a sample is compared with that of the truth.
PERIODS = (8, 4, 2)


def score_ensemble(truth, members, baseline, *, scale=HMI_SCALE, edge=0, antithetic=False):
    """
    Score an ensemble and its mean against the truth and against a baseline.

    Parameters
    ----------
    truth : `numpy.ndarray`
        Shape (y, x), in gauss.
    members : `numpy.ndarray`
        The samples, shape (n, y, x), in gauss. The first one stands for "one sample". One alone is the result of a
        deterministic method: what needs an ensemble is then left out.
    baseline : `numpy.ndarray`
        The deterministic estimate to be compared with, shape (y, x), in gauss.
    scale : `float`, optional
        Pixel scale in arcsec. Defaults to that of HMI.
    edge : `int`, optional
        Pixels left out along every side. Defaults to 0: the edges, where no method knows the surroundings, count too.
    antithetic : `bool`, optional
        Whether members 2k and 2k + 1 are antithetic. The scores that take members for independent draws (CRPS,
        spread-skill, coverage) are then of every second member. Defaults to `False`.

    Returns
    -------
    `dict`
        Figure by name, all `float`. A pixel counts only where it is finite in the truth, the baseline and every
        member. The means of errors are in gauss, the gradient errors in gauss per pixel.

        * ``rmse``, ``mae``, ``gradient_error``: of the ensemble mean; ``rmse_bicubic``, ``gradient_bicubic``: of the
          baseline; ``rmse_ratio``, ``gradient_ratio``: one over the other
        * ``fair_crps``, and ``crps_ratio``: over the mean absolute error of the ensemble mean
        * ``spread_skill``, ``coverage`` and ``nominal_coverage`` (between the smallest and the largest member)
        * ``power_8``, ``power_4``, ``power_2``: power of one sample over that of the truth at periods in arcsec, and
          ``truth_power_8`` and so on: that of the truth, in (gauss arcsec)²
        * ``flux_ratio``: total unsigned flux of one sample over that of the truth

    Raises
    ------
    ValueError
        If the shapes do not fit, several members are fewer than two independent ones, or nothing is left to score.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark import score_ensemble
    >>> draws = np.random.default_rng(0).normal(0, 100, (9, 64, 64))
    >>> figures = score_ensemble(draws[0], draws[1:], np.zeros((64, 64)))
    >>> print(f"{figures['spread_skill']:.1f} {figures['nominal_coverage']:.3f}")
    1.0 0.778
    """
    truth, members, baseline = (np.asarray(a, dtype=np.float32) for a in (truth, members, baseline))
    if members.ndim != 3 or members.shape[1:] != truth.shape or baseline.shape != truth.shape:
        msg = (
            f"Shapes do not fit: truth {truth.shape}, members {members.shape}, baseline {baseline.shape}; "
            "expected (y, x), (n, y, x), (y, x)."
        )
        raise ValueError(msg)
    truth, members, baseline = (crop_edge(a, edge) for a in (truth, members, baseline))
    valid = np.isfinite(truth) & np.isfinite(baseline) & np.isfinite(members).all(axis=0)
    truth = np.where(valid, truth, np.nan)
    sample = np.where(valid, members[0], np.nan)
    mean = members.mean(axis=0, dtype=np.float64)
    independent = members[::2] if antithetic else members

    rmse, rmse_bicubic = metrics.rmse(mean, truth), metrics.rmse(baseline, truth)
    gradient, gradient_bicubic = metrics.gradient_error(mean, truth), metrics.gradient_error(baseline, truth)
    mae = metrics.mae(mean, truth)
    power = metrics.power_ratio(sample, truth, scale, PERIODS)
    true_power = metrics.band_power(truth, scale, PERIODS)
    return {
        "rmse": rmse,
        "rmse_bicubic": rmse_bicubic,
        "rmse_ratio": ratio(rmse, rmse_bicubic),
        "gradient_error": gradient,
        "gradient_bicubic": gradient_bicubic,
        "gradient_ratio": ratio(gradient, gradient_bicubic),
        "mae": mae,
        **(_ensemble_figures(independent, truth, mae) if len(members) > 1 else {}),
        **{f"power_{period:g}": float(value) for period, value in zip(PERIODS, power, strict=True)},
        **{f"truth_power_{period:g}": float(value) for period, value in zip(PERIODS, true_power, strict=True)},
        "flux_ratio": ratio(metrics.unsigned_flux(sample), metrics.unsigned_flux(truth)),
    }


def _ensemble_figures(members, truth, mae):
    crps = metrics.fair_crps(members, truth)
    return {
        "fair_crps": crps,
        "crps_ratio": ratio(crps, mae),
        "spread_skill": metrics.spread_skill_ratio(members, truth),
        "coverage": metrics.coverage(members, truth),
        "nominal_coverage": metrics.nominal_coverage(len(members)),
    }


def degraded_hmi(
    paths,
    *,
    method="ldm",
    n_samples=20,
    seed=0,
    instrument="mdi",
    edge=0,
    progress=False,
    **options,
):
    """
    Degrade HMI magnetograms to MDI or GONG, super-resolve them and compare with the originals.

    Every image is cropped to a multiple of 8 pixels, degraded by `sunpy_superres.degradation.degrade` and turned into
    a Map without a place on the Sun's disk other than its center. The baseline is ``method="bicubic"``.

    Parameters
    ----------
    paths : iterable of path-like, or of `tuple`
        FITS files with an HMI line-of-sight magnetogram as their first image, in gauss, at about 0.5 arcsec per pixel
        (detector or SHARP); or a name and such an image each. NaN is allowed.
    method : `str`, optional
        The method to be measured. Defaults to ``"ldm"``.
    n_samples : `int`, optional
        Members of the ensemble, at least 2, or 3 if they are antithetic; or 1, for the scores of one result alone.
        Defaults to 20.
    seed : `int`, optional
        Seed of the noise of the degradation and of the samples, the same for every image. Defaults to 0.
    instrument : `str`, optional
        Whose magnetograms are made of them: ``"mdi"`` or ``"gong"``; those of GONG on the grid that models take, which
        is four pixels of HMI as well. Defaults to ``"mdi"``.
    edge : `int`, optional
        Pixels of the truth left out along every side. Defaults to 0.
    progress : `bool`, optional
        Whether to show a progress bar. Defaults to `False`.
    **options
        Handed to `sunpy_superres.sample_posterior`, for example ``model`` or ``steps``.

    Returns
    -------
    `dict`
        What was measured and how (``protocol``, ``version``, ``method``, …), ``images`` (the figures of
        `score_ensemble` for every image), ``figures`` (their mean over images; that of a ratio is the mean of the
        ratios, and ``pooled_power_8`` and so on are ratios of the mean spectra) and ``std`` (their standard deviation
        over images). Fit for `write_json`.

    Raises
    ------
    ValueError
        If there are no files or too few samples, or if the method leaves holes.

    Examples
    --------
    >>> from sunpy_superres.benchmark import degraded_hmi, table
    >>> results = degraded_hmi(["hmi.sharp_cea_720s.377.20110215_000000_TAI.magnetogram.fits"])  # doctest: +SKIP
    >>> print(table(results))  # doctest: +SKIP
    """
    from sunpy_superres.degradation import degrade  # NOQA: PLC0415

    paths = list(paths)
    if not paths:
        msg = "No files to measure on."
        raise ValueError(msg)
    network = network_of(method, options.get("model"), instrument)
    least = 3 if network.antithetic else 2  # two of them independent
    if network.stochastic and n_samples != 1 and n_samples < least:
        msg = (
            f"n_samples must be at least {least} to judge an ensemble of {method!r}, or 1 for one result alone, "
            f"got {n_samples!r}."
        )
        raise ValueError(msg)
    images, meta = [], None
    for path in progress_bar(paths, show=progress):
        name, truth = path if isinstance(path, tuple) else (Path(path).name, read_image(path))
        truth = crop(truth, 8)
        seen = degrade(truth, instrument=instrument, seed=seed)
        smap = input_map(seen, instrument)
        cube = sunpy_superres.sample_posterior(smap, method, n_samples, seed=seed, **options)
        members, meta = np.asarray(cube.data), cube.meta
        baseline = np.asarray(sunpy_superres.superresolve(smap, method="bicubic", n_samples=1).data)
        check_complete(members, seen, method)
        check_complete(baseline, seen, "bicubic")
        figures = score_ensemble(truth, members, baseline, edge=edge, antithetic=network.antithetic)
        figures["data_consistency"] = _data_consistency(members[0], truth, seen, instrument, edge)
        figures |= _autoencoder_error(network, truth, edge)
        images.append({"file": name, "shape": list(truth.shape), **figures})

    names = [name for name in images[0] if name not in ("file", "shape")]
    values = {name: [image[name] for image in images] for name in names}
    # The ratio of an image that has next to no power, because it is out of focus, says little: the mean over
    # images is also given as that of the spectra.
    pooled = {
        f"pooled_power_{p:g}": float(np.average(values[f"power_{p:g}"], weights=values[f"truth_power_{p:g}"]))
        for p in PERIODS
    }
    return {
        **about("degraded_hmi", meta, method=method, instrument=instrument, n_samples=n_samples, seed=seed, edge=edge),
        "images": images,
        "figures": {name: float(np.mean(v)) for name, v in values.items()} | pooled,
        "std": {name: float(np.std(v)) for name, v in values.items()},
    }


def _data_consistency(sample, truth, seen, instrument, edge):
    """
    Misfit of a degraded sample to the input, divided by that of the degraded truth, which is the noise.
    """
    from sunpy_superres.degradation import degrade  # NOQA: PLC0415

    cut = -(-edge // FACTOR)
    misfits = [crop_edge(degrade(fine, instrument=instrument, noise=False) - seen, cut) for fine in (sample, truth)]
    return ratio(*(metrics.rmse(misfit, np.zeros_like(misfit)) for misfit in misfits))


def _autoencoder_error(network, truth, edge):
    """
    Error in gauss of encoding and decoding the truth, of a method that has an autoencoder.
    """
    if not hasattr(network, "autoencoder") or not list(network.autoencoder.parameters()):  # pixels lose nothing
        return {}
    import torch  # NOQA: PLC0415

    known = np.where(np.isfinite(truth), truth, np.float32(0))
    with torch.inference_mode():
        again = network.autoencoder(torch.from_numpy(known)[None, None])[0, 0].numpy()
    return {"autoencoder_rmse": metrics.rmse(crop_edge(again, edge), crop_edge(truth, edge))}


def run_degraded(data_dir, out=None, *, split="validation", **options):
    """
    Run `degraded_hmi` on a folder of data.

    Parameters
    ----------
    data_dir : path-like
        Folder with the magnetograms in ``hmi/<split>/*.magnetogram.fits``.
    out : path-like, optional
        Where to write the results as JSON. Its folder must exist.
    split : `str`, optional
        Which part of the data. Defaults to ``"validation"``.
    **options
        Handed to `degraded_hmi`.

    Returns
    -------
    `dict`
        The results of `degraded_hmi`.

    Raises
    ------
    FileNotFoundError
        If there are no such files, or no folder to write into.

    Examples
    --------
    >>> from sunpy_superres.benchmark import run_degraded
    >>> run_degraded("data", "degraded.json", n_samples=8)["figures"]["rmse_ratio"]  # doctest: +SKIP
    """
    check_writable(out)
    paths = sorted((Path(data_dir) / "hmi" / split).glob("*.magnetogram.fits"))
    if not paths:
        msg = f"No hmi/{split}/*.magnetogram.fits in {data_dir}."
        raise FileNotFoundError(msg)
    results = degraded_hmi(paths, **options)
    if out is not None:
        write_json(results, out)
    return results
