"""
Two steps of two: what each sees, and that tiles do not matter.
"""

import numpy as np
import pytest
import torch

from sunpy_superres.inference import Engine
from sunpy_superres.models import get_method
from sunpy_superres.models.regression import bicubic


def network(trained=True, **arguments):
    torch.manual_seed(0)
    model = get_method("progressive")(**{"widths": (8, 6, 4), "blocks": (2, 1, 1), **arguments})
    if trained:
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval().requires_grad_(False)


def magnetogram(rng, shape):
    field = torch.from_numpy(rng.normal(0, 200, shape))[None, None]
    return field, torch.from_numpy(rng.uniform(0, 1, shape))[None, None]


def test_untrained_it_interpolates(rng):
    field, radius = magnetogram(rng, (9, 12))
    middle, fine = network(trained=False).double().steps_of(field, radius)
    torch.testing.assert_close(middle, bicubic(field, 2))
    torch.testing.assert_close(fine, bicubic(field, 4))


def test_the_second_step_adds_to_the_first(rng):
    model = network().double()
    field, radius = magnetogram(rng, (9, 12))
    torch.nn.init.zeros_(model.second.correction.weight)
    torch.nn.init.zeros_(model.second.correction.bias)
    middle, fine = model.steps_of(field, radius)
    first = torch.nn.functional.interpolate(
        middle - bicubic(field, 2), scale_factor=2, mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(fine, bicubic(field, 4) + first)


@pytest.mark.parametrize("blocks", [(2, 1, 1), (0, 0, 0), (1, 2, 3)])
def test_reach(rng, blocks):
    model = network(blocks=blocks).double()
    field, radius = magnetogram(rng, (41, 41))
    fine = model(field, radius)
    for number in range(2):
        changed = [field.clone(), radius.clone()]
        changed[number][..., 20, 20] += 1
        where = torch.nonzero((model(*changed) - fine)[0, 0]) // 4
        assert 20 - model.reach <= where.min() <= 20 - model.reach + 1
        assert where.max() <= 20 + model.reach


@pytest.mark.parametrize("size", [7, 16, 30])
def test_tiles_do_not_matter(rng, size):
    model = network().double()
    field, radius = magnetogram(rng, (45, 38))
    active = torch.ones(45, 38, dtype=torch.bool)
    options = {"seed": None, "steps": None}
    whole = model(field, radius)[0, 0]
    engine = Engine(torch.device("cpu"), 1, size)
    (tiled,) = model.draw(field, radius, active, [0], engine=engine, **options)
    np.testing.assert_allclose(tiled, whole, atol=1e-9)


def test_lower_precision_loses_little(rng):
    model = network().float()
    field, radius = (tensor.float() for tensor in magnetogram(rng, (16, 16)))
    expected = model(field, radius)
    assert model.lower(torch.bfloat16) == torch.bfloat16
    found = model(field, radius)
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < 0.02 * (expected - bicubic(field, 4)).abs().mean() + 0.01
