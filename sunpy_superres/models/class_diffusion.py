"""
Class-conditional generation of whole images by diffusion (after Ramunno et al. 2024, arXiv:2404.02552).

As in the paper a U-Net with attention, conditioned on the GOES class and sampled with classifier-free guidance (Ho &
Salimans 2022, arXiv:2207.12598). Unlike it, the logarithm of the X-ray flux is a second condition, in which classes
with few images learn from their neighbors; the place and the size of the disk are given as coordinates, so that the
limb is where it is asked for; and the network learns the velocity of a straight path, which few steps can follow. The
1000 steps of the paper (DDPM) and DDIM walk the same network.
"""

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.base import ImageGenerator, register_architecture
from sunpy_superres.models.blocks import TimeEmbedding
from sunpy_superres.models.diffusion import solve
from sunpy_superres.models.unet import ImageUNet

__all__ = ["ClassDiffusion"]


@register_architecture("class-diffusion")
class ClassDiffusion(ImageGenerator):
    """
    Flow matching in the pixels of an image, given a class, a flux, and the disk.

    Parameters
    ----------
    size : `int`, optional
        Pixels of the image along each axis.
    patch : `int`, optional
        Pixels along each axis that are one pixel of the network, as its channels: 1 at 64 pixels, 2 at 128 and 4 at
        256 make the same work.
    widths, blocks, attention, embedding
        See `~sunpy_superres.models.unet.ImageUNet`.
    mean, unit : `float`, optional
        Mean and standard deviation of the images that it is trained on.
    scaling : {"display", "log"}, optional
        What 0 and 1 mean: the range of the display-scaled images of the SDO archive, or 5 and 3500 DN/s with the
        logarithm between them.
    radii : `tuple` of `float`, optional
        Least and largest solar radius, in pixels, that it has learned to draw; unless told those of browse images of
        the SDO, which have 17.7 arcsec per pixel where they are 128 pixels large.
    steps, solver, shift, guidance
        How to sample unless told otherwise; see `draw` and `~sunpy_superres.models.diffusion.solve`.
    """

    #: One more than the classes: the last is "not told".
    labels = 6

    def __init__(
        self,
        *,
        size=128,
        patch=2,
        widths=(48, 96, 128, 160),
        blocks=1,
        attention=2,
        embedding=192,
        mean=0.3,
        unit=0.25,
        scaling="display",
        radii=None,
        steps=12,
        solver="heun",
        shift=1.0,
        guidance=1.0,
    ):
        super().__init__()
        if size % (patch * 2 ** (len(widths) - 1)):
            msg = f"size must be a multiple of {patch * 2 ** (len(widths) - 1)}, not {size}."
            raise ValueError(msg)
        self.size, self.patch = size, patch
        self.mean, self.unit = mean, unit
        self.scaling = scaling
        self.radii = tuple(radii or (53.2 * size / 128, 55.2 * size / 128))
        self.steps, self.solver, self.shift, self.guidance = steps, solver, shift, guidance
        channels = patch**2
        self.time = TimeEmbedding(embedding)
        self.label = nn.Embedding(self.labels, embedding)
        self.flux = nn.Sequential(nn.Linear(2, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.mix = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU())
        # Image, coordinates in solar radii, distance from the limb.
        arguments = {"widths": widths, "blocks": blocks, "attention": attention, "embedding": embedding}
        self.network = ImageUNet(channels + 3, channels, **arguments)

    def encode(self, images):
        """
        From images, 0 to 1, to what is diffused: shape (n, 1, y, x) to (n, patch**2, y / patch, x / patch).
        """
        return F.pixel_unshuffle((images - self.mean) / self.unit, self.patch)

    def decode(self, x):
        """
        The inverse of `encode`.
        """
        return F.pixel_shuffle(x, self.patch) * self.unit + self.mean

    def coordinates(self, disk):
        """
        Coordinates in solar radii and the distance from the limb, on the grid of the network.

        Parameters
        ----------
        disk : `torch.Tensor`
            Column and row of the center of the disk, 0 in the middle of the first pixel, and its radius, all in pixels;
            shape (n, 3).
        """
        pixels = torch.arange(self.size // self.patch, device=disk.device) * self.patch + (self.patch - 1) / 2
        x, y, radius = disk[:, :, None, None].unbind(1)
        x = ((pixels[None, None, :] - x) / radius).expand(-1, len(pixels), -1)
        y = ((pixels[None, :, None] - y) / radius).expand(-1, -1, len(pixels))
        limb = 10 * (torch.hypot(x, y) - 1)
        return torch.stack([x, y, limb.clamp(-2, 2)], dim=1)

    def condition(self, label, flux):
        """
        Embedding of what is asked for.

        Parameters
        ----------
        label : `torch.Tensor`
            Whole numbers, shape (n,): 0 to 4 for A to X, 5 where no class is told.
        flux : `torch.Tensor`
            Logarithm (base 10) of the X-ray flux in W/m2, shape (n,); NaN where none is told.
        """
        known = torch.isfinite(flux)
        flux = torch.stack([torch.where(known, (flux + 6) / 1.5, 0.0), known.to(flux.dtype)], dim=1)
        dtype = self.label.weight.dtype
        return self.label(label) + self.flux(flux.to(dtype))

    def forward(self, x, time, condition, coordinates):
        """
        Velocity of the flow at a time.

        Parameters
        ----------
        x : `torch.Tensor`
            Encoded images at this time, shape (n, patch**2, y, x).
        time : `torch.Tensor`
            Shape (n,), from 0 (data) to 1 (noise).
        condition, coordinates : `torch.Tensor`
            From the functions of these names.
        """
        dtype = self.label.weight.dtype
        embedding = self.mix(self.time(time) + condition)
        found = self.network(torch.cat([x, coordinates], dim=1).to(dtype), embedding)
        return found.to(x.dtype)

    def lower(self, dtype):
        """
        Compute in a lower precision; the path is walked in float32.
        """
        self.to(dtype)
        return dtype

    @torch.inference_mode()
    def draw(self, label, flux, radius, samples, *, seed, steps=None, guidance=None, solver=None):
        solver = solver or self.solver
        steps = self.steps if steps is None else steps
        guidance = self.guidance if guidance is None else guidance
        device = self.label.weight.device
        middle = (self.size - 1) / 2
        disk = torch.tensor([[middle, middle, radius]], device=device)
        coordinates = self.coordinates(disk)
        asked = self.condition(torch.tensor([label], device=device), torch.tensor([flux], device=device))
        nothing = self.condition(
            torch.tensor([self.labels - 1], device=device), torch.tensor([torch.nan], device=device)
        )
        plain = guidance == 1.0
        condition = asked if plain else torch.cat([asked, nothing])
        coordinates = coordinates.expand(len(condition), -1, -1, -1)

        def velocity(x, time):
            times = torch.full((len(condition),), float(time), device=device)
            found = self(x.expand(len(condition), -1, -1, -1), times, condition, coordinates)
            return found if plain else torch.lerp(found[1:], found[:1], guidance)

        side = self.size // self.patch
        shape = (1, self.patch**2, side, side)
        for sample in samples:
            # One at a time: how many are asked for together must not change the last bit of any.
            fresh = self.noise(shape, seed, (sample, label), device)
            x = solve(velocity, next(fresh), steps=steps, solver=solver, shift=self.shift, noises=fresh)
            yield self.decode(x)[0, 0].clamp(0, 1)
