"""
The authors' weight files become models, or are refused; nothing in between.
"""

import json
import pickle
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from models import reference

from sunpy_superres import superresolve
from sunpy_superres.exceptions import SunpySuperresUserWarning
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.weights import convert
from sunpy_superres.weights.convert import convert_enhance, convert_highresnet
from sunpy_superres.weights.files import load_model
from sunpy_superres.weights.layout import git_hash_of, sha256_of

UNKNOWN = pytest.warns(SunpySuperresUserWarning, match="none of the published files")


# --- The converter of magnetograms ------------------------------------------------------------------------------


def checkpoint_weights():
    """
    Random weights with the names and shapes of the authors' checkpoints, the unused block included.
    """
    convolutions = {"encode.init_layer.1": (64, 2, 3, 3), "decode.final.1": (1, 64, 1, 1)}
    places = ["encode.final.1", "decode.deconv.2"]
    places += [f"encode.res_layers.{i}.block.{j}" for i in (0, 1) for j in (1, 4)]
    convolutions |= dict.fromkeys(places, (64, 64, 3, 3))
    convolutions |= {"fuse.fuse.0.block.1": (128, 128, 3, 3), "fuse.fuse.0.block.4": (128, 128, 3, 3)}
    convolutions |= {"fuse.fuse.2": (64, 128, 3, 3)}
    slopes = ["encode.init_layer.3", "decode.deconv.4"]
    slopes += [f"encode.res_layers.{i}.block.{j}" for i in (0, 1) for j in (2, 6)]
    slopes += ["fuse.fuse.0.block.2", "fuse.fuse.0.block.6", "fuse.fuse.4"]
    generator = torch.Generator().manual_seed(5)
    weights = OrderedDict()
    for name, shape in convolutions.items():
        size = (shape[1] * shape[2] * shape[3]) ** -0.5
        weights[f"{name}.weight"] = size * torch.randn(shape, generator=generator)
        weights[f"{name}.bias"] = 0.1 * torch.randn(shape[:1], generator=generator)
    for name in slopes:
        weights[f"{name}.weight"] = torch.rand((1,), generator=generator)
    return weights


def write_checkpoint(path, weights, prefix="module.", **entries):
    state = OrderedDict((f"{prefix}{name}", value) for name, value in weights.items())
    torch.save({"model_state_dict": state, **entries}, path)
    return path


def to_highresnet(path, out, **options):
    options = {"instrument": "mdi", "factor": 4, "accept_license": "GPL-3.0-only"} | options
    return convert_highresnet(path, out, **options)


@pytest.fixture
def checkpoint(tmp_path):
    return write_checkpoint(tmp_path / "some_checkpoint_19", checkpoint_weights())


def test_the_layout_is_that_of_the_authors():
    # Counted in the authors' code.
    weights = checkpoint_weights()
    assert sum(value.numel() for value in weights.values()) == 591_818
    assert sum(value.numel() for name, value in weights.items() if name.startswith("fuse.")) == 368_963


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_checkpoint(factor, prefix, tmp_path, rng):
    weights = checkpoint_weights()
    optimizer = torch.optim.Adam([torch.nn.Parameter(value) for value in weights.values()]).state_dict()
    path = write_checkpoint(
        tmp_path / "file", weights, prefix, optimizer_state_dict=optimizer, epoch=19, loss=np.float64(0.1)
    )
    with UNKNOWN:
        out = to_highresnet(path, tmp_path / "new" / "model", factor=factor)
    assert out == tmp_path / "new" / "model"
    model = load_model(out)
    assert model.factor == factor
    field, radius = rng.normal(0, 300, (9, 11)), rng.uniform(0, 1, (9, 11))
    expected = reference.highresnet(field, radius, weights, factor)
    # The model takes HMI gauss and gives the network the gauss of MDI.
    found = model(*(torch.from_numpy(array).float()[None, None] for array in (0.701 * field, radius)))
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-4, atol=1e-3 * np.ptp(expected) + 1e-2)


def test_what_is_said_of_a_converted_checkpoint(checkpoint, tmp_path):
    with UNKNOWN:
        out = to_highresnet(checkpoint, tmp_path / "model")
    assert sorted(p.name for p in out.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", checkpoint.name]
    config = json.loads((out / "config.json").read_text())
    assert config["method"] == "highresnet"
    assert config["instruments"] == ["mdi"]
    assert config["scale"] == pytest.approx(4 * HMI_SCALE)
    assert config["arguments"] == {"factor": 4, "input_gain": pytest.approx(1 / 0.701)}
    assert config["license"] == "GPL-3.0-only"
    assert config["source_sha256"] == sha256_of(checkpoint)
    card = (out / "README.md").read_text(encoding="utf-8")
    for words in ("GPL-3.0-only", "not a published file", "10.3847/1538-4365/ad12c2", "Converted by sunpy_superres"):
        assert words in card


def test_from_checkpoint_to_map(checkpoint, tmp_path, bipole):
    from sunpy_superres.maps import from_array

    with UNKNOWN:
        out = to_highresnet(checkpoint, tmp_path / "model")
    smap = from_array(bipole[:16, :20], scale=4 * HMI_SCALE, instrument="mdi")
    fine = superresolve(smap, "highresnet", model=out)
    assert fine.data.shape == (64, 80)
    assert np.isfinite(fine.data).all()
    with pytest.raises(ValueError, match="is for mdi, not for 'hmi'"):
        superresolve(smap, "highresnet", model=out, instrument="hmi")


def test_a_published_checkpoint_is_known(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(convert._CHECKPOINTS, git_hash_of(checkpoint), (("mdi", 2), "checkpoints/mdi/that_one"))
    out = to_highresnet(checkpoint, tmp_path / "model", factor=None)
    config = json.loads((out / "config.json").read_text())
    assert config["arguments"]["factor"] == 2
    assert config["scale"] == pytest.approx(2 * HMI_SCALE)
    assert config["source"].startswith("https://github.com/amunozj/magnetograph_2HMI_converter/blob/06fa3803")
    assert config["source"].endswith("/checkpoints/mdi/that_one")
    assert "The weights are the authors'" in (out / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"for mdi x2 .* not for mdi x4"):
        to_highresnet(checkpoint, tmp_path / "other", factor=4)
    with pytest.raises(ValueError, match=r"for mdi x2 .* not for hmi"):
        to_highresnet(checkpoint, tmp_path / "other", factor=None, instrument="hmi")
    assert not (tmp_path / "other").exists()


def test_the_six_published_checkpoints():
    found = [published for published, _ in convert._CHECKPOINTS.values()]
    assert sorted(found) == [(instrument, factor) for instrument in ("gong", "mdi") for factor in (1, 2, 4)]
    for (instrument, factor), source in convert._CHECKPOINTS.values():
        assert source.startswith(f"checkpoints/{instrument}/")
        assert ("_D1_" in source, "_D2_" in source) == (factor == 1, factor == 2)


def refused(path, tmp_path, message, error=ValueError, convert=to_highresnet, **options):
    """
    The conversion fails and leaves nothing behind.
    """
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(error, match=message):
        convert(path, tmp_path / "model", **options)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": None}, "its factor is not known: give factor=1, 2 or 4"),
        ({"factor": 3}, "factor must be 1, 2 or 4, not 3"),
        ({"accept_license": None}, r"GPL-3.0-only \(.*06fa3803.*accept_license='GPL-3.0-only'"),
        ({"accept_license": "MIT"}, "are under the license GPL-3.0-only"),
        ({"instrument": "kpvt"}, "Unknown instrument 'kpvt'"),
    ],
)
def test_wrong_options(checkpoint, tmp_path, options, message):
    refused(checkpoint, tmp_path, message, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("decode.deconv.2.bias"), r"missing are decode\.deconv\.2\.bias\."),
        (lambda w: w.update({"decode.more.weight": torch.ones(3)}), r"not known are decode\.more\.weight\."),
        (
            lambda w: w.update({"encode.init_layer.1.weight": torch.ones(64, 1, 3, 3)}),
            r"encode\.init_layer\.1\.weight has shape \(64, 1, 3, 3\) instead of \(64, 2, 3, 3\)",
        ),
        (lambda w: w["decode.final.1.bias"].fill_(torch.nan), r"decode\.final\.1\.bias is not finite"),
        (lambda w: w.update({"decode.final.1.bias": 3.0}), "no checkpoint of the converter"),
    ],
)
def test_checkpoint_that_does_not_fit(tmp_path, change, message):
    weights = checkpoint_weights()
    change(weights)
    refused(write_checkpoint(tmp_path / "file", weights), tmp_path, message)


def test_prefix_on_some_names_only(tmp_path):
    weights = checkpoint_weights()
    weights["module.decode.final.1.bias"] = weights.pop("decode.final.1.bias")
    path = write_checkpoint(tmp_path / "file", weights, prefix="")
    refused(path, tmp_path, r"missing are decode\.final\.1\.bias; not known are module\.decode\.final\.1\.bias")


def test_files_that_are_no_checkpoint(checkpoint, tmp_path):
    path = tmp_path / "file"
    content = checkpoint.read_bytes()
    for wrong in (b"", b"GIF89a", np.random.default_rng(0).bytes(5000), content[: len(content) // 2], content[:-10]):
        path.write_bytes(wrong)
        refused(path, tmp_path, "no checkpoint of the converter")
    for thing in ([1, 2], {"state": 1}, {"model_state_dict": None}, {"model_state_dict": {3: torch.ones(1)}}):
        torch.save(thing, path)
        refused(path, tmp_path, "no checkpoint of the converter")
    refused(tmp_path / "nowhere", tmp_path, "nowhere", error=FileNotFoundError)


class Burglar:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("protocol", [None, 2, 5])
def test_code_in_a_file_is_not_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    path = tmp_path / "file"
    content = {"model_state_dict": checkpoint_weights(), "extra": Burglar(trace)}
    if protocol is None:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol))
    refused(path, tmp_path, "holds more than plain weights: (it calls|torch finds more)")
    assert not trace.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "notes.txt"])
def test_what_is_there_is_not_replaced(checkpoint, tmp_path, name):
    out = tmp_path / "model"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(FileExistsError, match="nothing is replaced"):
        to_highresnet(checkpoint, out)
    assert [p.name for p in out.iterdir()] == [name]
    assert (out / name).read_text() == "mine"
    with pytest.raises(FileExistsError, match="nothing is replaced"):
        to_highresnet(checkpoint, out / name)


def test_an_empty_folder_will_do(checkpoint, tmp_path):
    (tmp_path / "model").mkdir()
    with UNKNOWN:
        load_model(to_highresnet(checkpoint, tmp_path / "model"))


def test_a_full_disk_leaves_nothing(checkpoint, tmp_path, monkeypatch):
    def fail(*_, **__):
        msg = "No space left on device"
        raise OSError(msg)

    monkeypatch.setattr(Path, "write_text", fail)
    with UNKNOWN:
        refused(checkpoint, tmp_path, "No space left", error=OSError)


# --- Enhance ------------------------------------------------------------------------------------------------------


def keras_weights():
    """
    Random weights with the names and shapes of Keras, in the order of the network.
    """
    rng = np.random.default_rng(6)
    weights = {}
    for layer in reference.ENHANCE_LAYERS.values():
        if layer.startswith("batch"):
            weights[layer] = {
                "gamma": rng.normal(1, 0.2, 64),
                "beta": rng.normal(0, 0.2, 64),
                "moving_mean": rng.normal(0, 0.2, 64),
                # Small ones, which the constant that is added to them matters for.
                "moving_variance": rng.uniform(1e-3, 1.5, 64),
            }
            continue
        number = int(layer.rpartition("_")[2])
        shape = {1: (3, 3, 1, 64), 14: (1, 1, 64, 1)}.get(number, (3, 3, 64, 64))
        weights[layer] = {
            "kernel": rng.normal(0, (shape[0] * shape[1] * shape[2]) ** -0.5, shape),
            "bias": rng.normal(0, 0.1, shape[3]),
        }
    return {layer: {kind: a.astype(np.float32) for kind, a in arrays.items()} for layer, arrays in weights.items()}


def write_keras(path, weights, *, root=False, text=np.bytes_):
    """
    A file of Keras 2: a whole model, or with ``root`` the weights alone; names as bytes or str.
    """
    h5py = pytest.importorskip("h5py")

    def put(group, name, texts):
        if text is str:
            group.attrs.create(name, texts, dtype=h5py.string_dtype(), shape=(len(texts),))
        else:
            group.attrs[name] = [t.encode() for t in texts]

    with h5py.File(path, "w") as file:
        group = file if root else file.create_group("model_weights")
        # Layers without weights are listed too.
        layers = ["input_1", "gaussian_noise_1", *weights, "activation_1", "add_1", "up_sampling2d_1"]
        put(group, "layer_names", layers)
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.0.2"
        for layer in layers:
            part = group.create_group(layer)
            arrays = weights.get(layer, {})
            put(part, "weight_names", [f"{layer}/{kind}:0" for kind in arrays])
            for kind, array in arrays.items():
                part[f"{layer}/{kind}:0"] = array
        if not root:
            file.attrs["model_config"] = b"{}"
            file.attrs["training_config"] = b"{}"
            file.create_group("optimizer_weights")["iterations:0"] = 7
    return path


def to_enhance(path, out, **options):
    return convert_enhance(path, out, **{"kind": "magnetogram", "accept_license": "MIT"} | options)


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("text", [np.bytes_, str])
def test_keras_file(root, text, tmp_path, rng):
    weights = keras_weights()
    assert sum(a.size for arrays in weights.values() for a in arrays.values()) == 446_657
    path = write_keras(tmp_path / "blos_weights.hdf5", weights, root=root, text=text)
    with UNKNOWN:
        out = to_enhance(path, tmp_path / "model")
    field = rng.normal(0, 300, (7, 9))
    expected = 1000 * reference.enhance(field / 1000, weights)
    found = load_model(out)(torch.from_numpy(field).float()[None, None])
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-4, atol=1e-5 * np.ptp(expected))


def test_what_is_said_of_a_converted_keras_file(tmp_path):
    path = write_keras(tmp_path / "blos_weights.hdf5", keras_weights())
    with UNKNOWN:
        out = to_enhance(path, tmp_path / "model")
    config = json.loads((out / "config.json").read_text())
    assert config["method"] == "enhance"
    assert config["instruments"] == ["hmi"]
    assert config["scale"] == HMI_SCALE
    assert config["arguments"] == {"unit": 1000.0}
    assert config["license"] == "MIT"
    card = (out / "README.md").read_text(encoding="utf-8")
    for words in ("Copyright (c) 2017 C. J. Díaz Baso", "1706.02933", sha256_of(path)):
        assert words in card


def test_continuum(tmp_path, rng, bipole):
    from sunpy_superres.maps import from_array

    weights = keras_weights()
    with UNKNOWN:
        out = to_enhance(write_keras(tmp_path / "file", weights), tmp_path / "model", kind="continuum")
    assert json.loads((out / "config.json").read_text())["instruments"] == ["hmi-continuum"]
    image = rng.uniform(0.1, 1.2, (6, 6))
    found = load_model(out)(torch.from_numpy(image).float()[None, None])
    expected = reference.enhance(image, weights)
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-4, atol=1e-5 * np.ptp(expected))
    with pytest.raises(ValueError, match="is for hmi-continuum, not for 'hmi'"):
        superresolve(from_array(bipole, scale=HMI_SCALE, instrument="hmi"), "enhance", model=out)


def test_a_published_keras_file_is_known(tmp_path, monkeypatch):
    path = write_keras(tmp_path / "file", keras_weights())
    monkeypatch.setitem(convert._KERAS_FILES, git_hash_of(path), ("magnetogram", "network/that_one.hdf5"))
    out = to_enhance(path, tmp_path / "model")
    assert json.loads((out / "config.json").read_text())["source"].endswith("/network/that_one.hdf5")
    with pytest.raises(ValueError, match="of kind 'magnetogram'"):
        to_enhance(path, tmp_path / "other", kind="continuum")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "dopplergram"}, "kind must be 'magnetogram' or 'continuum', not 'dopplergram'"),
        ({"accept_license": "GPL-3.0-only"}, r"license MIT \(.*ef4e71a7.*accept_license='MIT'"),
    ],
)
def test_wrong_options_of_enhance(tmp_path, options, message):
    refused(write_keras(tmp_path / "file", {}), tmp_path, message, convert=to_enhance, **options)


def replace(weights, layer, kind, array):
    weights[layer][kind] = array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("conv2d_7"), "missing are conv2d_7/bias, conv2d_7/kernel"),
        (lambda w: w["batch_normalization_3"].pop("moving_mean"), "missing are batch_normalization_3/moving_mean"),
        (lambda w: w.update(dense_1={"kernel": np.ones((2, 2))}), "not known are dense_1/kernel"),
        (
            lambda w: replace(w, "conv2d_1", "kernel", np.ones((64, 1, 3, 3))),
            r"conv2d_1/kernel has shape \(64, 1, 3, 3\) instead of \(3, 3, 1, 64\)",
        ),
        (lambda w: replace(w, "conv2d_2", "bias", np.full(64, np.inf)), "conv2d_2/bias is not finite"),
        (lambda w: w.clear(), "missing are batch_normalization_1/beta"),
    ],
)
def test_keras_file_that_does_not_fit(tmp_path, change, message):
    weights = keras_weights()
    change(weights)
    refused(write_keras(tmp_path / "file", weights), tmp_path, message, convert=to_enhance)


def test_files_that_are_not_of_keras(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = write_keras(tmp_path / "file", keras_weights())
    content = path.read_bytes()
    for wrong in (b"", b"GIF89a", content[: len(content) // 2], content[:-100]):
        path.write_bytes(wrong)
        refused(path, tmp_path, "no HDF5 file of Keras weights", convert=to_enhance)
    with h5py.File(path, "w") as file:
        file["data"] = np.ones(3)
    refused(path, tmp_path, "no HDF5 file of Keras weights", convert=to_enhance)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv2d_1"]
    refused(path, tmp_path, "no HDF5 file of Keras weights", convert=to_enhance)


def test_a_weight_that_is_there_twice(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = write_keras(tmp_path / "file", keras_weights(), root=True)
    with h5py.File(path, "a") as file:
        file["conv2d_1"].attrs["weight_names"] = [b"conv2d_1/kernel:0", b"other/kernel:0"]
    refused(path, tmp_path, "conv2d_1/kernel is there twice", convert=to_enhance)


def test_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    path = tmp_path / "file"
    path.write_bytes(b"")
    refused(path, tmp_path, r"pip install h5py", error=ImportError, convert=to_enhance)
