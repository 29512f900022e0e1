"""
The whole job on a magnetogram whose truth is known: offline, in under a minute.
"""

import time
from functools import partial
from pathlib import Path

from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.metrics import coverage, gradient_error, nominal_coverage, rmse, spread_skill_ratio

__all__ = ["artist_of", "plot_model", "run_demo"]

_FACTOR = 4


def _scene(shape, seed, instrument="mdi"):
    """
    A synthetic magnetogram of HMI, and the Map of what another instrument would see of it.
    """
    from sunpy_superres import maps  # NOQA: PLC0415

    truth = synthetic_magnetogram(shape, seed=seed)
    seen = degrade(truth, instrument=instrument, seed=seed)
    return truth, maps.from_array(seen, scale=_FACTOR * HMI_SCALE, instrument=instrument)


def plot_model(path, *, method, model, instrument="mdi", seed=0):
    """
    Draw what a model makes of a synthetic magnetogram, beside the truth.

    Parameters
    ----------
    path : `pathlib.Path`
        Where the figure goes.
    method : `str`
        Method of the model.
    model : path-like or `str`
        As for `sunpy_superres.superresolve`.
    instrument : `str`, optional
        Whose magnetogram it is made of. Defaults to ``"mdi"``.
    seed : `int`, optional
        Seed of the magnetogram and of the ensemble.
    """
    import matplotlib.pyplot as plt  # NOQA: PLC0415

    from sunpy_superres import maps, superresolve  # NOQA: PLC0415
    from sunpy_superres.plotting import plot_superresolution, save_figure  # NOQA: PLC0415

    truth, smap = _scene((256, 384), seed, instrument)
    fine = superresolve(smap, method, model=model, seed=seed)
    figure = plot_superresolution(smap, fine, truth=maps.build(smap, truth, _FACTOR))
    save_figure(figure, path)
    plt.close(figure)


def artist_of(folder):
    """
    What draws the figure of a model: its result for a magnetogram of MDI or GONG with a known truth, if it takes such.

    Parameters
    ----------
    folder : path-like
        Folder of the model.

    Returns
    -------
    callable or None
        Takes the path of the figure.
    """
    from sunpy_superres.weights.files import read_config  # NOQA: PLC0415

    config = read_config(folder)
    for instrument in ("mdi", "gong"):
        if instrument in config["instruments"] and config.get("factor", _FACTOR) == _FACTOR:
            return partial(plot_model, method=config["method"], model=folder, instrument=instrument)
    return None


def run_demo(folder, *, n_samples=8, seed=0, progress=False):
    """
    Degrade a synthetic HMI magnetogram to what MDI would see, super-resolve it, and compare with the truth.

    Parameters
    ----------
    folder : path-like
        Where the FITS files and the figure go; made if it is not there. Files of an earlier run are replaced.
    n_samples, seed : `int`, optional
        Size and seed of the ensemble; 3 or more, so that two are independent.
    progress : `bool`, optional
        Show a progress bar.

    Returns
    -------
    `dict`
        Paths of the files, and how good the result is.
    """
    import matplotlib.pyplot as plt  # NOQA: PLC0415

    from sunpy_superres import maps, sample_posterior, superresolve  # NOQA: PLC0415
    from sunpy_superres.plotting import plot_superresolution, save_figure  # NOQA: PLC0415

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    truth, mdi = _scene((512, 768), seed)
    true_map = maps.build(mdi, truth, _FACTOR)
    start = time.perf_counter()
    fine = superresolve(mdi, n_samples=n_samples, seed=seed, progress=progress)
    seconds = time.perf_counter() - start
    # The members of the same seed are those behind the mean; here they are few and small.
    # Every second one is independent of the others.
    members = sample_posterior(mdi, n_samples=n_samples, seed=seed).data
    bicubic = superresolve(mdi, method="bicubic", n_samples=1)
    sample = maps.build(mdi, members[0], _FACTOR)

    paths = {"input": folder / "demo_mdi.fits", "result": folder / "demo_superres.fits"}
    maps.write_map(mdi, paths["input"], overwrite=True)
    maps.write_map(fine, paths["result"], overwrite=True)
    figure = plot_superresolution(mdi, fine, sample=sample, truth=true_map)
    paths["figure"] = folder / "demo_superres.png"
    save_figure(figure, paths["figure"])
    plt.close(figure)
    scores = {
        "seconds": seconds,
        "rmse_bicubic": float(rmse(bicubic.data, truth)),
        "rmse": float(rmse(fine.data, truth)),
        "gradient_bicubic": float(gradient_error(bicubic.data, truth)),
        "gradient": float(gradient_error(fine.data, truth)),
        "spread_skill": float(spread_skill_ratio(members[::2], truth)),
        "coverage": float(coverage(members[::2], truth)),
        "nominal_coverage": float(nominal_coverage(len(members[::2]))),
    }
    return {"paths": paths, "scores": scores, "n_samples": n_samples}
