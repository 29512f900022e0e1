"""
From the authors' published weight files to models of this package.

The files are not part of the package: the user downloads them and accepts their license. No code from a file is
ever run, and what does not fit the architecture exactly is refused.
"""

import re
import warnings
from collections import namedtuple
from pathlib import Path

import numpy as np
import torch

from sunpy_superres import __version__
from sunpy_superres._atomic import replacing
from sunpy_superres.exceptions import warn_user
from sunpy_superres.instruments import HMI_SCALE, get_instrument
from sunpy_superres.models import get_method
from sunpy_superres.weights.files import save_model
from sunpy_superres.weights.layout import CARD, git_hash_of, sha256_of
from sunpy_superres.weights.publish import hub_license

__all__ = ["convert_enhance", "convert_highresnet"]

_Work = namedtuple("_Work", ["title", "license", "holder", "repository", "commit", "citation"])

_CONVERTER = _Work(
    title="HighRes-net converter of magnetograms",
    license="GPL-3.0-only",
    holder="A. Muñoz-Jaramillo and co-authors",
    repository="https://github.com/amunozj/magnetograph_2HMI_converter",
    commit="06fa380302a3144abd90c08d6c74f2787a9e67fe",
    citation="Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2",
)
_ENHANCE = _Work(
    title="Enhance",
    license="MIT",
    holder="Copyright (c) 2017 C. J. Díaz Baso",
    repository="https://github.com/cdiazbas/enhance",
    commit="ef4e71a7595bedec20c698f254bc31b2f9ae00e0",
    citation="Díaz Baso & Asensio Ramos 2018, A&A 614, A5, arXiv:1706.02933",
)

# What the published files are for, and their paths, by the names that git gives their content.
_CHECKPOINTS = {
    "f2a9b1499058f0dca2adbd09fd1f5000a0023d20": (
        ("mdi", 1),
        "checkpoints/mdi/20210207214138_HighResNet_RPRCDO_SSIMGradHistLoss_jsoc_mdi_RP_D1_19",
    ),
    "a7a3591a0862663055209b70fef82ac689068f82": (
        ("mdi", 2),
        "checkpoints/mdi/20210209000430_HighResNet_RPRCDO_SSIMGradHistLoss_jsoc_mdi_RP_D2_18",
    ),
    "2dbe3380f36ad37e80dcac2f7d3542879b452b76": (
        ("mdi", 4),
        "checkpoints/mdi/20201020035600_HighResNet_RPRCDO_SSIMGradHistLoss_jsoc_mdi_RP_19",
    ),
    "10086d7ab712198b0ce8fc441f81ec8ee495af1a": (
        ("gong", 1),
        "checkpoints/gong/20210129203433_HighResNet_RPRCDO_SSIMGradHistLoss_gong_RP_D1_19",
    ),
    "aed309068bfff5654fca78ccb0ecbafe8fd81021": (
        ("gong", 2),
        "checkpoints/gong/20210206064501_HighResNet_RPRCDO_SSIMGradHistLoss_gong_RP_D2_2",
    ),
    "e3951bcbaa1e8bba862d5e7e197dba747dbf5f54": (
        ("gong", 4),
        "checkpoints/gong/20201214200251_HighResNet_RPRCDO_SSIMGradHistLoss_gong_RP_19",
    ),
}
_KERAS_FILES = {
    "830a8860b0eb055f8d9fc760388f5f977eec4a01": ("continuum", "network/intensity_weights.hdf5"),
    "3fdb1d8f4e05b906e55c152aed2a54fc88de1f21": ("magnetogram", "network/blos_weights.hdf5"),
}
_FACTORS = (1, 2, 4)
# Unit inside the network, and what the configuration calls the input, by kind.
_KINDS = {"magnetogram": (1000.0, "hmi"), "continuum": (1.0, "hmi-continuum")}


def convert_highresnet(path, out, *, instrument, factor=None, accept_license=None):
    """
    Convert a checkpoint of the MDI and GONG converter of Muñoz-Jaramillo et al. 2024 [1]_.

    Parameters
    ----------
    path : path-like
        A file of the folder ``checkpoints`` of the authors' repository [2]_.
    out : path-like
        Folder for the model; must not exist, or be empty.
    instrument : `str`
        Instrument whose magnetograms it takes: ``"mdi"`` or ``"gong"``.
    factor : {1, 2, 4}, optional
        Up-sampling factor. Of the published files it is known; of any other it must be given, since the weights do
        not tell.
    accept_license : `str`
        The license of the file, ``"GPL-3.0-only"``, to say that you accept it. It goes with the converted weights.

    Returns
    -------
    `pathlib.Path`
        The folder, to be given as ``model=`` with ``method="highresnet"``.

    Raises
    ------
    FileExistsError
        If there is something in ``out`` already.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the license is not accepted, the file is no such checkpoint, or it is one for something else.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, `doi:10.3847/1538-4365/ad12c2
       <https://doi.org/10.3847/1538-4365/ad12c2>`__
    .. [2] https://github.com/amunozj/magnetograph_2HMI_converter

    Examples
    --------
    >>> from sunpy_superres.weights.convert import convert_highresnet
    >>> path = "20201020035600_HighResNet_RPRCDO_SSIMGradHistLoss_jsoc_mdi_RP_19"
    >>> convert_highresnet(path, "highresnet-mdi", instrument="mdi", accept_license="GPL-3.0-only")  # doctest: +SKIP
    """
    path, out = Path(path), Path(out)
    _require_license(_CONVERTER, accept_license)
    known = get_instrument(instrument)
    _require_free(out)
    published, source = _CHECKPOINTS.get(git_hash_of(path), (None, None))
    if published and (published[0] != known.name or factor not in (None, published[1])):
        given = known.name if factor is None else f"{known.name} x{factor}"
        msg = f"{path} is the authors' file for {published[0]} x{published[1]} ({source}), not for {given}."
        raise ValueError(msg)
    factor = published[1] if published else factor
    if factor not in _FACTORS:
        msg = (
            f"{path} is none of the published files, so its factor is not known: give factor=1, 2 or 4."
            if factor is None
            else f"factor must be 1, 2 or 4, not {factor!r}."
        )
        raise ValueError(msg)
    arguments = {"factor": factor, "input_gain": 1 / known.to_hmi}
    model = get_method("highresnet")(**arguments)
    names = _highresnet_names()
    expected = {theirs: tuple(model.state_dict()[ours].shape) for theirs, ours in names.items()}
    arrays = _read_checkpoint(path)
    _require_same(path, arrays, expected)
    model.load_state_dict({ours: torch.from_numpy(arrays[theirs]) for theirs, ours in names.items()})
    name = f"highresnet-{known.name}-x{factor}-authors"
    _warn_of_unknown(path, published)
    settings = {"arguments": arguments, "instruments": [known.name], "scale": factor * HMI_SCALE}
    return _write(model, out, path, _CONVERTER, source, name, f"{known.title}, enlarged {factor} times", settings)


def convert_enhance(path, out, *, kind, accept_license=None):
    """
    Convert a weight file of Enhance by Díaz Baso & Asensio Ramos 2018 [1]_; needs ``h5py``.

    Parameters
    ----------
    path : path-like
        ``blos_weights.hdf5`` or ``intensity_weights.hdf5`` of the folder ``network`` of the authors' repository [2]_.
    out : path-like
        Folder for the model; must not exist, or be empty.
    kind : {"magnetogram", "continuum"}
        What it takes: line-of-sight magnetograms of HMI, or HMI continuum images divided by the mean of the quiet Sun.
    accept_license : `str`
        The license of the file, ``"MIT"``, to say that you accept it. It goes with the converted weights.

    Returns
    -------
    `pathlib.Path`
        The folder, to be given as ``model=`` with ``method="enhance"``.

    Raises
    ------
    FileExistsError
        If there is something in ``out`` already.
    FileNotFoundError
        If there is no such file.
    ImportError
        If ``h5py`` is not installed.
    ValueError
        If the license is not accepted, the file does not hold these weights, or it is one of the other kind.

    References
    ----------
    .. [1] Díaz Baso & Asensio Ramos 2018, A&A 614, A5, `arXiv:1706.02933 <https://arxiv.org/abs/1706.02933>`__
    .. [2] https://github.com/cdiazbas/enhance

    Examples
    --------
    >>> from sunpy_superres.weights.convert import convert_enhance
    >>> convert_enhance(
    ...     "blos_weights.hdf5", "enhance-hmi", kind="magnetogram", accept_license="MIT"
    ... )  # doctest: +SKIP
    """
    path, out = Path(path), Path(out)
    _require_license(_ENHANCE, accept_license)
    if kind not in _KINDS:
        msg = f"kind must be 'magnetogram' or 'continuum', not {kind!r}."
        raise ValueError(msg)
    _require_free(out)
    published, source = _KERAS_FILES.get(git_hash_of(path), (None, None))
    if published not in (None, kind):
        msg = f"{path} is the authors' file of kind {published!r} ({source}), not {kind!r}."
        raise ValueError(msg)
    unit, instrument = _KINDS[kind]
    arguments = {"unit": unit}
    model = get_method("enhance")(**arguments)
    names = _enhance_names()
    shapes = {theirs: tuple(model.state_dict()[ours].shape) for theirs, ours in names.items()}
    # Keras: rows, columns, inputs, outputs; torch: outputs, inputs, rows, columns.
    expected = {name: (*s[2:], s[1], s[0]) if len(s) == 4 else s for name, s in shapes.items()}
    arrays = _read_keras(path)
    _require_same(path, arrays, expected)
    tensors = {
        names[name]: torch.from_numpy(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)
        for name, array in arrays.items()
    }
    # Whatever counts the batches of the training stays as it is.
    model.load_state_dict(model.state_dict() | tensors)
    _warn_of_unknown(path, published)
    settings = {"arguments": arguments, "instruments": [instrument], "scale": HMI_SCALE}
    return _write(
        model, out, path, _ENHANCE, source, f"enhance-{kind}-authors", f"SDO/HMI {kind}, enlarged 2 times", settings
    )


def _highresnet_names():
    """
    The authors' names, and ours.
    """
    convolutions = {"encode.init_layer.1": "stem.conv", "encode.final.1": "features"}
    convolutions |= {"decode.deconv.2": "fine.conv", "decode.final.1": "out"}
    slopes = {"encode.init_layer.3": "stem.activation", "decode.deconv.4": "fine.activation"}
    for i in range(2):
        theirs, ours = f"encode.res_layers.{i}.block", f"blocks.{i}"
        convolutions |= {f"{theirs}.1": f"{ours}.first.conv", f"{theirs}.4": f"{ours}.second.conv"}
        slopes |= {f"{theirs}.2": f"{ours}.first.activation", f"{theirs}.6": f"{ours}.second.activation"}
    weights = {f"{theirs}.weight": f"{ours}.weight" for theirs, ours in (convolutions | slopes).items()}
    return weights | {f"{theirs}.bias": f"{ours}.bias" for theirs, ours in convolutions.items()}


def _enhance_names():
    """
    The names of Keras, and ours.
    """
    blocks = [f"blocks.{i}.{place}" for i in range(5) for place in ("first", "second")]
    convolutions = ["stem", *blocks, "last", "fine", "out"]
    normalizations = [f"{place}_norm" for place in (*blocks, "last")]
    kinds = {"kernel": "weight", "bias": "bias"}
    names = {
        f"conv2d_{i}/{theirs}": f"{place}.{ours}"
        for i, place in enumerate(convolutions, 1)
        for theirs, ours in kinds.items()
    }
    kinds = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    return names | {
        f"batch_normalization_{i}/{theirs}": f"{place}.{ours}"
        for i, place in enumerate(normalizations, 1)
        for theirs, ours in kinds.items()
    }


def _numbers():
    """
    What makes a number of numpy, as a loss beside the weights may be one; numpy 1 had it in another module.
    """
    scalar = np._core.multiarray.scalar
    kinds = [type(np.dtype(kind)) for kind in ("f4", "f8", "i8")]
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds]


def _read_checkpoint(path):
    """
    The active weights of a torch checkpoint by the authors' names, float32.
    """
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_numbers()):
            warnings.simplefilter("ignore")  # of pickles that are none of torch
            state = torch.load(path, map_location="cpu", weights_only=True)["model_state_dict"]
        names = list(state)
        # What DataParallel puts before every name.
        prefix = "module." if all(name.startswith("module.") for name in names) else ""
        return {
            short: state[name].detach().to(torch.float32).numpy()
            for name in names
            # The block that fuses several views is never executed with one.
            if not (short := name.removeprefix(prefix)).startswith("fuse.")
        }
    except Exception as error:  # bytes that are something else fail anywhere in the unpickler
        # Not torch's own words where it advises to run the code.
        cause = str(error).partition("\n")[0]
        if "weights_only" in str(error):
            called = re.search(r"GLOBAL (\S+)", str(error))
            cause = f"it calls {called[1]}" if called else "torch finds more in it"
        msg = f"{path} is no checkpoint of the converter, is damaged, or holds more than plain weights: {cause}"
        raise ValueError(msg) from error


def _read_keras(path):
    """
    The weights of a Keras HDF5 file as "layer/kind", float32, in the layout of Keras.
    """
    try:
        import h5py  # NOQA: PLC0415
    except ImportError as error:
        msg = "Keras weights are HDF5 files, which h5py reads: pip install h5py"
        raise ImportError(msg) from error
    arrays = {}
    try:
        with h5py.File(path, "r") as file:
            # A whole model has its weights in a group, a file of weights alone has them at the root.
            root = file.get("model_weights", file)
            for layer in _texts(root.attrs["layer_names"]):
                for name in _texts(root[layer].attrs["weight_names"]):
                    key = f"{layer}/{name.rpartition('/')[2].partition(':')[0]}"
                    if key in arrays:
                        msg = f"{key} is there twice"
                        raise ValueError(msg)
                    arrays[key] = np.asarray(root[layer][name], dtype=np.float32)
    except Exception as error:  # and likewise in the many layers of HDF5
        msg = f"{path} is no HDF5 file of Keras weights, or is damaged: {error}"
        raise ValueError(msg) from error
    return arrays


def _texts(attribute):
    # h5py gives bytes or str, as they were written.
    return [text.decode() if isinstance(text, bytes) else str(text) for text in attribute]


def _require_same(path, arrays, expected):
    """
    Refuse weights that are not, name by name and shape by shape, those of the architecture.
    """
    faults = []
    if missing := sorted(expected.keys() - arrays.keys()):
        faults.append(f"missing are {', '.join(missing)}")
    if additional := sorted(arrays.keys() - expected.keys()):
        faults.append(f"not known are {', '.join(additional)}")
    for name in sorted(expected.keys() & arrays.keys()):
        if arrays[name].shape != expected[name]:
            faults.append(f"{name} has shape {arrays[name].shape} instead of {expected[name]}")
        elif not np.isfinite(arrays[name]).all():
            faults.append(f"{name} is not finite")
    if faults:
        msg = f"{path} does not hold the weights of the published network: {'; '.join(faults)}."
        raise ValueError(msg)


def _require_license(work, accepted):
    if accepted != work.license:
        msg = (
            f"The weights of {work.title} are under the license {work.license} ({work.holder}; {work.repository}, "
            f"commit {work.commit}), and so is what is converted from them. "
            f"If you accept it, say so: accept_license={work.license!r}, or --accept-license {work.license}."
        )
        raise ValueError(msg)


def _require_free(out):
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        msg = f"{out} is there already; nothing is replaced: give another folder, or remove it."
        raise FileExistsError(msg)


def _warn_of_unknown(path, published):
    if published is None:
        warn_user(
            f"{path} is none of the published files (git hash-object {git_hash_of(path)}): it fits the architecture, "
            "but whose weights they are and how they were trained is not known.",
            stacklevel=2,
        )


def _write(model, out, path, work, source, name, purpose, settings):
    """
    Write the model with its card; the folder is complete or not there.
    """
    identified = source is not None
    source = f"{work.repository}/blob/{work.commit}/{source}" if identified else f"{path.name} (not a published file)"
    extra = {
        "name": name,
        "version": "1",
        "target": "hmi",
        "summary": f"{work.title}: {purpose}",
        "data": "Those of the paper",
        "limits": "Those of the paper; how well these weights do was not measured by this package",
        "license": work.license,
        "source": source,
        "source_sha256": sha256_of(path),
        "citation": work.citation,
    }
    origin = (
        "The weights are the authors', unchanged but for their names and layout."
        if identified
        else "The file is none of those that the authors published; it fits the architecture of their network."
    )
    header = "\n".join(f"{key}: {value}" for key, value in hub_license(work.license).items())
    card = f"""---
{header}
library_name: sunpy_superres
pipeline_tag: image-to-image
---

# {work.title}: {purpose}

{name}, version 1. Converted by sunpy_superres {__version__} from a file that the user downloaded. {origin}

- Source: {source}
- SHA-256 of the source: {extra["source_sha256"]}
- License of the weights: {work.license} ({work.holder}; its text is in {work.repository}, commit {work.commit})
- Please cite: {work.citation}
"""
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as folder:
        save_model(model, folder, extra=extra, **settings)
        (folder / CARD).write_text(card, encoding="utf-8")
    return out
