"""
Fine-tuning on few real pairs, tested where it counts: on a region that it has not seen.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from sunpy_superres.benchmark.compare import write_csv
from sunpy_superres.benchmark.paired import paired_fields, read_fields
from sunpy_superres.benchmark.report import write_json

__all__ = ["cross_validate"]

_FIGURES = ("rmse_ratio", "correlation_gain", "spread_skill")


def cross_validate(recipe, data, out, *, instrument="mdi", gap=336.0, n_samples=20, seed=0, device=None, progress=None):
    """
    Train a recipe on the pairs of all regions but one, measure it on the pairs of that one, and so on for each.

    Parameters
    ----------
    recipe : `~sunpy_superres.training.recipe.Recipe`
        What is trained; it says what it starts from.
    data : path-like
        Written by `~sunpy_superres.training.prepare_pairs.prepare_pairs`.
    out : path-like
        Folder for the networks, one a region, for ``cross_validation.json`` and ``cross_validation.csv``. Trainings
        that are found there are gone on from.
    instrument : `str`, optional
        Whose observations they are.
    gap : `float`, optional
        Hours: regions that were seen within so long of the one that is left out are left out as well, since they may
        show the same place on the Sun. Defaults to two weeks.
    n_samples, seed : `int`, optional
        Of the ensembles.
    device : `str`, optional
        See `~sunpy_superres.training.fit.fit`.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    `list` of `dict`
        A row for each region and one for their mean: ``region``, and root-mean-square error over that of bicubic
        interpolation, gain in correlation and, of ensembles, spread over error, before (``_before``) and after.

    Raises
    ------
    ValueError
        If the recipe starts from nothing, there are pairs of fewer than two regions, or all are too near in time.
    """
    from sunpy_superres.training.fit import fit  # NOQA: PLC0415

    if not isinstance(recipe.start, str):
        msg = f"The recipe {recipe.name!r} must start from a whole model, to be compared with it."
        raise ValueError(msg)
    times = {}
    for record, _, seen in read_fields(data):
        if seen is not None:
            times.setdefault(record.region, []).append(record.time)
    if len(times) < 2:
        msg = f"{data} holds pairs of {len(times)} regions; to leave one out takes two at least."
        raise ValueError(msg)
    left_out = {region: _near(region, times, gap) for region in sorted(times)}
    if alone := [region for region, near in left_out.items() if len(near) == len(times)]:
        msg = f"All pairs are within {gap:g} hours of those of {alone[0]}: nothing is left to learn from."
        raise ValueError(msg)
    out = Path(out)
    options = {
        "method": recipe.method,
        "instrument": instrument,
        "n_samples": n_samples,
        "seed": seed,
        "device": device,
    }
    rows, images = [], []
    for number, (region, near) in enumerate(left_out.items()):
        fold = replace(recipe, exclude=(*recipe.exclude, *(f"region:{name}" for name in near)))
        model = fit(fold, data, out / f"without_{number}", device=device, progress=progress or (lambda _: None))
        row = {"region": region}
        for suffix, weights in (("_before", recipe.start), ("", model)):
            found = paired_fields(data, regions=[region], model=weights, **options)
            images.append({"region": region, "model": str(weights), "images": found["images"]})
            row |= {f"{key}{suffix}": found["figures"].get(f"pairs_{key}") for key in _FIGURES}
        rows.append({key: value for key, value in row.items() if value is not None})
        if progress is not None:
            progress(
                f"{region}: " + ", ".join(f"{key} {value:.4g}" for key, value in rows[-1].items() if key != "region")
            )
    keys = [key for key in rows[0] if key != "region"]
    rows.append({"region": "mean"} | {key: float(np.mean([row[key] for row in rows])) for key in keys})
    write_json(
        {"protocol": "cross_validation", "recipe": recipe.name, "rows": rows, "pairs": images},
        out / "cross_validation.json",
    )
    write_csv(rows, out / "cross_validation.csv")
    return rows


def _near(region, times, gap):
    """
    The regions that were seen within so many hours of one, itself among them.
    """
    here = [datetime.fromisoformat(time) for time in times[region] if time]
    near = []
    for name, others in sorted(times.items()):
        there = [datetime.fromisoformat(time) for time in others if time]
        apart = [abs((a - b).total_seconds()) / 3600 for a in here for b in there]
        if name == region or (apart and min(apart) < gap):
            near.append(name)
    return near
