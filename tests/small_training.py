"""
A training that takes seconds: its recipe, and data for it.
"""

import numpy as np

from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.instruments import get_instrument
from sunpy_superres.training.arrays import write_arrays
from sunpy_superres.training.patches import Record

RECIPE = """
name = "small"
method = "ldm"
instruments = ["mdi"]
seed = 3

[model]
latent_channels = 8
regression = [8, 1]
widths = [8, 8]
blocks = [1, 1]
steps = 2

[stages.autoencoder]
steps = 4
batch = 2
size = 64
block = 2
picture_every = 0

[stages.regression]
steps = 40
batch = 4
size = 64
block = 4
validate_every = 5
warmup = 5
picture_every = 0

[stages.flow]
steps = 4
batch = 2
size = 64
block = 2
picture_every = 2
"""


def _steps(field):
    return np.rint(field * 10).clip(-32767, 32767).astype(np.int16).ravel()


def write_fields(folder, seeds=range(3), side=160):
    """
    Prepared arrays of synthetic fields.
    """
    fields = [synthetic_magnetogram((side, side), seed=seed) for seed in seeds]
    records = [
        Record(f"{seed}.fits", str(seed), i * side**2, (side, side), [0.3, 0.0, 1e-3]).as_dict()
        for i, seed in enumerate(seeds)
    ]
    write_arrays(folder, np.concatenate([_steps(field) for field in fields]), records)
    return folder


def write_pairs(folder, shape=(160, 192), gain=1.5):
    """
    Prepared pairs of two regions, whose low-resolution fields are too strong by a factor.
    """
    pieces, records, offset = [], [], 0
    for seed in range(2):
        truth = synthetic_magnetogram(shape, seed=seed)
        seen = gain * get_instrument("mdi").to_hmi * degrade(truth, seed=seed)
        place = {"offset": offset, "seen": offset + truth.size}
        record = Record(name=f"{seed}_hmi.fits", region=str(seed), shape=truth.shape, plane=[0.2, 0.0, 0.0], **place)
        records.append(record.as_dict())
        pieces += [_steps(truth), _steps(seen)]
        offset += truth.size + seen.size
    write_arrays(folder, np.concatenate(pieces), records)
    return folder
