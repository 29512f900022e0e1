"""
How alike magnetograms look, and the features of images, by networks that were trained on photographs.

The packages come with the extra ``perceptual``; torchvision, which they need, must be built for the installed torch.
The weights are fetched when first used, into the caches of torch (``TORCH_HOME``) and of the Hugging Face Hub
(``HF_HOME``), which can be copied to a machine without a network:

========================== =========================================== ==============================================
network                    weights                                     license
========================== =========================================== ==============================================
LPIPS, linear layers       in the package ``lpips``                    BSD-2-Clause
LPIPS, the network below   AlexNet, VGG-16 or SqueezeNet 1.1, trained  BSD-3-Clause code; torchvision leaves it to the
                           on ImageNet, from torchvision               user whether the terms of ImageNet apply
Inception-V3               2015-12-05, trained on ImageNet, from       Apache-2.0
                           release 0.2.0 of ``torch-fidelity``
CLIP                       ``openai/clip-vit-base-patch16`` on the     released with the code of ``openai/CLIP``, MIT
                           Hugging Face Hub
========================== =========================================== ==============================================

None of them has seen the Sun: quote the distances beside those of other features and beside scores in gauss.
"""

import functools
import math
import warnings
from contextlib import contextmanager

import numpy as np

from sunpy_superres.metrics._arrays import as_array, in_unit, same_shape

__all__ = [
    "LPIPS_NETS",
    "clip_features",
    "extract",
    "inception_features",
    "lpips",
    "open_clip",
    "open_inception",
    "open_lpips",
]

#: Networks that LPIPS is defined for.
LPIPS_NETS = ("alex", "vgg", "squeeze")

#: Images at a time.
_BATCH = 64
#: Fewest pixels along an axis, so that the last layer of every network has one.
_SMALLEST = 32


def lpips(pred, truth, *, net="alex", data_range=6000, patch=512, network=None):
    r"""
    Learned perceptual image patch similarity of two magnetograms.

    .. math:: \sum_l \Big\langle \big\| w_l \odot (\hat\varphi_l(P) - \hat\varphi_l(G)) \big\|^2 \Big\rangle_{y, x}

    with the features :math:`\hat\varphi_l` of the layers of a network, of unit length at each place, and the learned
    weights :math:`w_l`. [1]_ The field is clipped to half the data range on both sides, scaled to -1...1, and given
    to all three color channels.

    Parameters
    ----------
    pred, truth : array-like
        Prediction P and truth G, same shape: (y, x), or (n, y, x) for n images together.
    net : {"alex", "vgg", "squeeze"}, optional
        The network; results of different ones cannot be compared. Defaults to ``"alex"``.
    data_range : `float` or `~astropy.units.Quantity`, optional
        Range R of the field, in the unit of the truth unless it has one: clipped to ±R/2. Defaults to 6000, for fields
        in gauss. Quote it beside the result.
    patch : `int`, optional
        Images longer than this are cut into equal parts that are not, without overlap, to save memory. Defaults to
        512.
    network : callable, optional
        What `open_lpips` returns, on any device. Defaults to that, opened once.

    Returns
    -------
    `float`
        0 for equal images, larger for less similar ones; the mean over places.

    Raises
    ------
    ValueError
        If the shapes differ, an image is smaller than 32 pixels, no pixel is finite in both, or an option is out of
        range.
    RuntimeError
        If packages are missing, or weights that cannot be fetched.

    Notes
    -----
    Pixels that are not finite in both are 0 G in both, so that nothing differs there, and the sum over places is
    divided by the number of the pixels that are finite: what is missing, such as the sky around the disk, neither
    raises nor lowers the result, but within the reach of the network at its border. Of half an image of 512 pixels,
    differing by noise, that is an eighth more.

    References
    ----------
    .. [1] Zhang et al. 2018, arXiv:1801.03924

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics.perceptual import lpips
    >>> truth = np.zeros((64, 64))
    >>> lpips(truth + 300, truth, net="vgg")  # doctest: +SKIP

    Any network that compares images can take its place, here one that sees the squared difference:

    >>> lpips(truth + 300, truth, network=lambda a, b: ((a - b) ** 2).mean(dim=(1, 2, 3)))
    0.01
    """
    import torch  # NOQA: PLC0415

    data_range = in_unit(data_range, "data_range", truth, pred)
    pred, truth = same_shape(pred, truth)
    if pred.ndim not in (2, 3) or min(pred.shape[-2:]) < _SMALLEST:
        msg = f"Expected images of shape (y, x) or (n, y, x) and at least {_SMALLEST} pixels, got shape {pred.shape}."
        raise ValueError(msg)
    if not data_range > 0 or not patch >= 2 * _SMALLEST:
        msg = f"data_range must be positive and patch at least {2 * _SMALLEST}, got {data_range!r} and {patch!r}."
        raise ValueError(msg)
    valid = np.isfinite(pred) & np.isfinite(truth)
    if not valid.any():
        msg = "No pixel is finite in both the prediction and the truth."
        raise ValueError(msg)
    network = network or _opened(open_lpips, net)
    device, dtype = _place(network)
    total = 0.0
    for where in _parts(valid.shape, patch):
        if not valid[where].any():
            continue
        images = []
        for field in (pred, truth):
            scaled = np.clip(np.where(valid[where], field[where], 0) / (data_range / 2), -1, 1)
            images.append(torch.from_numpy(scaled).to(device, dtype).expand(1, 3, -1, -1))
        with torch.inference_mode():
            total += float(network(*images)) * valid[where].size
    return total / int(np.count_nonzero(valid))


def open_lpips(net="alex"):
    """
    Open the network of `lpips`.

    Parameters
    ----------
    net : {"alex", "vgg", "squeeze"}, optional
        Which one. Defaults to ``"alex"``.

    Returns
    -------
    `torch.nn.Module`
        From two batches of images, (n, 3, y, x) in -1...1, to distances. On the CPU.

    Raises
    ------
    ValueError
        If there is no such network.
    RuntimeError
        If packages are missing, or weights that cannot be fetched.

    Examples
    --------
    >>> from sunpy_superres.metrics.perceptual import lpips, open_lpips
    >>> network = open_lpips("vgg").to("cuda")  # doctest: +SKIP
    >>> lpips(pred, truth, network=network)  # doctest: +SKIP
    """
    if net not in LPIPS_NETS:
        msg = f"net must be one of {', '.join(LPIPS_NETS)}, got {net!r}."
        raise ValueError(msg)
    with _packages("LPIPS"):
        from lpips import LPIPS  # NOQA: PLC0415
    with _weights("LPIPS"):
        return LPIPS(net=net, verbose=False).requires_grad_(False)


def open_inception(network=None):
    """
    Open Inception-V3, whose features the Fréchet and kernel distances of the literature are of.

    Parameters
    ----------
    network : callable, optional
        One that takes colors (n, 3, y, x) of 8 bits, instead of the published one.

    Returns
    -------
    callable
        From images, a tensor (n, 1, y, x) from 0 to 1, to 2048 features each. Images are rounded to 8 bits.

    Raises
    ------
    RuntimeError
        If packages are missing, or weights that cannot be fetched.

    Examples
    --------
    >>> from sunpy_superres.metrics.perceptual import extract, open_inception
    >>> features = extract(open_inception(), images)  # doctest: +SKIP
    """
    if network is None:
        with _packages("Inception-V3"):
            from torchmetrics.image.fid import NoTrainInceptionV3  # NOQA: PLC0415
        # Where torch-fidelity is missing, only the call says so.
        with _packages("Inception-V3", only_missing=True), _weights("Inception-V3"):
            network = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])

    def features(images):
        colors = (255 * images).round().byte().expand(-1, 3, -1, -1)
        return network(colors.to(_place(network)[0]))

    return features


def open_clip(network=None):
    """
    Open CLIP ViT-B/16, which was trained on images with their captions.

    Parameters
    ----------
    network : `transformers.CLIPModel`, optional
        Another one than the published.

    Returns
    -------
    callable
        From images, a tensor (n, 1, y, x) from 0 to 1, to 512 features each. Images are resized to 224 pixels.

    Raises
    ------
    RuntimeError
        If packages are missing, or weights that cannot be fetched.

    Examples
    --------
    >>> from sunpy_superres.metrics.perceptual import extract, open_clip
    >>> features = extract(open_clip(), images)  # doctest: +SKIP
    """
    import torch  # NOQA: PLC0415

    if network is None:
        with _packages("CLIP"):
            from transformers import CLIPModel  # NOQA: PLC0415
        with _weights("CLIP"):
            network = CLIPModel.from_pretrained("openai/clip-vit-base-patch16")
    network = network.eval()
    device, dtype = _place(network)
    # What CLIP was trained on had these means and standard deviations, at this size.
    mean, std = (
        torch.tensor(values, device=device, dtype=dtype)[:, None, None]
        for values in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    )

    def features(images):
        images = images.to(device, dtype)
        large = torch.nn.functional.interpolate(images, size=(224, 224), mode="bicubic", antialias=True).clamp(0, 1)
        found = network.get_image_features(pixel_values=(large.expand(-1, 3, -1, -1) - mean) / std)
        return getattr(found, "pooler_output", found)  # of later versions an object that holds the features

    return features


def inception_features(images, *, data_range=None, network=None):
    """
    Features of Inception-V3, for `~sunpy_superres.metrics.kernel_distance` and its kin.

    Parameters
    ----------
    images : array-like
        Shape (n, y, x). From 0 to 1, or magnetograms with a ``data_range``.
    data_range : `float` or `~astropy.units.Quantity`, optional
        Range R of magnetograms, in their unit unless it has one: clipped to ±R/2 and scaled to 0...1, and 0 G where
        they are not finite. The network sees 8 bits, steps of R/255.
    network : callable, optional
        As for `open_inception`. Defaults to the published network, opened once.

    Returns
    -------
    `numpy.ndarray`
        Shape (n, 2048).

    Raises
    ------
    ValueError
        If the shape is not (n, y, x), or values are outside of 0...1 or not finite without a data range.
    RuntimeError
        If packages are missing, or weights that cannot be fetched.

    References
    ----------
    Szegedy et al. 2016, arXiv:1512.00567; Heusel et al. 2017, arXiv:1706.08500.

    Examples
    --------
    >>> from sunpy_superres.metrics import kernel_distance
    >>> from sunpy_superres.metrics.perceptual import inception_features
    >>> kernel_distance(*(inception_features(b, data_range=6000) for b in (truths, samples)))  # doctest: +SKIP
    """
    images = _display(images, data_range)
    return extract(open_inception(network) if network else _opened(open_inception), images)


def clip_features(images, *, data_range=None, network=None):
    """
    Features of CLIP, for `~sunpy_superres.metrics.kernel_distance` and its kin.

    Parameters
    ----------
    images : array-like
        Shape (n, y, x). From 0 to 1, or magnetograms with a ``data_range``.
    data_range : `float` or `~astropy.units.Quantity`, optional
        Range R of magnetograms, in their unit unless it has one: clipped to ±R/2 and scaled to 0...1, and 0 G where
        they are not finite.
    network : `transformers.CLIPModel`, optional
        As for `open_clip`. Defaults to the published network, opened once.

    Returns
    -------
    `numpy.ndarray`
        Shape (n, 512).

    Raises
    ------
    ValueError
        If the shape is not (n, y, x), or values are outside of 0...1 or not finite without a data range.
    RuntimeError
        If packages are missing, or weights that cannot be fetched.

    References
    ----------
    Radford et al. 2021, arXiv:2103.00020.

    Examples
    --------
    >>> from sunpy_superres.metrics import kernel_distance
    >>> from sunpy_superres.metrics.perceptual import clip_features
    >>> kernel_distance(*(clip_features(b, data_range=6000) for b in (truths, samples)))  # doctest: +SKIP
    """
    images = _display(images, data_range)
    return extract(open_clip(network) if network else _opened(open_clip), images)


def extract(extractor, images):
    """
    Features of images, some at a time.

    Parameters
    ----------
    extractor : callable
        From images, a tensor (n, 1, y, x), to a tensor (n, features).
    images : `numpy.ndarray`
        Shape (n, y, x), from 0 to 1.

    Returns
    -------
    `numpy.ndarray`
        Shape (n, features).

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.metrics.perceptual import extract
    >>> extract(lambda images: images.mean(dim=(2, 3)), np.ones((3, 8, 8))).shape
    (3, 1)
    """
    import torch  # NOQA: PLC0415

    device = _place(extractor)[0]
    with torch.inference_mode():
        pieces = [
            extractor(torch.from_numpy(images[i : i + _BATCH].astype(np.float32))[:, None].to(device)).float().cpu()
            for i in range(0, len(images), _BATCH)
        ]
    return torch.cat(pieces).numpy()


def _display(images, data_range):
    data_range = in_unit(data_range, "data_range", images)
    images = as_array(images)
    if images.ndim != 3 or not len(images):
        msg = f"Expected images of shape (n, y, x), got {images.shape}."
        raise ValueError(msg)
    if data_range is None:
        if not np.all((images >= 0) & (images <= 1)):
            msg = "Images must lie between 0 and 1 and be finite; for magnetograms give data_range, such as 6000."
            raise ValueError(msg)
        return images
    if not data_range > 0:
        msg = f"data_range must be positive, got {data_range!r}."
        raise ValueError(msg)
    return np.clip(np.where(np.isfinite(images), images, 0) / data_range + 0.5, 0, 1)


def _parts(shape, patch):
    """
    Index of each part, of two dimensions and no side longer than patch, of an image or of each of many.
    """
    for i in np.ndindex(shape[:-2]):
        edges = [np.linspace(0, n, math.ceil(n / patch) + 1).astype(int).tolist() for n in shape[-2:]]
        for top, bottom in zip(edges[0], edges[0][1:], strict=False):
            for left, right in zip(edges[1], edges[1][1:], strict=False):
                yield *i, slice(top, bottom), slice(left, right)


@functools.cache
def _opened(opener, *arguments):
    return opener(*arguments)


def _place(network):
    """
    Device and floating type of a network; those of torch where it has no weights.
    """
    import torch  # NOQA: PLC0415

    some = next(network.parameters(), None) if hasattr(network, "parameters") else None
    return (torch.device("cpu"), torch.float32) if some is None else (some.device, some.dtype)


@contextmanager
def _packages(name, *, only_missing=False):
    try:
        with _quiet():
            yield
    except ImportError as error:
        msg = f"{name} needs more packages: with the source, pip install '.[perceptual]' ({error})."
        raise RuntimeError(msg) from error
    except (OSError, RuntimeError) as error:
        if only_missing:
            raise
        msg = f"The packages that {name} needs do not fit together; torchvision must be built for the installed torch, "
        msg += f"and come from where that came from ({error})."
        raise RuntimeError(msg) from error


@contextmanager
def _weights(name):
    try:
        with _quiet():
            yield
    except (OSError, RuntimeError) as error:
        msg = f"The weights of {name} could not be fetched or read: {error}. They are fetched once; without a "
        msg += "network, copy the caches of a machine that has them (TORCH_HOME, HF_HOME)."
        raise RuntimeError(msg) from error


@contextmanager
def _quiet():
    # What these packages find deprecated in each other.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
