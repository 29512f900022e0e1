"""
Whole images of the Sun for training a generator: drawn by class, mirrored and turned on the device that trains.

Imports neither sunpy nor astropy.
"""

import math
from collections import namedtuple
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch.nn import functional as F

from sunpy_superres.training.arrays import read_index, read_pixels, write_arrays

__all__ = ["Augmentation", "ImageBatch", "ImagePool", "ImageRecord", "turn", "write_images"]


@dataclass(frozen=True)
class ImageRecord:
    """
    One image of the pool.

    Parameters
    ----------
    name, time : `str`
        File or entry it came from, and its time.
    label : `int`
        GOES class, 0 to 4 for A to X.
    flux : `float`
        Logarithm (base 10) of the X-ray flux that gave the class, in W/m2.
    disk : `list` of `float`
        Column and row of the center of the disk, and the solar radius, in pixels.
    """

    name: str
    time: str
    label: int
    flux: float
    disk: list

    def as_dict(self):
        """
        Plain values, for JSON.
        """
        return asdict(self)


@dataclass(frozen=True)
class Augmentation:
    """
    How an image varies each time it is shown.

    Parameters
    ----------
    mirror : `bool`, optional
        Whether east and west, and north and south, are exchanged, each in half of the cases.
    turn : `float`, optional
        Largest rotation in degrees.
    turned : `float`, optional
        Part of the images that are rotated at all: rotation needs an interpolation, which blurs a little.
    balance : `float`, optional
        Classes are shown as often as the number of their images to one minus this power: 0 as they come, 1 all alike.
    forget_class, forget_flux : `float`, optional
        Part of the images whose class, or flux, is not told.
    """

    mirror: bool = True
    turn: float = 4.0
    turned: float = 0.5
    balance: float = 0.5
    forget_class: float = 0.2
    forget_flux: float = 0.5


#: Images (n, 1, y, x) from 0 to 1; labels and fluxes (n,), 5 and NaN where they are not told; disks (n, 3).
ImageBatch = namedtuple("ImageBatch", ["image", "label", "flux", "disk"])


def write_images(folder, images, records, scaling):
    """
    Write images for training; each file is complete or not there.

    Parameters
    ----------
    folder : path-like
        Where to; made if it is not there.
    images : `numpy.ndarray`
        Unsigned integers whose largest value stands for 1, shape (n, y, x), the first row in the south.
    records : iterable of `ImageRecord`
        One for each.
    scaling : {"display", "log"}
        What 0 and 1 mean; see `~sunpy_superres.models.class_diffusion.ClassDiffusion`.
    """
    index = {"scaling": scaling, "images": [record.as_dict() for record in records]}
    write_arrays(folder, np.ascontiguousarray(images), index)


def _read_images(folder):
    index = read_index(folder)
    if not isinstance(index, dict) or "images" not in index:
        msg = f"{folder} holds no whole images: prepare them with `sunpy-superres prepare-images`."
        raise ValueError(msg)
    return index, read_pixels(folder)


def turn(image, disk, angle):
    """
    Turn images about the center of the disk, which stays where it is.

    Parameters
    ----------
    image : `torch.Tensor`
        Shape (n, 1, side, side), from 0 to 1. What comes in from beyond the frame is its mirror image.
    disk : `torch.Tensor`
        Column and row of the center, and the radius, in pixels; shape (n, 3).
    angle : `torch.Tensor`
        In radians, shape (n,).

    Returns
    -------
    `torch.Tensor`
        Of the shape of the images.
    """
    side = image.shape[-1]
    pixels = torch.arange(side, device=image.device, dtype=torch.float32)
    x0, y0, _ = disk[:, :, None, None].unbind(1)
    x, y = pixels[None, None, :] - x0, pixels[None, :, None] - y0
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    grid = torch.stack([cos * x - sin * y + x0, sin * x + cos * y + y0], dim=-1)
    found = F.grid_sample(
        image, (2 * grid + 1) / side - 1, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return found.clamp(0, 1)


class ImagePool:
    """
    All images on one device, and batches drawn from them.

    Parameters
    ----------
    folder : path-like or `list` of path-like
        Written by `write_images`; several count as one.
    augmentation : `Augmentation`, optional
        How images vary.
    exclude : iterable of `str`, optional
        Parts of the times or names of images that are left out.
    device : `str` or `torch.device`, optional
        Where the pixels live.

    Raises
    ------
    FileNotFoundError
        If the folder was not prepared.
    ValueError
        If it holds other data, several do not go together, or every image is excluded.
    """

    #: What whoever trains on it should know, or `None`.
    remark = None

    def __init__(self, folder, *, augmentation=None, exclude=(), device="cpu"):
        folders = folder if isinstance(folder, list | tuple) else [folder]
        self.augmentation = augmentation or Augmentation()
        indices, pixels = zip(*(_read_images(one) for one in folders), strict=True)
        if len({(i["scaling"], p.dtype, p.shape[1:]) for i, p in zip(indices, pixels, strict=True)}) > 1:
            msg = f"The images of {', '.join(map(str, folders))} differ in size or scaling."
            raise ValueError(msg)
        self.scaling = indices[0]["scaling"]
        records = [ImageRecord(**record) for index in indices for record in index["images"]]
        kept = [i for i, r in enumerate(records) if not any(part in r.time or part in r.name for part in exclude)]
        if not kept:
            msg = f"Every image in {', '.join(map(str, folders))} is excluded."
            raise ValueError(msg)
        self.records = [records[i] for i in kept]
        pixels = np.concatenate(pixels)[kept]
        self._scale = float(np.iinfo(pixels.dtype).max)
        self._pixels = torch.from_numpy(pixels).to(device)
        self.labels = torch.tensor([r.label for r in self.records], device=device)
        self._fluxes = torch.tensor([r.flux for r in self.records], device=device)
        self.disks = torch.tensor([r.disk for r in self.records], device=device)
        count = torch.bincount(self.labels, minlength=5)[self.labels].float()
        self._weights = count**-self.augmentation.balance

    @property
    def device(self):
        """
        Where the pixels live.
        """
        return self._pixels.device

    @property
    def size(self):
        """
        Pixels of an image along each axis.
        """
        return self._pixels.shape[-1]

    def image(self, number):
        """
        One image as it is, from 0 to 1, as a `numpy.ndarray`.
        """
        return (self._pixels[number].cpu().numpy() / self._scale).astype(np.float32)

    def draw(self, n, generator):
        """
        Draw images by class, and vary them.

        Parameters
        ----------
        n : `int`
            Number of images.
        generator : `torch.Generator`
            Random numbers.

        Returns
        -------
        `ImageBatch`
        """
        return self.vary(self.choose(n, generator), generator)

    def choose(self, n, generator):
        """
        Numbers of images drawn by class.
        """
        return torch.multinomial(self._weights, n, replacement=True, generator=generator)

    def vary(self, chosen, generator):
        """
        Images by their numbers, varied; see `draw`.
        """
        options, n = self.augmentation, len(chosen)

        def uniform():
            return torch.rand(n, generator=generator, device=self.device)

        image = self._pixels[chosen][:, None].float() / self._scale
        label, flux, disk = self.labels[chosen], self._fluxes[chosen], self.disks[chosen].clone()
        for axis in (2, 3):
            flip = (uniform() < 0.5) & options.mirror
            image = torch.where(flip[:, None, None, None], image.flip(axis), image)
            place = 1 if axis == 2 else 0
            disk[:, place] = torch.where(flip, self.size - 1 - disk[:, place], disk[:, place])
        angle = math.radians(options.turn) * (2 * uniform() - 1)
        turned = uniform() < options.turned
        image = torch.where(turned[:, None, None, None], turn(image, disk, angle), image)
        label = torch.where(uniform() < options.forget_class, 5, label)
        flux = torch.where(uniform() < options.forget_flux, torch.nan, flux)
        return ImageBatch(image, label, flux, disk)
