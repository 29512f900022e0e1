"""
The networks keep their word: reach, grids, linearity.
"""

import numpy as np
import pytest
import torch

from sunpy_superres.models import METHODS, get_method
from sunpy_superres.models.autoencoder import Autoencoder
from sunpy_superres.models.base import SuperResolver, register_method
from sunpy_superres.models.blocks import compress
from sunpy_superres.models.pixel_diffusion import Pixels
from sunpy_superres.models.regression import RegressionNetwork, bicubic
from sunpy_superres.models.unet import ConditionEncoder, UNet


def awaken(module):
    """
    Weights that start at zero would hide what a layer sees.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.abs().max() == 0:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module.double().eval()


def extent(function, inputs, pixels):
    """
    How far, in input pixels, outputs change when the input's middle pixel does.
    """
    changed = [i.clone() for i in inputs]
    middle = inputs[0].shape[-1] // 2
    changed[0][..., middle, middle] += 1.0
    difference = (function(*changed) - function(*inputs)).abs().amax(dim=(0, 1)) > 0
    where = torch.nonzero(difference) / pixels
    return max(float(middle - where.min()), float(where.max() - middle))


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_reach_of_the_unet():
    net = awaken(UNet(3, widths=(8, 8), blocks=(1, 1), time_channels=8))
    x, condition = random(1, 3, 64, 64), random(1, 8, 64, 64)
    time = torch.tensor([0.3], dtype=torch.float64)
    assert net.reach - 3 <= extent(lambda a: net(a, time, condition), [x], 1) <= net.reach


def test_reach_of_the_regression():
    net = awaken(RegressionNetwork(latent_channels=3, width=8, blocks=2))
    x, radius = 100 * random(1, 1, 48, 48), random(1, 1, 48, 48)
    assert extent(lambda a: net(a, radius)[0], [x], 4) <= net.reach
    assert extent(lambda a: net(a, radius)[1], [x], 0.5) <= net.reach


def test_reach_of_the_condition():
    net = awaken(ConditionEncoder(3, 8, blocks=2))
    assert extent(net, [random(1, 3, 32, 32)], 1) == net.reach


def test_reach_of_the_description():
    # As a whole: interpolation, correction, encoding and the condition's encoder.
    # In float32, which the autoencoder computes in.
    model = awaken(get_method("ldm")(latent_channels=3, regression=(8, 1), widths=(8, 8), blocks=(1, 1))).float()
    x, radius = 100 * random(1, 1, 96, 96).float(), random(1, 1, 96, 96).float()

    def condition(field):
        return model.condition(model.describe(field, radius).known)

    assert extent(condition, [x], 0.5) <= model.describe_reach


def test_bicubic_keeps_the_edges_in_place():
    ramp = torch.arange(16.0).repeat(8, 1)[None, None]
    fine = bicubic(ramp, 4)[0, 0, 4]
    # The center of fine pixel i is at (i + 1/2) / 4 - 1/2; away from the ends a ramp stays a ramp.
    expected = (torch.arange(64) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(fine[12:-12], expected[12:-12], atol=1e-5)


def test_autoencoder_is_linear():
    coder = Autoencoder(12, 8)
    a, b = random(1, 1, 32, 40).float(), random(1, 1, 32, 40).float()
    np.testing.assert_allclose(coder(2000 * a - 3 * b).detach(), (2000 * coder(a) - 3 * coder(b)).detach(), atol=2e-3)


def test_autoencoder_starts_as_a_cosine_transform():
    coder = Autoencoder(64, 8)
    field = 100 * random(1, 1, 16, 24).float()
    np.testing.assert_allclose(coder(field).detach(), field, atol=1e-3)
    # Lowest frequency first: a constant field has only the first channel.
    latent = coder.encode(torch.full((1, 1, 8, 8), 50.0)).flatten()
    assert latent[0].item() == pytest.approx(50.0 / 100.0 * 8, rel=1e-5)
    assert latent[1:].abs().max() < 1e-5


def test_a_block_starts_as_the_identity():
    model = get_method("ldm")(latent_channels=4, regression=(8, 1), widths=(8, 8), blocks=(1, 1))
    field, radius = 100 * random(1, 1, 16, 16).float(), torch.zeros(1, 1, 16, 16)
    base, _ = model.estimate(field, radius)
    np.testing.assert_allclose(base.detach(), bicubic(field, 4))


@pytest.mark.parametrize(
    ("method", "residual", "learned", "base"),
    [
        ("ldm", "mean", True, 350.0),
        ("ldm", "input", False, 50.0),
        ("ldm-noresidual", None, False, 0.0),
        ("ddpm-residual", None, False, 50.0),
        ("ddpm", None, False, 0.0),
    ],
)
def test_base_of_what_is_drawn(method, residual, learned, base):
    model = get_method(method)(residual=residual, regression=(8, 1), widths=(8, 8), blocks=(1, 1))
    assert (model.regression.correction is not None) is learned
    if learned:
        torch.nn.init.constant_(model.regression.correction.bias, 1.0)
        assert model.regression.unit == 300.0
    estimate, _ = model.estimate(torch.full((1, 1, 16, 16), 50.0), torch.zeros(1, 1, 16, 16))
    assert model.base(estimate).mean().item() == pytest.approx(base, abs=1e-3)


def test_pixels_lose_nothing():
    field = 1000 * random(1, 1, 16, 24).float()
    pixels = Pixels(16, 4)
    assert pixels.encode(field).shape == (1, 16, 4, 6)
    np.testing.assert_allclose(pixels(field), field, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"residual": "truth"}, "'mean' or 'input'"),
        ({"residual": "none"}, "'mean' or 'input'"),
        ({"latent_factor": 6}, "multiple of factor"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        get_method("ldm")(**arguments)


def test_compress_is_odd_and_monotonic():
    field = torch.linspace(-4000, 4000, 101)
    small = compress(field)
    assert (small.diff() > 0).all()
    np.testing.assert_allclose(small, -small.flip(0), atol=1e-6)
    assert small.abs().max() < 1.3


def test_low_precision_does_not_touch_the_time():
    # bfloat16 rounds the frequencies of the embedding by whole cycles.
    model = awaken(get_method("ldm")(latent_channels=4, regression=(8, 1), widths=(8, 8), blocks=(1, 1))).float()
    embed, time = model.denoiser.time, torch.linspace(0.01, 1, 50)
    before = embed(time)
    model.lower(torch.bfloat16)
    after = embed(time).float()
    assert (after - before).abs().max() < 0.02 * before.abs().max()


def test_unknown_method():
    with pytest.raises(ValueError, match="known are bicubic, ddpm, ddpm-residual, enhance, highresnet, ldm"):
        get_method("magic")


def test_a_method_registers_itself():
    @register_method("test-nearest")
    class Nearest(SuperResolver):
        trained = stochastic = False

        def draw(self, field, radius, active, samples, *, seed, steps, engine):
            for _ in samples:
                yield field[0, 0].repeat_interleave(4, 0).repeat_interleave(4, 1)

    try:
        assert get_method("test-nearest") is Nearest
        with pytest.raises(ValueError, match="registered twice"):
            register_method("test-nearest")(Nearest)
    finally:
        del METHODS["test-nearest"]


def test_noise_depends_on_seed_and_sample_alone():
    noise = SuperResolver.noise
    np.testing.assert_array_equal(noise((2, 3), 7, 4), noise((2, 3), 7, 4))
    seeds = (0, 1, 2, 3, 2**32, 2**80)
    draws = torch.stack([noise((500,), seed, k) for seed in seeds for k in range(6)])
    correlation = torch.corrcoef(draws) - torch.eye(36)
    assert correlation.abs().max() < 0.25
