"""
Time and memory of one magnetogram, and what tiles change of it.
"""

import time
from dataclasses import replace

import numpy as np

import sunpy_superres
from sunpy_superres import observations
from sunpy_superres.benchmark._scene import about, check_writable, network_of, peak_memory
from sunpy_superres.benchmark.report import write_json
from sunpy_superres.maps import read_map

__all__ = ["run_full_disk"]

#: Largest side of what is computed without tiles.
_WHOLE = 1024


def run_full_disk(
    path, out=None, *, method="ldm", model=None, n_samples=20, seed=0, steps=None, tile_sizes=(128, 512), **options
):
    """
    Measure a method on one magnetogram.

    Parameters
    ----------
    path : path-like
        FITS file, such as a full disk of MDI.
    out : path-like, optional
        Where to write the results as JSON. Its folder must exist.
    method, model, n_samples, seed, steps, **options
        As for `sunpy_superres.superresolve`.
    tile_sizes : `tuple` of `int`, optional
        One sample is computed in one piece and in tiles of each of these sizes, in float32: of the whole map, or of
        the 1024 x 1024 pixels in its middle if it is larger.

    Returns
    -------
    `dict`
        ``figures``: minutes, the most memory that the process had until then (GB), and the largest difference
        between tiles and no tiles (gauss). Fit for `~sunpy_superres.benchmark.write_json`.

    Raises
    ------
    ValueError
        If the file holds no magnetogram.
    FileNotFoundError
        If there is no such file, or no folder to write into.

    Examples
    --------
    >>> from sunpy_superres.benchmark import run_full_disk
    >>> run_full_disk("mdi.fits")["figures"]["full_disk_minutes"]  # doctest: +SKIP
    """
    peak_memory()  # where it cannot be measured that is told now, and not after the work
    check_writable(out)
    options |= {"method": method, "model": model, "n_samples": n_samples, "seed": seed, "steps": steps}
    smap = read_map(path)
    start = time.perf_counter()
    fine = sunpy_superres.superresolve(smap, **options)
    minutes = (time.perf_counter() - start) / 60
    gigabytes = peak_memory()
    results = {
        **about("full_disk", fine.meta, shape=list(smap.data.shape), n_samples=n_samples, seed=seed),
        "figures": {
            "full_disk_minutes": minutes,
            "full_disk_gigabytes": gigabytes,
            "tile_difference": _tile_difference(smap, method, model, seed, steps, tile_sizes),
        },
    }
    if out is not None:
        write_json(results, out)
    return results


def _tile_difference(smap, method, model, seed, steps, tile_sizes):
    import torch  # NOQA: PLC0415

    from sunpy_superres.inference import draw  # NOQA: PLC0415

    device = torch.device("cpu")  # elsewhere convolutions need not add up in the same order
    observation = observations.read(smap)
    starts = [max(0, (side - _WHOLE) // 2) for side in smap.data.shape]
    middle = tuple(slice(start, start + _WHOLE) for start in starts)
    observation = replace(
        observation, **{name: getattr(observation, name)[middle] for name in ("field", "valid", "radius")}
    )
    network = network_of(method, model, observation.instrument.name)
    whole, *tiled = (
        next(draw(network, observation, [0], seed=seed, steps=steps, device=device, tile_size=size))
        for size in (_WHOLE, *tile_sizes)
    )
    valid = observation.valid.repeat(network.factor, axis=0).repeat(network.factor, axis=1)
    return max(float(np.abs(one - whole)[valid].max()) for one in tiled)
