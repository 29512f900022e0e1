"""
Patches for training: cut, turned and degraded on the device that trains.

Imports neither sunpy nor astropy.
"""

import math
from collections import namedtuple
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch.nn import functional as F

from sunpy_superres.degradation import blur_and_bin, sharpening_kernel
from sunpy_superres.instruments import HMI_SCALE, get_instrument
from sunpy_superres.training.arrays import read_index, read_pixels

__all__ = ["SIMULATION", "STEPS", "Batch", "Jitter", "PatchPool", "Record", "open_pools"]

#: One step of the stored integers by quantity: in gauss, and in intensities of the quiet Sun.
STEPS = {"magnetogram": 0.1, "continuum": 1e-4}
#: Region of the fields that are simulated and not observed.
SIMULATION = "simulation"
# Standard deviation, in steps, below which a patch is quiet: 25 G, or 2.5 % of the quiet Sun.
_QUIET = 250


@dataclass(frozen=True)
class Record:
    """
    One field of the pool.

    Parameters
    ----------
    name, region : `str`
        File it came from, and the active region (frames of one region are not independent).
    offset : `int`
        Place of its first pixel in the array.
    shape : `tuple` of `int`
        Shape (y, x).
    plane : `list` of `float`
        Distance from disk center in solar radii: value at the middle, slopes per pixel in y and x.
    quantity : {"magnetogram", "continuum"}, optional
        What it shows.
    time : `str`, optional
        When it was observed, ISO 8601.
    seen : `int`, optional
        Place in the array of the first pixel of the low-resolution field that was observed of the same Sun, in the
        units and steps of the fine one, shape // factor; `None` where there is none.
    factor : `int`, optional
        Fine pixels of one of its pixels, along each axis.
    instrument : `str`, optional
        Whose it is.
    """

    name: str
    region: str
    offset: int
    shape: tuple
    plane: list
    quantity: str = "magnetogram"
    time: str | None = None
    seen: int | None = None
    factor: int | None = None
    instrument: str | None = None

    def as_dict(self):
        """
        Plain values, for JSON.
        """
        return asdict(self)


@dataclass(frozen=True)
class Jitter:
    """
    How the forward operator varies from patch to patch.

    A part of the patches (``core``) has the operator of the instrument with little variation; the others
    vary widely, and some have no blur and little noise, as HMI rebinned has.

    Parameters
    ----------
    instrument : `str`, optional
        Name of the instrument whose operator is the core.
    core, sharp : `float`, optional
        Fraction of the patches near the instrument's operator, and of those that are merely rebinned.
    fwhm : `tuple` of `float`, optional
        Widest range of the blur in arcsec.
    noise : `tuple` of `float`, optional
        Widest range of the noise in gauss of the instrument, drawn in its logarithm.
    gain : `float`, optional
        Standard deviation of the relative error of the calibration.
    sharpening : `bool`, optional
        Whether `~sunpy_superres.degradation.sharpening_kernel` blurs the fields before all else.
    tails : `tuple` of `float`, optional
        Range of the strength of its tails, from 0 for a point-spread function without any to 1 for that of the paper.
    contrast : `tuple` of `float`, optional
        Range of a factor on the contrast of simulated continuum images.
    blur, grain : `float`, optional
        Blur in arcsec and noise in gauss of the core, where they are not those of the instrument: a network that
        sharpens an instrument's own images is trained on those images, blurred as much as they are themselves.
    """

    instrument: str = "mdi"
    core: float = 0.8
    sharp: float = 0.08
    fwhm: tuple = (2.0, 4.5)
    noise: tuple = (3.0, 30.0)
    gain: float = 0.03
    sharpening: bool = False
    tails: tuple = (1.0, 1.0)
    contrast: tuple = (1.0, 1.0)
    blur: float | None = None
    grain: float | None = None


#: Pairs: truth (n, 1, f y, f x); field, radius and window (1 on the disk, 0 off it), each (n, 1, y, x).
Batch = namedtuple("Batch", ["truth", "field", "radius", "window"])


class PatchPool:
    """
    All fields on one device, and patches drawn from them: degraded as `Jitter` says or, where the low-resolution field
    was observed too, pairs of real observations.

    Parameters
    ----------
    folder : path-like
        Written by `sunpy_superres.training.prepare.prepare` or `sunpy_superres.training.prepare_pairs.prepare_pairs`.
    size : `int`, optional
        Fine pixels of a patch along each axis.
    factor : `int`, optional
        Fine pixels per low-resolution pixel.
    jitter : `Jitter`, optional
        Variation of the forward operator.
    exclude : iterable of `str`, optional
        Parts of the names of files whose fields are left out; ``region:NAME`` for the fields of a region.
    quiet : `float`, optional
        Weight of a patch whose standard deviation is below 25 G (2.5 % of a continuum), relative to the others.
    simulated : `float`, optional
        Part of the patches that come from simulations, where there are any.
    device : `str` or `torch.device`, optional
        Where the pixels live.

    Raises
    ------
    FileNotFoundError
        If the folder was not prepared.
    ValueError
        If the folder holds other data, or every field is excluded.
    """

    _stride = 32

    def __init__(self, folder, *, size=256, factor=4, jitter=None, exclude=(), quiet=0.2, simulated=0.5, device="cpu"):
        index = read_index(folder)
        if not isinstance(index, list):
            msg = f"{folder} holds images of the whole Sun, not fields that patches are cut from."
            raise ValueError(msg)
        self.factor, self.size = factor, size
        self.jitter = jitter or Jitter()
        # Low-resolution pixels around a patch that absorb the edges of the blur: two and a half sigma of the widest.
        self.margin = max(4, math.ceil(2.5 / 2.355 * self.jitter.fwhm[1] / (HMI_SCALE * factor)))
        if self.jitter.sharpening:
            self.margin += -(-(len(sharpening_kernel()) // 2) // factor)
        records = [Record(**record) for record in index]
        self.records = [
            r for r in records if not any(part in r.name or part == f"region:{r.region}" for part in exclude)
        ]
        if not self.records:
            msg = f"Every field in {folder} is excluded."
            raise ValueError(msg)
        quantities = {record.quantity for record in self.records}
        if len(quantities) > 1:
            msg = f"{folder} holds both magnetograms and continuum images; prepare them into different folders."
            raise ValueError(msg)
        (self.quantity,) = quantities
        #: Whether the low-resolution fields were observed, and not made from the fine ones.
        self.paired = self.records[0].seen is not None
        if any((record.seen is not None) != self.paired for record in self.records):
            msg = f"{folder} holds both pairs and single fields; prepare them into different folders."
            raise ValueError(msg)
        if self.paired:
            self.margin = 0  # nothing is blurred
            self._check_pairs(folder)
        pixels = read_pixels(folder)
        whole = size + 2 * self.margin * factor

        def cut(offset, shape, step):
            # Fields smaller than a patch are mirrored at their edges, by whole low-resolution pixels.
            field = pixels[offset : offset + int(np.prod(shape))].reshape(shape)
            lack = [max(0, whole // step - n) for n in shape]
            unit = factor // step
            pad = [(n // 2 // unit * unit, n - n // 2 // unit * unit) for n in lack]
            return np.pad(field, pad, mode="symmetric")

        fields = [cut(record.offset, record.shape, 1) for record in self.records]
        self._offsets, self._pixels = _joined(fields, device)
        if self.paired:
            coarse = [cut(r.seen, tuple(n // factor for n in r.shape), factor) for r in self.records]
            self._seen_offsets, self._seen = _joined(coarse, device)
        self._widths = torch.tensor([f.shape[1] for f in fields], device=device)
        self._middles = torch.tensor([[(n - 1) / 2 for n in f.shape] for f in fields], device=device)
        self._simulated = torch.tensor([r.region == SIMULATION for r in self.records], device=device)
        self._planes = torch.tensor([r.plane for r in self.records], device=device)
        self._whole = whole
        self._corners, self._weights = self._candidates(fields, quiet, simulated, device)
        self._transfers = None
        if self.jitter.sharpening:
            self._transfers = [self._transfer(kernel) for kernel in (sharpening_kernel(tails=0), sharpening_kernel())]

    def _check_pairs(self, folder):
        for record in self.records:
            if record.factor not in (None, self.factor):
                msg = f"{folder} holds pairs of a factor of {record.factor}, and {self.factor} is needed."
                raise ValueError(msg)
            if record.instrument not in (None, self.jitter.instrument):
                msg = f"{folder} holds pairs of {record.instrument}, and those of {self.jitter.instrument} are needed."
                raise ValueError(msg)

    @property
    def simulated(self):
        """
        Whether any field is simulated.
        """
        return bool(self._simulated.any())

    @property
    def remark(self):
        """
        What whoever trains on it should know, or `None`.
        """
        lacking = self.quantity == "continuum" and not self.simulated
        return "no simulation, all patches come from observations" if lacking else None

    @property
    def device(self):
        """
        Device of the pixels.
        """
        return self._pixels.device

    def _transfer(self, kernel):
        placed = torch.zeros(self._whole, self._whole, device=self.device)
        placed[: len(kernel), : len(kernel)] = torch.from_numpy(kernel.copy())
        return torch.fft.rfft2(placed.roll([-(len(kernel) // 2)] * 2, dims=(0, 1)))

    def _candidates(self, fields, quiet, simulated, device):
        frames = {}
        for record in self.records:
            frames[record.region] = frames.get(record.region, 0) + 1
        corners, weights, simulations = [], [], []
        for i, (field, record) in enumerate(zip(fields, self.records, strict=True)):
            tops = range(0, field.shape[0] - self._whole + 1, self._stride)
            lefts = range(0, field.shape[1] - self._whole + 1, self._stride)
            for top in tops:
                for left in lefts:
                    patch = field[top : top + self._whole : 2, left : left + self._whole : 2]
                    active = patch.std(dtype=np.float32) > _QUIET
                    corners.append((i, top, left, field.shape[0] - self._whole, field.shape[1] - self._whole))
                    # A region seen in many frames counts for less than as many regions.
                    weights.append((1.0 if active else quiet) / frames[record.region] ** 0.5)
                    simulations.append(record.region == SIMULATION)
        weights, simulations = torch.tensor(weights, device=device), torch.tensor(simulations, device=device)
        if simulations.any() and not simulations.all():
            for which, share in ((simulations, simulated), (~simulations, 1 - simulated)):
                weights[which] *= share / weights[which].sum()
        return torch.tensor(corners, device=device), weights

    def draw(self, n, generator):
        """
        Draw patches.

        Parameters
        ----------
        n : `int`
            Number of patches.
        generator : `torch.Generator`
            On the pool's device; its state alone decides what is drawn.

        Returns
        -------
        `Batch`
        """
        device, whole = self.device, self._whole

        def uniform(*shape):
            return torch.rand(shape, generator=generator, device=device)

        chosen = torch.multinomial(self._weights, n, replacement=True, generator=generator)
        image, top, left, below, right = self._corners[chosen].T
        move = (uniform(2, n) * self._stride).long()
        if self.paired:
            move = move // self.factor * self.factor
        top, left = torch.minimum(top + move[0], below), torch.minimum(left + move[1], right)
        truth = self._cut(self._pixels, self._offsets, image, top, left, 1)
        # Distance from disk center on the low-resolution grid; for some patches one that tells nothing.
        center = (torch.arange(whole // self.factor, device=device) + 0.5) * self.factor - 0.5
        plane = self._planes[image]
        dy = (top[:, None] + center - self._middles[image][:, :1])[:, :, None]
        dx = (left[:, None] + center - self._middles[image][:, 1:])[:, None, :]
        radius = plane[:, 0, None, None] + plane[:, 1, None, None] * dy + plane[:, 2, None, None] * dx
        unknown = uniform(n) < 0.3
        radius = torch.where(unknown[:, None, None], uniform(n)[:, None, None], radius)[:, None]
        # The eight symmetries of the square and, of a field, both polarities and a little less or more of it.
        flip = uniform(4, n) < 0.5
        truth, radius = (_turned(part, flip) for part in (truth, radius))
        field = None
        if self.paired:
            field = _turned(self._cut(self._seen, self._seen_offsets, image, top, left, self.factor), flip)
        if self.quantity == "magnetogram":
            sign = torch.where(flip[3], 1.0, -1.0) * (0.85 + 0.3 * uniform(n))
            truth = truth * sign[:, None, None, None]
            field = None if field is None else field * sign[:, None, None, None]
        else:
            factor = _between(self.jitter.contrast, n, uniform)
            truth = torch.where(self._simulated[image][:, None, None, None], 1 + (truth - 1) * factor, truth)
        if field is None:
            field = self._degrade(truth, n, uniform, generator)
            m = self.margin
            truth = truth[..., m * self.factor : -m * self.factor, m * self.factor : -m * self.factor]
            field, radius = field[..., m:-m, m:-m], radius[..., m:-m, m:-m]
        window = self._limb(n, field.shape[-1], uniform)
        return Batch(truth * F.interpolate(window, scale_factor=self.factor), field * window, radius, window)

    def _cut(self, pixels, offsets, image, top, left, step):
        """
        Patches of fields whose pixels are so many times those of the fine ones.
        """
        widths = (self._widths[image] // step)[:, None, None]
        steps = torch.arange(self._whole // step, device=self.device)
        start = (offsets[image] + top // step * (self._widths[image] // step) + left // step)[:, None, None]
        return pixels[start + steps[:, None] * widths + steps].float()[:, None] * STEPS[self.quantity]

    def _degrade(self, truth, n, uniform, generator):
        other, jitter = get_instrument(self.jitter.instrument), self.jitter

        def normal(*shape):
            return torch.randn(shape, generator=generator, device=self.device)

        blur = other.psf_fwhm if jitter.blur is None else jitter.blur
        grain = other.noise if jitter.grain is None else jitter.grain
        kind = uniform(n)
        core, sharp = kind < jitter.core, kind > 1 - jitter.sharp
        low, high = jitter.fwhm
        fwhm = low + (high - low) * uniform(n)
        fwhm = torch.where(core, blur + 0.15 * normal(n), fwhm)
        fwhm = torch.where(sharp, 1.0 * uniform(n), fwhm)
        # Hardly any point-spread function is quite round.
        fwhm = (fwhm[:, None] * (1 + 0.04 * normal(n, 2))).clamp(0, 1.2 * high) / HMI_SCALE
        offset = uniform(n, 2) - 0.5
        offset = torch.where((core & (uniform(n) < 0.7))[:, None], torch.zeros_like(offset), offset)
        if self._transfers is not None:
            # What comes in over the opposite edge stays within the margin.
            transfer = torch.lerp(*self._transfers, _between(jitter.tails, n, uniform).to(self._transfers[0].dtype))
            truth = torch.fft.irfft2(torch.fft.rfft2(truth) * transfer, s=truth.shape[-2:])
        seen = blur_and_bin(truth, fwhm, offset, self.factor)
        log_low, log_high = (float(np.log(v)) for v in jitter.noise)
        noise = torch.exp(log_low + (log_high - log_low) * uniform(n))
        noise = torch.where(core, grain * (1 + 0.08 * normal(n)), noise)
        noise = torch.where(sharp, 0.25 * noise, noise).clamp_min(0) * other.to_hmi
        white = normal(*seen.shape)
        # Interpolated archives have noise that is correlated from pixel to pixel.
        smooth = F.avg_pool2d(F.pad(white, (1, 1, 1, 1), mode="reflect"), 3, stride=1) * 3
        mixed = torch.where(((~core) & (uniform(n) < 0.3))[:, None, None, None], smooth, white)
        gain = 1 + torch.where(core | sharp, 0.3, 1.0) * jitter.gain * normal(n)
        return seen * gain[:, None, None, None] + mixed * noise[:, None, None, None]

    def _limb(self, n, size, uniform, cell=4):
        """
        For one patch in ten, a straight edge beyond which there is no disk; along whole cells, as at inference.
        """
        cells = (torch.arange(size // cell, device=self.device) + 0.5) / (size // cell) - 0.5
        angle = 2 * torch.pi * uniform(n)[:, None, None]
        distance = angle.cos() * cells[:, None] + angle.sin() * cells - (0.6 * uniform(n) - 0.1)[:, None, None]
        inside = (distance < 0) | (uniform(n) > 0.1)[:, None, None]
        return F.interpolate(inside[:, None].float(), scale_factor=cell)


def _joined(fields, device):
    """
    Offsets of fields in one array of all pixels, and the array.
    """
    offsets = torch.from_numpy(np.cumsum([0, *(field.size for field in fields[:-1])])).to(device)
    return offsets, torch.from_numpy(np.concatenate([field.ravel() for field in fields])).to(device)


def _turned(part, flip):
    """
    Patches, each mirrored and transposed or not.
    """
    for axis, which in ((-1, flip[0]), (-2, flip[1])):
        part = torch.where(which[:, None, None, None], part.flip(axis), part)
    return torch.where(flip[2][:, None, None, None], part.transpose(-1, -2), part)


def _between(limits, n, uniform):
    """
    A number for every patch between two limits; nothing is drawn where they are the same.
    """
    low, high = limits
    if low == high:
        return torch.full((1, 1, 1, 1), low, device=uniform(0).device)
    return (low + (high - low) * uniform(n))[:, None, None, None]


def open_pools(recipe, options, model, data, validation, device):
    """
    The fields of a recipe, to train on and to watch; see `sunpy_superres.training.task.Task.open_pools`.
    """
    # Of what has no factor, such as an autoencoder, only the fine fields matter.
    arguments = {"size": options.size, "factor": getattr(model, "factor", 4), "jitter": recipe.jitter, "device": device}
    pool = PatchPool(data, exclude=recipe.exclude, simulated=recipe.simulated, **arguments)
    watch = PatchPool(validation, **arguments) if validation else None
    wanted = get_instrument(recipe.jitter.instrument).quantity
    if pool.quantity != wanted or (watch and watch.quantity != wanted):
        msg = f"The recipe {recipe.name!r} is trained on {wanted} data, and {data} or {validation} holds others."
        raise ValueError(msg)
    return pool, watch
