"""
Enhance computes what the paper says, in tiles as in one piece.
"""

import numpy as np
import pytest
import torch
from models import reference

import astropy.units as u

from sunpy_superres import superresolve
from sunpy_superres.inference import Engine
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.models import get_method
from sunpy_superres.weights.files import save_model


def network(**arguments):
    torch.manual_seed(4)
    model = get_method("enhance")(**arguments).eval().requires_grad_(False)
    # Normalization that does something, in places with a variance that the constant beside it is not small to.
    for name, value in model.state_dict().items():
        if "running_var" in name:
            value.uniform_(1e-3, 1.5)
        elif "norm" in name and "tracked" not in name:
            value.add_(0.2 * torch.randn(value.shape))
    return model


def keras(model):
    """
    The weights of a model as Keras has them.
    """
    kinds = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    weights = {}
    for ours, theirs in reference.ENHANCE_LAYERS.items():
        layer = {name: value.numpy() for name, value in model.get_submodule(ours).state_dict().items()}
        if "norm" in ours:
            weights[theirs] = {theirs_: layer[ours_] for ours_, theirs_ in kinds.items()}
        else:
            weights[theirs] = {"kernel": layer["weight"].transpose(2, 3, 1, 0), "bias": layer["bias"]}
    return weights


def drawn(model, field, tile_size=None):
    active = torch.ones(field.shape, dtype=torch.bool)
    engine = Engine(torch.device("cpu"), model.cell, tile_size)
    field = torch.from_numpy(field)[None, None]
    return next(model.draw(field, torch.zeros_like(field), active, [0], seed=0, steps=None, engine=engine)).numpy()


def test_number_of_parameters():
    model = get_method("enhance")()
    assert sum(p.numel() for p in model.parameters()) == 445_249
    assert sum(v.numel() for name, v in model.state_dict().items() if "tracked" not in name) == 446_657
    assert model.factor == 2
    assert not model.stochastic


@pytest.mark.parametrize("shape", [(10, 7), (2, 2), (1, 5), (4, 1), (1, 1)])
def test_the_same_as_in_numpy(shape, rng):
    model = network(width=6)
    field = rng.normal(0, 400, shape).astype(np.float32)
    expected = 1000 * reference.enhance(field / 1000, keras(model))
    np.testing.assert_allclose(drawn(model, field), expected, rtol=1e-4, atol=1e-2)


def test_unit(rng):
    image = rng.uniform(0.1, 1.2, (8, 8)).astype(np.float32)
    model = network(width=6, unit=1.0)
    np.testing.assert_allclose(drawn(model, image), reference.enhance(image, keras(model)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 53), (9, 33), (1, 20)])
def test_tiles_do_not_matter(shape, rng):
    model = network(width=16)
    field = rng.normal(0, 400, shape).astype(np.float32)
    whole = drawn(model, field)
    exact = drawn(model.double(), field.astype(float))
    assert np.ptp(whole) > 20
    for size in (7, 16, 32):
        np.testing.assert_allclose(drawn(model.double(), field.astype(float), size), exact, rtol=0, atol=1e-9)
        # In float32 no more than the order in which products are summed: a few bits of the unit.
        np.testing.assert_allclose(drawn(model.float(), field, size), whole, rtol=0, atol=3e-6 * model.unit)


@pytest.mark.parametrize("blocks", [5, 1, 0])
def test_reach(blocks, rng):
    model = network(blocks=blocks, width=8).double()
    field = torch.from_numpy(rng.normal(0, 400, (31, 31)))[None, None]
    changed = field.clone()
    changed[..., 15, 15] += 500
    where = torch.nonzero((model(changed) - model(field))[0, 0]) // 2
    assert (where.min(), where.max()) == (15 - model.reach, 15 + model.reach)


def test_from_map_to_map(bipole, tmp_path):
    from sunpy_superres.maps import from_array

    model = network(width=6)
    save_model(model, tmp_path / "model", arguments={"width": 6}, instruments=["hmi"], scale=HMI_SCALE)
    field = bipole[:20, :31].copy()
    field[:5, :7] = np.nan
    smap = from_array(field, scale=HMI_SCALE, instrument="hmi", center=(-40, 100))
    fine = superresolve(smap, "enhance", model=tmp_path / "model")
    assert fine.data.shape == (40, 62)
    assert fine.uncertainty is None
    assert (fine.meta["srmethod"], fine.meta["srfactor"]) == ("enhance", 2)
    np.testing.assert_allclose(u.Quantity(fine.scale).to_value(u.arcsec / u.pix), HMI_SCALE / 2, rtol=1e-6)
    # Pixel p of the input is the middle of fine pixels 2p and 2p + 1.
    assert smap.wcs.pixel_to_world(9, 4).separation(fine.wcs.pixel_to_world(18.5, 8.5)) < 1e-6 * u.arcsec
    np.testing.assert_array_equal(np.isnan(fine.data), np.isnan(field).repeat(2, 0).repeat(2, 1))
    expected = 1000 * reference.enhance(np.nan_to_num(field) / 1000, keras(model))
    valid = np.isfinite(fine.data)
    np.testing.assert_allclose(fine.data[valid], expected[valid], rtol=5e-3, atol=0.02 * np.abs(expected[valid]).max())
