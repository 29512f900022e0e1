"""
Tiles give what the whole field gives, pixel for pixel.
"""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sunpy_superres.inference import Tiles, choose_device, choose_precision, draw
from sunpy_superres.instruments import get_instrument
from sunpy_superres.models import get_method
from sunpy_superres.observations import Observation


@given(rows=st.integers(1, 13), columns=st.integers(1, 13), size=st.integers(1, 14), seed=st.integers(0, 99))
def test_tiles_agree_with_the_whole(rows, columns, size, seed):
    generator = torch.Generator().manual_seed(seed)
    active = torch.rand(rows, columns, generator=generator) < 0.7
    active[0, 0] = True
    coarse = torch.randn(1, 2, rows, columns, generator=generator)
    fine = torch.randn(2, 1, 2 * rows, 2 * columns, generator=generator)
    with torch.no_grad():
        one, two = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(1, 2, 5, padding=2)

        def function(a, b):
            return one(a), two(b).repeat_interleave(2, -1).repeat_interleave(2, -2)

        found = Tiles(active, size).apply(function, coarse, fine, halo=1)
        for result, expected, pixels in zip(found, function(coarse, fine), (1, 4), strict=True):
            window = active.repeat_interleave(pixels, 0).repeat_interleave(pixels, 1)
            np.testing.assert_allclose(result, expected * window, atol=1e-6)


def test_the_sky_costs_nothing():
    active = torch.zeros(40, 40, dtype=torch.bool)
    active[18:22, 19:21] = True
    seen = []

    def function(x):
        seen.append(x.numel())
        return (x,)

    Tiles(active, 20).apply(function, torch.zeros(1, 1, 40, 40), halo=1)
    assert sum(seen) < 100


#: Small networks of the methods that draw; one of them by the sampler that adds noise on its way.
DRAWING = {
    "ldm": {"latent_channels": 16},
    "ldm-noresidual": {"latent_channels": 16},
    "ddpm-residual": {},
    "ddpm": {"solver": "ddpm"},
}


@pytest.fixture(scope="module", params=list(DRAWING))
def model(request):
    torch.manual_seed(0)
    options = {"regression": (16, 2), "widths": (16, 16), "blocks": (1, 1), "steps": 2}
    model = get_method(request.param)(**options, **DRAWING[request.param]).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.abs().max() == 0 and "autoencoder" not in name:
                parameter.normal_(std=0.02)
    return model


@pytest.fixture(scope="module")
def disk():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:131, :150]
    radius = (np.hypot(y - 60, x - 80) / 62).astype(np.float32)
    valid = radius < 1
    field = np.where(valid, rng.normal(0, 400, radius.shape), 0).astype(np.float32)
    return Observation(field, valid, radius, 1.986, get_instrument("mdi"))


def members(model, observation, samples=(0, 1), **options):
    device = torch.device("cpu")
    return np.stack(list(draw(model, observation, list(samples), seed=3, device=device, **options)))


@pytest.mark.parametrize("tile_size", [24, 64, 100])
def test_the_result_does_not_depend_on_the_tiles(model, disk, tile_size):
    whole = members(model, disk, tile_size=1000)
    assert whole.shape == (2, 4 * 131, 4 * 150)
    assert whole.std() > 5
    # Up to the last bit of float32: 1e-4 G is less than that at a kilogauss.
    np.testing.assert_allclose(members(model, disk, tile_size=tile_size), whole, rtol=3e-7, atol=1e-4)


def test_tiles_in_low_precision(model, disk):
    low = copy.deepcopy(model)
    low.lower(torch.bfloat16)
    whole = members(low, disk, tile_size=1000)
    np.testing.assert_allclose(members(low, disk, tile_size=64), whole, rtol=1e-5, atol=0.5)
    # The precision is lower, the numbers are not others.
    assert np.abs(whole - members(model, disk)).std() < 0.05 * whole.std()


def test_a_sample_does_not_depend_on_the_others(model, disk):
    several = members(model, disk, samples=range(5))
    np.testing.assert_allclose(members(model, disk, samples=[3])[0], several[3], rtol=0, atol=1e-3)
    assert np.abs(several[0] - several[1]).max() > 1


@pytest.mark.parametrize("device", ["teapot", "meta", "cuda:99"])
def test_wrong_device(device):
    with pytest.raises(ValueError, match=f"'{device}' cannot be used"):
        choose_device(device)


def test_known_device():
    assert choose_device("cpu") == torch.device("cpu")


def test_precision_of_the_cpu():
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert choose_precision(torch.device("cpu")) == (torch.bfloat16 if native else torch.float32)
