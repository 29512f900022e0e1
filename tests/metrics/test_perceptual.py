"""
Perceptual distance and features: with networks made on the spot, and with the real packages where they are.

Nothing is downloaded: the real networks get random weights.
"""

import importlib
import sys
import urllib.error
import warnings
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import astropy.units as u

from sunpy_superres.metrics import perceptual as p


class Squares(torch.nn.Module):
    """
    Mean squared difference of the images; what it was given is kept.
    """

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones((), dtype=torch.float64))
        self.seen = []

    def forward(self, one, other):
        self.seen.append((one, other))
        return self.weight * ((one - other) ** 2).mean(dim=(1, 2, 3), keepdim=True)


def real(name):
    """
    A package that may be missing, or not fit to the torch that is here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"{name}: {error}")


def test_images_are_scaled_and_clipped(rng):
    pred, truth = rng.normal(0, 2500, (2, 40, 50))
    network = Squares()
    expected = np.mean((np.clip(pred, -3000, 3000) - np.clip(truth, -3000, 3000)) ** 2) / 3000**2
    assert p.lpips(pred, truth, network=network) == pytest.approx(expected, rel=1e-12)
    one, _ = network.seen[0]
    assert one.shape == (1, 3, 40, 50)
    assert one.dtype == torch.float64
    assert one.min() == -1
    assert one.max() == 1
    assert torch.equal(one[:, 0], one[:, 2])
    expected = np.mean((np.clip(pred, -500, 500) - np.clip(truth, -500, 500)) ** 2) / 500**2
    assert p.lpips(pred, truth, data_range=1000, network=network) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(150, 200), (2, 70, 129)])
def test_large_images_are_cut_into_parts(shape, rng):
    pred, truth = rng.normal(0, 300, (2, *shape))
    network = Squares()
    assert p.lpips(pred, truth, patch=64, network=network) == pytest.approx(
        np.mean((pred - truth) ** 2) / 3000**2, rel=1e-9
    )
    sides = [image.shape[2:] for image, _ in network.seen]
    assert all(32 <= side <= 64 for part in sides for side in part)
    assert sum(a * b for a, b in sides) == truth.size


def test_what_is_missing_does_not_count(rng):
    pred, truth = rng.normal(0, 300, (2, 128, 128))
    pred[:, 100:], truth[:40, :70] = np.nan, np.inf
    good = np.isfinite(pred) & np.isfinite(truth)
    network = Squares()
    found = p.lpips(pred, truth, patch=64, network=network)
    assert found == pytest.approx(np.mean((pred - truth)[good] ** 2) / 3000**2, rel=1e-9)
    for one, other in network.seen:
        assert torch.isfinite(one).all()
        assert torch.isfinite(other).all()
    # A part without a pixel that counts is not looked at.
    truth[:64, :64] = np.nan
    seen = len(network.seen)
    p.lpips(pred, truth, patch=64, network=network)
    assert len(network.seen) == seen + 3


def test_units_maps_and_masks(rng, mdi_map):
    truth = np.asarray(mdi_map.data, dtype=np.float64)
    pred = truth + rng.normal(0, 100, truth.shape)
    expected = p.lpips(pred, truth, network=Squares())
    assert p.lpips((pred * u.G).to(u.T), mdi_map, network=Squares()) == pytest.approx(expected, rel=1e-4)
    for data_range in (6000 * u.G, 0.6 * u.T):
        for form in (truth, mdi_map, truth * u.G, (truth * u.G).to(u.T)):
            found = p.lpips(pred * u.G, form, data_range=data_range, network=Squares())
            assert found == pytest.approx(expected, rel=1e-4)
        assert p.lpips(pred, truth, data_range=data_range, network=Squares()) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="data_range is 'K', which does not convert to 'G'"):
        p.lpips(pred, mdi_map, data_range=6000 * u.K, network=Squares())
    masked = np.ma.masked_array(truth, truth > 500)
    found = p.lpips(pred, masked, network=Squares())
    assert found == pytest.approx(p.lpips(pred, masked.filled(np.nan), network=Squares()), rel=1e-12)


def test_lpips_errors():
    network = Squares()
    with pytest.raises(ValueError, match="must be equal"):
        p.lpips(np.zeros((40, 40)), np.zeros((40, 41)), network=network)
    with pytest.raises(ValueError, match="at least 32 pixels"):
        p.lpips(np.zeros((40, 31)), np.zeros((40, 31)), network=network)
    with pytest.raises(ValueError, match="at least 32 pixels"):
        p.lpips(np.zeros((2, 2, 40, 40)), np.zeros((2, 2, 40, 40)), network=network)
    with pytest.raises(ValueError, match="No pixel"):
        p.lpips(np.zeros((40, 40)), np.full((40, 40), np.nan), network=network)
    for options in ({"data_range": 0}, {"patch": 63}):
        with pytest.raises(ValueError, match="data_range must be positive and patch"):
            p.lpips(np.zeros((40, 40)), np.zeros((40, 40)), network=network, **options)
    with pytest.raises(ValueError, match="alex, vgg, squeeze"):
        p.lpips(np.zeros((40, 40)), np.zeros((40, 40)), net="resnet")


def test_the_network_is_opened_once(monkeypatch):
    opened = []

    def fake(net):
        opened.append(net)
        return Squares()

    monkeypatch.setattr(p, "open_lpips", fake)
    for net in ("alex", "vgg", "alex"):
        p.lpips(np.zeros((40, 40)), np.ones((40, 40)), net=net)
    assert opened == ["alex", "vgg"]


class Broken(ModuleType):
    """
    A package whose import fails as that of a torchvision built for another torch does.
    """

    def __getattr__(self, name):
        msg = "operator torchvision::nms does not exist"
        raise RuntimeError(msg)


def unreachable(*args, **kwargs):
    msg = "Name or service not known"
    raise urllib.error.URLError(msg)


OPENERS = [
    (p.open_lpips, "lpips", "LPIPS"),
    (p.open_inception, "torchmetrics.image.fid", "NoTrainInceptionV3"),
    (p.open_clip, "transformers", "CLIPModel"),
]


@pytest.mark.parametrize(("opener", "package", "name"), OPENERS)
def test_what_is_wrong_with_the_packages_is_told(opener, package, name, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeError, match=r"pip install '\.\[perceptual\]'"):
        opener()
    monkeypatch.setitem(sys.modules, package, Broken(package))
    with pytest.raises(RuntimeError, match="torchvision must be built for the installed torch"):
        opener()
    module = ModuleType(package)
    entry = SimpleNamespace(from_pretrained=unreachable) if package == "transformers" else unreachable
    setattr(module, name, entry)
    monkeypatch.setitem(sys.modules, package, module)
    with pytest.raises(RuntimeError, match=r"could not be fetched.*TORCH_HOME, HF_HOME"):
        opener()


class Means(torch.nn.Module):
    """
    Mean of each color, and what it was given.
    """

    def forward(self, colors):
        self.seen = colors
        return colors.float().mean(dim=(2, 3))


def test_inception_sees_eight_bits(rng):
    images = rng.uniform(0, 1, (70, 20, 20))
    network = Means()
    features = p.inception_features(images, network=network)
    assert features.shape == (70, 3)
    assert network.seen.dtype == torch.uint8
    np.testing.assert_allclose(features[:, 1], np.rint(255 * images.astype("f4")).mean(axis=(1, 2)), rtol=1e-6)


def test_magnetograms_are_scaled_for_display():
    fields = np.array([-4000, -3000, 0, np.nan, 1500, np.inf, 3000, 4000.0])[:, None, None] * np.ones((8, 4, 4))
    expected = np.rint(255 * np.array([0, 0, 0.5, 0.5, 0.75, 0.5, 1, 1]))
    for images, data_range in (
        (fields, 6000),
        (fields / 10 * u.G, 600),
        (fields * u.G, 0.6 * u.T),
        (fields, 0.6 * u.T),
    ):
        found = p.inception_features(images, data_range=data_range, network=Means())
        np.testing.assert_allclose(found[:, 0], expected)


@pytest.mark.parametrize("function", [p.inception_features, p.clip_features])
def test_features_errors(function):
    for images, told in ((np.zeros((4, 4)), "n, y, x"), (np.full((2, 4, 4), 2.0), "between 0 and 1")):
        with pytest.raises(ValueError, match=told):
            function(images, network=Means())
    with pytest.raises(ValueError, match="between 0 and 1"):
        function(np.full((2, 4, 4), np.nan), network=Means())
    with pytest.raises(ValueError, match="data_range must be positive"):
        function(np.zeros((2, 4, 4)), data_range=-1, network=Means())


@given(st.integers(0, 100), st.floats(0.01, 100))
def test_invariant_to_units_and_flips(seed, factor):
    pred, truth = np.random.default_rng(seed).normal(0, 900, (2, 40, 40))
    expected = p.lpips(pred, truth, network=Squares())
    scaled = p.lpips(factor * pred, factor * truth, data_range=6000 * factor, network=Squares())
    assert scaled == pytest.approx(expected, rel=1e-6)
    assert p.lpips(pred[::-1], truth[::-1], network=Squares()) == pytest.approx(expected, rel=1e-9)
    assert p.lpips(truth, pred, network=Squares()) == pytest.approx(expected, rel=1e-9)
    assert p.lpips(truth, truth, network=Squares()) == 0


@pytest.fixture(scope="module")
def random_lpips():
    """
    The network of the package with its learned linear weights and random ones below, in float64.
    """
    package = real("lpips")
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return {net: package.LPIPS(net=net, pnet_rand=True, verbose=False).double() for net in p.LPIPS_NETS}


@pytest.mark.parametrize("net", p.LPIPS_NETS)
def test_lpips_by_its_definition(net, random_lpips, rng):
    network = random_lpips[net]
    pred, truth = rng.normal(0, 900, (2, 48, 64))
    # What the colors of photographs are scaled by, from the reference implementation.
    shift, scale = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
    images = []
    for field in (pred, truth):
        gray = np.clip(field / 3000, -1, 1)
        colors = np.stack([(gray - a) / b for a, b in zip(shift, scale, strict=True)])
        images.append(torch.from_numpy(colors)[None].double())
    # The modules hold the scaling in single precision.
    with torch.no_grad():
        layers = [[layer.numpy()[0] for layer in network.net(image)] for image in images]
    expected = 0.0
    for one, other, linear in zip(*layers, network.lins, strict=True):
        weights = linear.model[-1].weight.detach().numpy().ravel()
        one, other = (layer / np.linalg.norm(layer, axis=0) for layer in (one, other))
        expected += np.tensordot(weights, (one - other) ** 2, 1).mean()
    assert p.lpips(pred, truth, network=network) == pytest.approx(expected, rel=1e-5)


def test_lpips_is_that_of_torchmetrics(random_lpips, rng):
    real("torchvision")
    from torchmetrics.functional.image import lpips as theirs

    pred, truth = rng.normal(0, 900, (2, 64, 80))
    for net in p.LPIPS_NETS:
        ours = random_lpips[net]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = theirs._LPIPS(pretrained=True, net=net, pnet_rand=True).double().eval()
        # The same layers in the same order, by other names.
        other.net.load_state_dict(dict(zip(other.net.state_dict(), ours.net.state_dict().values(), strict=True)))
        scaled = [torch.from_numpy(np.clip(field / 3000, -1, 1)).expand(1, 3, -1, -1) for field in (pred, truth)]
        with torch.inference_mode():
            expected = other(*scaled).item()
        assert p.lpips(pred, truth, network=ours) == pytest.approx(expected, rel=1e-6)


def test_lpips_of_half_an_image(random_lpips, rng):
    # What is missing has no place in the mean: half of an image scores as the half alone does, but at their border.
    network = random_lpips["alex"]
    truth = rng.normal(0, 900, (512, 512))
    pred = truth + rng.normal(0, 600, truth.shape)
    half = [field[:256] for field in (pred, truth)]
    expected = p.lpips(*half, network=network)
    truth[256:] = np.nan
    assert p.lpips(pred, truth, network=network) == pytest.approx(expected, rel=0.15)
    # Where the border is that of a part it is the same.
    parts = p.lpips(*half, network=network, patch=256)
    assert p.lpips(pred, truth, network=network, patch=256) == pytest.approx(parts, rel=1e-9)


def test_lpips_is_opened_from_the_cache(monkeypatch, tmp_path):
    real("lpips")
    torchvision = real("torchvision")
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.squeezenet1_1(weights=None).state_dict()
    torch.save(weights, checkpoints / "squeezenet1_1-b8a52dc0.pth")
    network = p.open_lpips("squeeze")
    assert not network.training
    assert torch.equal(network.net.slice1[0].weight, weights["features.0.weight"])
    assert p.lpips(np.zeros((40, 40)), np.ones((40, 40)), network=network) > 0
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(RuntimeError, match="could not be fetched"):
        p.open_lpips("alex")


def test_inception_is_that_of_torch_fidelity(monkeypatch, rng):
    module = real("torch_fidelity.feature_extractor_inceptionv3")
    fid = real("torchmetrics.image.fid")
    # The architecture as it is, with the random weights that it begins with.
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *args, **kwargs: {})
    monkeypatch.setattr(fid.NoTrainInceptionV3, "load_state_dict", lambda self, weights: None)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        opened = p.open_inception()
        torch.manual_seed(0)
        network = fid.NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
    images = rng.uniform(0, 1, (2, 64, 64))
    colors = torch.from_numpy(np.rint(255 * images.astype("f4")).astype(np.uint8))[:, None].expand(-1, 3, -1, -1)
    with torch.inference_mode():
        expected = network(colors).numpy()
    assert expected.shape == (2, 2048)
    np.testing.assert_allclose(p.extract(opened, images), expected, rtol=1e-5)
    np.testing.assert_allclose(p.inception_features(images, network=network), expected, rtol=1e-5)


def test_clip_is_that_of_transformers(rng):
    package = real("transformers")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = package.CLIPConfig(
        text_config={**sizes, "vocab_size": 100, "bos_token_id": 0, "eos_token_id": 1},
        vision_config={**sizes, "image_size": 224, "patch_size": 16},
        projection_dim=24,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = package.CLIPModel(config).double()
    # Of this size nothing is resized.
    images = rng.uniform(0, 1, (3, 224, 224)).astype("f4")
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    pixels = torch.stack([(torch.from_numpy(images).double() - m) / s for m, s in zip(mean, std, strict=True)], dim=1)
    with torch.inference_mode():
        pooled = network.eval().vision_model(pixel_values=pixels).pooler_output
        expected = network.visual_projection(pooled).numpy()
    found = p.clip_features(images, network=network)
    assert found.shape == (3, 24)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert p.clip_features(images[:, :50, :60], network=network).shape == (3, 24)
