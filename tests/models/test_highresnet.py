"""
HighRes-net computes what the paper says, in tiles as in one piece.
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
    torch.manual_seed(3)
    model = get_method("highresnet")(**arguments).eval().requires_grad_(False)
    # A slope of its own for every layer: exchanged ones would not show otherwise.
    for i, (name, value) in enumerate(model.named_parameters()):
        if "activation" in name:
            value.fill_(0.1 + 0.01 * i)
    return model


def magnetogram(rng, shape):
    field = rng.normal(0, 400, shape).astype(np.float32)
    radius = rng.uniform(0, 1, shape).astype(np.float32)
    return field, radius


def drawn(model, field, radius, tile_size=None, active=None):
    active = torch.ones(field.shape, dtype=torch.bool) if active is None else active
    engine = Engine(torch.device("cpu"), model.cell, tile_size)
    field, radius = (torch.from_numpy(array)[None, None] for array in (field, radius))
    return next(model.draw(field, radius, active, [0], seed=0, steps=None, engine=engine)).numpy()


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_number_of_parameters(factor):
    model = get_method("highresnet")(factor=factor)
    assert sum(p.numel() for p in model.parameters()) == 222_855
    assert model.factor == factor


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("shape", [(12, 9), (2, 2), (1, 5), (4, 1), (1, 1)])
def test_the_same_as_in_numpy(factor, shape, rng):
    model = network(factor=factor, width=7, input_gain=1.5)
    weights = {reference.HIGHRESNET_NAMES[name]: value.numpy() for name, value in model.state_dict().items()}
    field, radius = magnetogram(rng, shape)
    expected = reference.highresnet(1.5 * field, radius, weights, factor)
    np.testing.assert_allclose(drawn(model, field, radius), expected, rtol=1e-5, atol=2e-3)


@pytest.mark.parametrize("shape", [(40, 53), (9, 33), (1, 20)])
def test_tiles_do_not_matter(shape, rng):
    model = network(width=16)
    field, radius = magnetogram(rng, shape)
    whole = drawn(model, field, radius)
    exact = drawn(model.double(), field.astype(float), radius.astype(float))
    assert np.ptp(whole) > 50
    for size in (5, 16, 32):
        again = drawn(model.double(), field.astype(float), radius.astype(float), size)
        np.testing.assert_allclose(again, exact, rtol=0, atol=1e-9)
        # In float32 no more than the order in which products are summed: a few bits of the unit.
        again = drawn(model.float(), field, radius, size)
        np.testing.assert_allclose(again, whole, rtol=0, atol=3e-7 * model.unit)


def test_only_active_cells_are_computed(rng):
    model = network(width=4)
    field, radius = magnetogram(rng, (20, 24))
    active = torch.zeros(20, 24, dtype=torch.bool)
    active[6:11, 3:17] = True
    wanted = active.numpy().repeat(4, 0).repeat(4, 1)
    expected = np.where(wanted, drawn(model, field, radius), 0)
    np.testing.assert_allclose(drawn(model, field, radius, active=active), expected, atol=1e-4)


@pytest.mark.parametrize(("factor", "blocks"), [(1, 2), (2, 2), (4, 2), (4, 1), (3, 0)])
def test_reach(factor, blocks, rng):
    model = network(factor=factor, blocks=blocks, width=8).double()
    field, radius = (torch.from_numpy(array)[None, None].double() for array in magnetogram(rng, (25, 25)))
    fine = model(field, radius)
    for number in range(2):
        changed = [field.clone(), radius.clone()]
        changed[number][..., 12, 12] += 0.5
        where = torch.nonzero((model(*changed) - fine)[0, 0]) // factor
        assert (where.min(), where.max()) == (12 - model.reach, 12 + model.reach)


def test_dropout_is_for_training_only(rng):
    field, radius = magnetogram(rng, (8, 8))
    with_dropout = network(width=4, dropout=0.5)
    np.testing.assert_array_equal(drawn(with_dropout, field, radius), drawn(network(width=4), field, radius))


def ensemble(model, field, radius, samples, seed=0, tile_size=None):
    engine = Engine(torch.device("cpu"), model.cell, tile_size)
    active = torch.ones(field.shape, dtype=torch.bool)
    field, radius = (torch.from_numpy(array)[None, None] for array in (field, radius))
    draws = model.draw(field, radius, active, samples, seed=seed, steps=None, engine=engine)
    return np.stack([draw.numpy() for draw in draws])


def test_without_dropout_there_is_one_result(rng):
    model = network(width=4)
    assert not model.stochastic
    one, other = ensemble(model, *magnetogram(rng, (6, 6)), [0, 1])
    np.testing.assert_array_equal(one, other)


def test_monte_carlo_dropout(rng):
    model = network(width=32, dropout=0.2)
    assert model.stochastic
    field, radius = magnetogram(rng, (11, 14))
    members = ensemble(model, field, radius, range(40))
    assert (members.std(axis=0) > 0).all()
    # A draw is the same whatever else is drawn, and in whatever tiles.
    np.testing.assert_array_equal(ensemble(model, field, radius, range(2)), members[:2])
    np.testing.assert_allclose(ensemble(model, field, radius, [0, 5], tile_size=4), members[[0, 5]], atol=1e-3)
    assert not np.allclose(ensemble(model, field, radius, range(2), seed=1), members[:2])
    # Around the result of the whole network, which is what one sample alone gives.
    whole = drawn(model, field, radius)
    assert np.abs(members.mean(axis=0) - whole).mean() < 0.5 * members.std(axis=0).mean()


def test_dropout_keeps_the_scale():
    model = network(width=64, dropout=0.25)
    kept = torch.cat([model.kept(0, sample) for sample in range(20)])
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean() == pytest.approx(1, abs=0.03)


def test_lower_precision_loses_little(rng):
    field, radius = magnetogram(rng, (16, 16))
    model = network(width=32)
    expected = drawn(model, field, radius)
    assert model.lower(torch.bfloat16) == torch.bfloat16
    found = drawn(model, field, radius)
    assert found.dtype == np.float32
    assert np.abs(found - expected).mean() < 0.01 * expected.std()


@pytest.mark.parametrize("factor", [2, 4])
def test_from_map_to_map(factor, bipole, tmp_path):
    from sunpy_superres.maps import from_array

    scale = factor * HMI_SCALE
    arguments = {"factor": factor, "width": 6, "input_gain": 1 / 0.701}
    model = network(**arguments)
    save_model(model, tmp_path / "model", arguments=arguments, instruments=["mdi"], scale=scale)
    field = bipole.copy()
    field[:5, :7] = np.nan
    smap = from_array(field, scale=scale, instrument="mdi", center=(150, -220))
    fine = superresolve(smap, "highresnet", model=tmp_path / "model")
    assert fine.data.shape == tuple(factor * side for side in field.shape)
    assert fine.uncertainty is None
    assert fine.meta["srfactor"] == factor
    np.testing.assert_allclose(u.Quantity(fine.scale).to_value(u.arcsec / u.pix), HMI_SCALE, rtol=1e-6)
    # Pixel p of the input is the middle of fine pixels factor * p ... factor * p + factor - 1.
    middle = factor * np.array([20, 30]) + (factor - 1) / 2
    assert smap.wcs.pixel_to_world(20, 30).separation(fine.wcs.pixel_to_world(*middle)) < 1e-6 * u.arcsec
    np.testing.assert_array_equal(np.isnan(fine.data), np.isnan(field).repeat(factor, 0).repeat(factor, 1))
    # The network takes the gauss of MDI again.
    from sunpy_superres.observations import read

    weights = {reference.HIGHRESNET_NAMES[name]: value.numpy() for name, value in model.state_dict().items()}
    expected = reference.highresnet(np.nan_to_num(field), read(smap).radius, weights, factor)
    valid = np.isfinite(fine.data)
    np.testing.assert_allclose(fine.data[valid], expected[valid], rtol=5e-3, atol=1)
