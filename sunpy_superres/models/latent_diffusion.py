"""
Super-resolution by latent diffusion (after Ramunno et al. 2025, arXiv:2503.24271), of the residual or of the field.

The field is calibrated and interpolated; a base estimate is encoded; a flow-matching model draws the
difference between the latents of the truth and of the base, each channel divided by its predicted local
scale; the sum is decoded. As in the paper the residual is diffused and not the field. Unlike it, the
base may be a learned mean (``residual="mean"``) instead of the interpolated input (``residual="input"``),
the autoencoder is made for magnetograms, and no layer looks further than a declared reach. The paper's
control, which draws the field itself (``residual="none"``), is a method of its own.
"""

from collections import namedtuple
from itertools import count, islice

import torch
from torch.nn import functional as F

from sunpy_superres.models.autoencoder import Autoencoder
from sunpy_superres.models.base import SuperResolver, register_method
from sunpy_superres.models.blocks import compress, local_maximum
from sunpy_superres.models.diffusion import solve
from sunpy_superres.models.regression import RegressionNetwork, bicubic
from sunpy_superres.models.unet import ConditionEncoder, UNet

__all__ = ["DirectLatentDiffusion", "LatentDiffusion"]

Description = namedtuple("Description", ["estimate", "scale", "known"])


@register_method("ldm")
class LatentDiffusion(SuperResolver):
    """
    Latent diffusion of the residual between the truth and a base estimate.

    Parameters
    ----------
    factor : `int`, optional
        Up-sampling factor.
    residual : {"mean", "input"}, optional
        What is drawn: the residual around a learned mean, or around the interpolated input as in the paper.
    latent_channels, latent_factor : `int`, optional
        Channels of the latents, and fine pixels of a latent pixel along each axis.
    regression : `tuple` of `int`, optional
        Width and number of blocks of the network of mean and scale.
    widths, blocks : `tuple` of `int`, optional
        See `~sunpy_superres.models.unet.UNet`.
    condition_blocks : `int`, optional
        Blocks of the encoder of the condition.
    steps : `int`, optional
        Steps of the sampler unless told otherwise; the spread is calibrated for this number.
    solver : `str`, optional
        A key of `sunpy_superres.models.diffusion.SOLVERS`.
    shift : `float`, optional
        See `sunpy_superres.models.diffusion.time_grid`.
    spread : `float`, optional
        Factor on the drawn residual that calibrates the spread for this solver and number of steps.
    """

    #: Values of ``residual``, the default first.
    residuals = ("mean", "input")
    #: What takes a field to its latents and back; from their channels, and the fine pixels of a latent pixel.
    coder = Autoencoder
    antithetic = True
    limit = 1900.0
    noise_limit = 36.0
    #: Bounds of the logarithm of the predicted scale, in latent units.
    log_scales = (-6.0, 4.0)
    #: Largest correction of the interpolated field and largest scale of the residual, in units of the strongest field
    #: within two pixels and 100 G; and in gauss. Corrections reach 1.5 and 700 G on HMI degraded to MDI.
    bounds = (2.0, 1500.0)
    #: The same for the residual itself: a kilogauss of flux may hide in a pixel of 200 G.
    residual_bounds = (4.0, 2500.0)

    def __init__(
        self,
        *,
        factor=4,
        residual=None,
        latent_channels=48,
        latent_factor=8,
        regression=(64, 12),
        widths=(96, 160),
        blocks=(2, 2),
        condition_blocks=2,
        steps=8,
        solver="heun",
        shift=1.0,
        spread=1.0,
    ):
        super().__init__()
        residual = residual or self.residuals[0]
        if residual not in self.residuals:
            msg = f"residual must be {' or '.join(map(repr, self.residuals))}, not {residual!r}."
            raise ValueError(msg)
        cells, rest = divmod(latent_factor, factor)
        if rest:
            msg = f"latent_factor must be a multiple of factor, not {latent_factor} for {factor}."
            raise ValueError(msg)
        self.factor = factor
        self.residual = residual
        self.steps, self.solver, self.shift, self.spread = steps, solver, shift, spread
        self.solver_description = f"{solver}, shift {shift:g}, spread {spread:g}, antithetic"
        self.latent_cells = cells
        self.cell = cells * UNet.stride
        self.autoencoder = self.coder(latent_channels, latent_factor)
        options = {"correct": residual == "mean", "bounds": self.log_scales}
        self.regression = RegressionNetwork(factor, latent_channels, cells, *regression, **options)
        # Field twice (linear and compressed), radius, latent of the estimate, the scale of what is drawn; and the
        # latent in the unit of what is drawn, where that is the field.
        latents = 3 if residual == "none" else 2
        self.condition = ConditionEncoder(2 * cells**2 + 1 + latents * latent_channels, widths[0], condition_blocks)
        self.denoiser = UNet(latent_channels, widths, blocks)

    def estimate(self, field, radius):
        """
        Estimate on the fine grid, and the scale of the latents of what is drawn.

        Parameters
        ----------
        field, radius : `torch.Tensor`
            Shape (n, 1, y, x).

        Returns
        -------
        estimate : `torch.Tensor`
            The learned mean, or the interpolated field: shape (n, 1, factor * y, factor * x), gauss.
        log_scale : `torch.Tensor`
            Shape (n, latent_channels, y / latent_cells, x / latent_cells).
        """
        correction, log_scale = self.regression(field, radius)
        plain = bicubic(field, self.factor)
        return (plain if correction is None else plain + correction), log_scale

    def base(self, estimate):
        """
        What is drawn is added to this: the estimate, or nothing where the field itself is drawn.
        """
        return torch.zeros_like(estimate) if self.residual == "none" else estimate

    def describe(self, field, radius):
        """
        Estimate, scale of the latents of what is drawn, and all that the condition is computed from.

        Parameters
        ----------
        field, radius : `torch.Tensor`
            Shape (n, 1, y, x).

        Returns
        -------
        `Description`
        """
        estimate, log_scale = self.estimate(field, radius)
        latent = self.autoencoder.encode(estimate)
        coarse = torch.cat([compress(field), field / self.regression.unit], dim=1)
        known = [
            F.pixel_unshuffle(coarse, self.latent_cells),
            F.avg_pool2d(radius, self.latent_cells),
            compress(latent * self.autoencoder.unit),
            0.5 * log_scale,
        ]
        scale = log_scale.exp()
        if self.residual == "none":
            known.append((latent / scale).clamp(-10, 10))
        return Description(estimate, scale, torch.cat(known, dim=1))

    def _describe_tile(self, field, radius):
        estimate, scale, known = self.describe(field, radius)
        bound = self._bound(field, self.bounds)
        plain = bicubic(field, self.factor)
        fine = F.interpolate(bound, scale_factor=self.factor, mode="nearest")
        estimate = plain + (estimate - plain).clamp(-fine, fine)
        coarse = F.max_pool2d(bound, self.latent_cells) / self.autoencoder.unit
        return self.base(estimate), torch.minimum(scale, coarse), self.condition(known)

    @staticmethod
    def _bound(field, bounds):
        relative, absolute = bounds
        return (relative * (local_maximum(field, 2) + 100.0)).clamp(max=absolute)

    def lower(self, dtype):
        """
        Compute in a lower precision, but for the parts whose output is in gauss.
        """
        for part in (self.regression.stem, self.regression.blocks, self.regression.scale):
            part.to(dtype)
        self.condition.to(dtype)
        self.denoiser.to(dtype)
        return dtype

    @property
    def describe_reach(self):
        """
        Reach of the description, the condition's encoder included, in low-resolution pixels on each side.
        """
        latent_pixels = self.condition.reach + self.autoencoder.reach
        return self.regression.reach + latent_pixels * self.latent_cells + 2

    def draw(self, field, radius, active, samples, *, seed, steps, engine):
        tiles = engine.tiles(active)
        halo = -(-self.describe_reach // self.cell)
        base, scale, condition = tiles.apply(self._describe_tile, field, radius, halo=halo)
        # Outside the disk nothing is drawn: the state is zero there, as in training.
        window = active[None, None].float()
        window = F.interpolate(window, scale_factor=UNet.stride, mode="nearest").to(scale.device)
        halo = -(-self.denoiser.reach // UNet.stride)

        def velocity(x, time):
            times = torch.full((x.shape[0],), float(time), device=x.device)
            return tiles.apply(lambda a, b: (self.denoiser(a, times, b),), x, condition, halo=halo)[0]

        scale = scale.mul_(self.spread)
        bound = self._bound(field, self.residual_bounds)
        largest = F.interpolate(bound, scale_factor=self.factor, mode="nearest").to(scale.device)
        samples = iter(samples)
        while batch := list(islice(samples, engine.batch(scale))):
            streams = [self.noises(scale.shape, seed, k) for k in batch]
            noises = (torch.cat([next(one) for one in streams]).to(scale.device) * window for _ in count())
            settings = {"steps": steps or self.steps, "solver": self.solver, "shift": self.shift}
            x = solve(velocity, next(noises), noises=noises, **settings)
            # The autoencoder is linear: the base plus the decoded residual is the decoded sum of their latents.
            residual = x.mul_(scale)
            (fine,) = tiles.apply(lambda a: (self.autoencoder.decode(a),), residual, halo=1)
            yield from fine.clamp(-largest, largest).add_(base)[:, 0]


@register_method("ldm-noresidual")
class DirectLatentDiffusion(LatentDiffusion):
    """
    Latent diffusion of the field itself: the control without a residual of Ramunno et al. 2025.

    The condition is the same; what is drawn are the latents of the field, over the scale that they have given the
    input.
    """

    residuals = ("none",)
    log_scales = (-6.0, 6.0)
    #: The latents of a field that is the same everywhere are as many times larger as a latent pixel is wide.
    bounds = (16.0, 12000.0)
    residual_bounds = (4.0, 3500.0)
