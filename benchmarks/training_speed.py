"""
How fast each recipe trains on this machine, in float32 and in bfloat16: patches (or images) per second.

    python benchmarks/training_speed.py [RECIPE ...]

The data are synthetic. Few patches are drawn for each step that they serve, as in the recipes, but in smaller blocks,
so that every run sees several of them.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from sunpy_superres.degradation import synthetic_magnetogram
from sunpy_superres.inference import choose_device
from sunpy_superres.instruments import get_instrument
from sunpy_superres.models import get_architecture
from sunpy_superres.training import recipe as recipes
from sunpy_superres.training.arrays import write_arrays
from sunpy_superres.training.fit import PRECISIONS, fit
from sunpy_superres.training.images import ImageRecord, write_images
from sunpy_superres.training.patches import STEPS, Record

_BLOCK, _BLOCKS, _SIDE = 4, 4, 768


def _fields(folder, quantity):
    field = synthetic_magnetogram((_SIDE, _SIDE), seed=0)
    if quantity == "continuum":
        field = 1 - np.abs(field) / 4000
    limit = np.iinfo(np.int16).max
    pixels = np.rint(field / STEPS[quantity]).clip(-limit, limit).astype(np.int16)
    write_arrays(folder, pixels.ravel(), [Record("a", "a", 0, pixels.shape, [0.3, 0, 0], quantity).as_dict()])


def _images(folder, model):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (64, model.size, model.size), dtype=np.uint8)
    radius = sum(getattr(model, "radii", (0.8 * model.size / 2,) * 2)) / 2
    middle = (model.size - 1) / 2
    records = [
        ImageRecord(str(i), f"2012-01-01T{i % 24:02}:00:00", i % 5, -7.5 + i % 5, [middle, middle, radius])
        for i in range(64)
    ]
    write_images(folder, images, records, model.scaling)


def speeds(name):
    """
    Patches per second of each stage of a recipe, by precision.
    """
    recipe = recipes.read_recipe(name)
    model = get_architecture(recipe.method)(**recipe.model)
    # What a training begins with does not change its speed.
    stages = {
        key: replace(stage, block=_BLOCK, steps=_BLOCKS * _BLOCK * stage.reuse, picture_every=0)
        for key, stage in recipe.stages.items()
    }
    recipe = replace(recipe, stages=stages, start=None)
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        if model.purpose in ("generate", "describe"):
            _images(scratch / "data", model)
        else:
            _fields(scratch / "data", get_instrument(recipe.jitter.instrument).quantity)
        for precision in PRECISIONS:
            lines = []
            fit(recipe, scratch / "data", scratch / precision, precision=precision, progress=lines.append)
            for line in lines:
                if "patches per second" in line:
                    found.setdefault(line.split(":")[0], {})[precision] = float(line.split()[-4])
    return found


def main(names):
    """
    Print a table.
    """
    folder = Path(recipes.__file__).parent / "recipes"
    names = names or sorted(path.stem for path in folder.glob("*.toml"))
    print(f"On {choose_device()}; patches per second")
    print(f"{'recipe':22}{'stage':14}" + "".join(f"{precision:>10}" for precision in PRECISIONS))
    for name in names:
        for stage, row in speeds(name).items():
            cells = "".join(f"{row[precision]:>10.1f}" for precision in PRECISIONS)
            print(f"{name:22}{stage:14}{cells}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
