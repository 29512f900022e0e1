"""
What the protocols share: reading an image, making a Map of an array, running a method on it.
"""

import sys
from pathlib import Path

import numpy as np

from astropy.io import fits

import sunpy_superres
from sunpy_superres import metrics
from sunpy_superres._provenance import KEYS
from sunpy_superres.instruments import HMI_SCALE

__all__ = [
    "FACTOR",
    "about",
    "check_complete",
    "check_writable",
    "crop",
    "crop_edge",
    "input_map",
    "mean_gradient",
    "network_of",
    "peak_memory",
    "progress_bar",
    "ratio",
    "read_image",
]

#: Pixels of the truth per pixel of the input.
FACTOR = 4

_PROVENANCE = (*(key.lower() for key, _ in KEYS.values()), "srvers")


def read_image(path):
    """
    Read the first image of a FITS file as float32.
    """
    with fits.open(path) as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.header["NAXIS"] == 2:
                return np.array(hdu.data, dtype=np.float32)
    msg = f"{path} holds no image with two axes."
    raise ValueError(msg)


def crop(image, multiple):
    """
    Cut the far ends off so that both sides are a multiple.
    """
    ny, nx = (size // multiple * multiple for size in image.shape)
    if not ny or not nx:
        msg = f"An image of shape {image.shape} is too small."
        raise ValueError(msg)
    return image[:ny, :nx]


def crop_edge(image, edge):
    """
    Leave out an edge of the last two axes.
    """
    if min(image.shape[-2:]) <= 2 * edge:
        msg = f"Nothing is left of shape {image.shape} without an edge of {edge} pixels."
        raise ValueError(msg)
    return image[..., edge : image.shape[-2] - edge, edge : image.shape[-1] - edge]


def input_map(field, instrument="mdi"):
    """
    Make a Map of a field of an instrument on four times the grid of HMI.
    """
    from sunpy_superres.maps import from_array  # NOQA: PLC0415

    return from_array(field, scale=FACTOR * HMI_SCALE, instrument=instrument)


def check_complete(output, seen, name, factor=FACTOR):
    """
    Raise if an output has holes where its input has none: scores ignore NaN, and a failure must not hide there.
    """
    valid = np.kron(np.isfinite(seen), np.ones((factor, factor), dtype=bool))
    if output.shape[-2:] != valid.shape:
        msg = (
            f"{name} returned shape {output.shape} for an input of shape {seen.shape}, expected {valid.shape}: "
            f"a method of factor {factor} is needed."
        )
        raise ValueError(msg)
    if not np.isfinite(output[..., valid]).all():
        msg = f"{name} returned values that are not finite where its input is."
        raise ValueError(msg)


def about(protocol, meta, **settings):
    """
    What is needed to make the numbers again.
    """
    meta = {str(key).lower(): value for key, value in dict(meta or {}).items()}
    return {
        "protocol": protocol,
        "version": sunpy_superres.__version__,
        **settings,
        "provenance": {key: meta[key] for key in _PROVENANCE if key in meta},
    }


def progress_bar(items, *, show):
    """
    Wrap an iterable in a progress bar, or not.
    """
    if not show:
        return items
    from tqdm.auto import tqdm  # NOQA: PLC0415

    return tqdm(items, unit="image")


def check_writable(path):
    """
    Return a path to be written to, or raise `FileNotFoundError` if its folder does not exist: before hours of work.

    `None` is returned as it is.
    """
    if path is None:
        return None
    path = Path(path)
    if not path.parent.is_dir():
        msg = f"The folder {path.parent} does not exist."
        raise FileNotFoundError(msg)
    return path


def network_of(method, model, instrument):
    """
    The network of a method, in float32 on the CPU.
    """
    import torch  # NOQA: PLC0415

    from sunpy_superres.models import get_method  # NOQA: PLC0415
    from sunpy_superres.weights.loading import load, locate  # NOQA: PLC0415

    kind = get_method(method)
    if not kind.trained:
        return kind()
    return load(locate(model, method, instrument), torch.device("cpu"), torch.float32).model


def peak_memory():
    """
    The most memory that the process had until now, in GB; not on Windows, where this is an `ImportError`.
    """
    import resource  # NOQA: PLC0415

    # kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def ratio(value, reference):
    """
    One over the other, NaN where the other is 0.
    """
    return value / reference if reference else float("nan")


def mean_gradient(field):
    """
    Mean size of the Sobel gradient per pixel.
    """
    return metrics.gradient_error(field, np.zeros_like(field))
