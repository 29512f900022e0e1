"""
The stages that train on whole images of the Sun.
"""

import math

import torch

from sunpy_superres.models.diffusion import interpolate
from sunpy_superres.training import losses
from sunpy_superres.training.images import ImageBatch, ImagePool
from sunpy_superres.training.task import SHOWN, Task, noise_and_times

__all__ = ["FeaturesTask", "ImagesTask"]


class _ImageTask(Task):
    @staticmethod
    def open_pools(recipe, options, model, data, validation, device):
        """
        The images of a recipe; see `Task.open_pools`.
        """
        pools = [
            ImagePool(folder, augmentation=recipe.augmentation, exclude=recipe.exclude, device=device)
            for folder in (data, validation)
            if folder
        ]
        for pool in pools:
            if (pool.size, pool.scaling) != (model.size, model.scaling):
                msg = (
                    f"The recipe {recipe.name!r} is trained on images of {model.size} pixels in {model.scaling} "
                    f"scaling, and the data have {pool.size} pixels in {pool.scaling} scaling."
                )
                raise ValueError(msg)
            low, high = model.radii if model.purpose == "generate" else (0, math.inf)
            found = pool.disks[:, 2]
            if not (0.99 * low <= found.min() and found.max() <= 1.01 * high):
                msg = (
                    f"The recipe {recipe.name!r} is for solar radii of {low:.1f} to {high:.1f} pixels, and the data "
                    f"have {found.min():.1f} to {found.max():.1f}: put those into the recipe as radii, and the plate "
                    "scale as scale."
                )
                raise ValueError(msg)
        return (*pools, None)[:2]


class ImagesTask(_ImageTask):
    """
    The flow from noise to whole images, given their class, their flux and the disk.
    """

    needs = ("coordinates",)

    def randomize(self, digest, generator):
        """
        The images as the network takes them, noise and times besides.
        """
        data = self.model.encode(ImageBatch(*digest).image).contiguous(memory_format=torch.channels_last)
        return *digest, data, *noise_and_times(data, self.options, generator)

    def loss(self, digest):
        """
        See `Task.loss`.
        """
        *batch, data, noise, time = digest
        batch, model = ImageBatch(*batch), self.model
        x, velocity = interpolate(data, noise, time)
        found = model(x, time, model.condition(batch.label, batch.flux), model.coordinates(batch.disk))
        return (found - velocity).square().mean(), {}

    def look(self, pool, generator):
        """
        Draws of the classes of real images.
        """
        batch, names = pool.draw(SHOWN, generator), [*"ABCMX", "no class"]
        rows = []
        for i, (label, flux, image) in enumerate(zip(batch.label, batch.flux, batch.image, strict=True)):
            radius = float(pool.disks[0, 2])
            (drawn,) = self.model.draw(int(label), float(flux), radius, [i], seed=self.seed)
            rows.append([(f"{names[int(label)]}, drawn", drawn), (f"{names[int(label)]}, real", image[0])])
        return rows


class FeaturesTask(_ImageTask):
    """
    Features that tell one image from all others, whichever way it is turned and mirrored, and that hold its X-ray flux.
    """

    needs = ("project",)
    shares = False

    def draw(self, pool, generator):
        """
        The same images twice, varied in two ways.
        """
        chosen = pool.choose(self.options.batch, generator)
        first, second = (pool.vary(chosen, generator) for _ in range(2))
        return first.image, second.image, first.flux

    def loss(self, digest):
        """
        See `Task.loss`.
        """
        first, second, flux = digest
        found = losses.contrastive_loss(*(self.model.project(image) for image in (first, second)))
        known = torch.isfinite(flux)
        error = torch.where(known, self.model.flux(first) - flux, 0.0).square().sum() / known.sum().clamp(min=1)
        return found + self.options.flux_weight * error, {"flux": error.detach(), "contrast": found.detach()}
