"""
The generator: what it is conditioned on, and how it is sampled.
"""

import math

import numpy as np
import pytest
import torch

from sunpy_superres.models import ARCHITECTURES, METHODS, get_architecture, register_architecture
from sunpy_superres.models.class_diffusion import ClassDiffusion
from sunpy_superres.weights.files import load_model


@pytest.fixture(scope="module")
def network(tiny_generator):
    return load_model(tiny_generator)


def draw(network, samples=(0,), label=3, flux=math.nan, radius=27.0, seed=5, **options):
    return torch.stack(list(network.draw(label, flux, radius, samples, seed=seed, **options)))


def test_it_is_no_method_of_superresolve():
    assert "class-diffusion" in ARCHITECTURES
    assert "class-diffusion" not in METHODS
    assert get_architecture("class-diffusion") is ClassDiffusion
    with pytest.raises(ValueError, match="registered twice"):
        register_architecture("ldm")(object)


def test_encoding_loses_nothing():
    model = ClassDiffusion(size=64, widths=(8, 16), embedding=16)
    images = torch.rand(2, 1, 64, 64)
    x = model.encode(images)
    assert x.shape == (2, 4, 32, 32)
    torch.testing.assert_close(model.decode(x), images)


def test_images_are_images(network):
    found = draw(network, range(3))
    assert found.shape == (3, 64, 64)
    assert found.dtype == torch.float32
    assert (found.min(), found.max()) >= (torch.tensor(0.0), torch.tensor(0.0))
    assert found.max() <= 1
    assert not torch.equal(found[0], found[1])


def test_a_draw_depends_on_its_seed_and_number_alone(network):
    several = draw(network, range(4))
    assert torch.equal(several, draw(network, range(4)))
    assert torch.equal(several[2:], draw(network, [2, 3]))
    assert torch.equal(several[[1]], draw(network, [1]))
    assert not torch.equal(several[0], draw(network, seed=6)[0])


@pytest.mark.parametrize("change", [{"label": 0}, {"flux": -4.0}, {"radius": 26.0}, {"guidance": 3.0}, {"steps": 5}])
def test_every_condition_counts(network, change):
    assert not torch.equal(draw(network), draw(network, **change))


def test_guidance_of_one_is_no_guidance_and_zero_forgets_the_class(network, monkeypatch):
    noise = ClassDiffusion.noise
    # The same noise for all classes, which the draws of a user do not have.
    monkeypatch.setattr(network, "noise", lambda shape, seed, key, device: noise(shape, seed, key[:1], device))
    torch.testing.assert_close(draw(network, guidance=1.0), draw(network, guidance=1.0 + 1e-6), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        draw(network, guidance=0.0, label=0, flux=-7.0), draw(network, guidance=0.0, label=4), atol=1e-4, rtol=0
    )
    # Nothing asked for: the same again.
    torch.testing.assert_close(draw(network, guidance=0.0), draw(network, label=5, guidance=1.0), atol=1e-4, rtol=0)


def test_coordinates_are_in_solar_radii_from_disk_center():
    model = ClassDiffusion(size=64, widths=(8, 16), embedding=16)
    x, y, limb = model.coordinates(torch.tensor([[31.5, 31.5, 20.0]]))[0]
    places = (np.arange(32) * 2 + 0.5 - 31.5) / 20
    np.testing.assert_allclose(x[7], places, rtol=1e-5)
    np.testing.assert_allclose(y[:, 3], places, rtol=1e-5)
    inside = torch.hypot(x, y) < 1
    assert torch.equal(limb < 0, inside)
    moved = model.coordinates(torch.tensor([[33.5, 31.5, 20.0]]))[0]
    torch.testing.assert_close(moved[0][:, 1:], x[:, :-1])


@pytest.mark.parametrize("solver", ["heun", "euler", "multistep", "ddim", "ddpm"])
def test_every_solver_makes_an_image(network, solver):
    found = draw(network, solver=solver, steps=4)
    assert torch.isfinite(found).all()
    assert torch.equal(found, draw(network, [0], solver=solver, steps=4))


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="multiple of 8"):
        ClassDiffusion(size=100, widths=(8, 16, 24), patch=2)


def test_lower_precision_is_near(tiny_generator):
    lowered = load_model(tiny_generator)
    assert lowered.lower(torch.bfloat16) == torch.bfloat16
    torch.testing.assert_close(draw(lowered), draw(load_model(tiny_generator)), atol=0.05, rtol=0)
