"""
From an observation and a model to an ensemble: its moments in constant memory, or its members.
"""

from collections import namedtuple

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F
from tqdm import tqdm

from sunpy_superres.inference.engine import Engine
from sunpy_superres.models.blocks import tame
from sunpy_superres.models.regression import bicubic

__all__ = ["Ensemble", "check_noise", "draw", "moments"]

#: Pixels that tell the noise.
_ENOUGH = 100
#: Second difference along both axes: next to nothing of a blurred image is left, and all of its noise.
_KERNEL = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])

#: Mean and standard deviation (`None` for fewer than two samples), arrays (y, x) in HMI gauss.
Ensemble = namedtuple("Ensemble", ["mean", "std"])


def _padded(array, cell, mode):
    """
    Array as a tensor (1, 1, y, x), continued to whole cells.
    """
    rows, columns = array.shape
    pad = ((0, -rows % cell), (0, -columns % cell))
    return torch.from_numpy(np.ascontiguousarray(np.pad(array, pad, mode=mode)))[None, None]


def check_noise(model, observation):
    """
    Refuse an observation that is noisier than anything a model can deal with: it would answer anything.

    The noise is taken from the quarter of the map with the smallest second differences; structure of the Sun is
    elsewhere.

    Parameters
    ----------
    model : `~sunpy_superres.models.SuperResolver`
        The model.
    observation : `~sunpy_superres.observations.Observation`
        What was observed.

    Raises
    ------
    ValueError
        If its noise is above the model's `noise_limit`.
    """
    if model.noise_limit is None or min(observation.field.shape) < _KERNEL.shape[0]:
        return
    # Where the instrument is far from it, what is found in a map full of field would be the field.
    if 3 * observation.instrument.noise * observation.instrument.to_hmi < model.noise_limit:
        return
    difference = np.abs(ndimage.convolve(observation.calibrated, _KERNEL))
    found = difference[ndimage.binary_erosion(observation.valid, np.ones(_KERNEL.shape))]
    if found.size < _ENOUGH:
        return
    # The kernel multiplies white noise by 6, and a quarter of a normal law lies within 0.319 sigma.
    noise = float(np.quantile(found, 0.25)) / 6 / 0.3186
    if noise > model.noise_limit:
        factor = observation.instrument.to_hmi
        msg = (
            f"The noise of the map is about {noise / factor:.0f} G, and the model bears up to "
            f"{model.noise_limit / factor:.0f} G of {observation.instrument.title}. Average several magnetograms first."
        )
        raise ValueError(msg)


def _tell(count, limit):
    from sunpy import log  # NOQA: PLC0415  training imports this module on machines without sunpy

    log.warning(
        f"{count} {'pixel is' if count == 1 else 'pixels are'} stronger than {limit:g} G (of HMI), or than what the "
        "neighbors allow, as where a cosmic ray hit: what is beyond that is interpolated, and not in the "
        "uncertainty."
    )


@torch.inference_mode()
def draw(model, observation, samples, *, seed, steps=None, device, tile_size=None, progress=False):
    """
    Draw samples of an observation one after the other.

    Parameters
    ----------
    model : `~sunpy_superres.models.SuperResolver`
        The model, on the device.
    observation : `~sunpy_superres.observations.Observation`
        What was observed.
    samples : sequence of `int`
        Numbers of the samples.
    seed : `int`
        Seed of the ensemble.
    steps : `int`, optional
        Steps of the sampler; the model's own unless told.
    device : `torch.device`
        Where the model is.
    tile_size : `int`, optional
        See `~sunpy_superres.inference.engine.Engine`.
    progress : `bool`, optional
        Show a progress bar.

    Yields
    ------
    `numpy.ndarray`
        Shape (factor * y, factor * x), float32, HMI gauss.
    """
    engine = Engine(device, model.cell, tile_size or model.tile_size)
    field = _padded(observation.calibrated, model.cell, "edge")
    radius = _padded(np.clip(observation.radius, 0, 1), model.cell, "edge")
    valid = _padded(observation.valid.astype(np.float32), model.cell, "constant")
    active = F.max_pool2d(valid, model.cell)[0, 0] > 0
    rows, columns = (n * model.factor for n in observation.field.shape)
    beyond = None
    if model.limit is not None:
        tamed = tame(field, model.limit)
        if count := int((tamed != field).sum()):
            _tell(count, model.limit)
            beyond = bicubic(field - tamed, model.factor)[0, 0]
        field = tamed
    with tqdm(total=len(samples), unit="sample", disable=not progress) as bar:
        for fine in model.draw(
            field.to(device), radius.to(device), active, samples, seed=seed, steps=steps, engine=engine
        ):
            if beyond is not None:
                fine = fine + beyond.to(fine.device)
            yield fine[:rows, :columns].cpu().numpy()
            bar.update()


def moments(members, *, antithetic=False):
    """
    Mean and standard deviation of samples that come one at a time (Welford's recurrence).

    Parameters
    ----------
    members : iterable of `numpy.ndarray`
        The samples; none is kept.
    antithetic : `bool`, optional
        Whether samples 2k and 2k + 1 are antithetic. Defaults to `False`.

    Returns
    -------
    `Ensemble`
        The standard deviation is without bias of the number of samples n: the sum of squares is divided by n - 1 for
        independent samples, and by n (n - 1/n if it is odd) for antithetic ones, whose mean has no error of its own.
    """
    mean = spread = None
    count = 0
    for member in members:
        count += 1
        if mean is None:
            mean, spread = member.astype(np.float32, copy=True), np.zeros_like(member, dtype=np.float32)
            continue
        change = member - mean
        mean += change / np.float32(count)
        change *= member - mean
        spread += change
    if count < 2:
        return Ensemble(mean, None)
    spread /= np.float32(count - (count % 2) / count if antithetic else count - 1)
    return Ensemble(mean, np.sqrt(spread, out=spread))
