"""
Super-resolution by diffusion of the pixels themselves, without an autoencoder.

The two controls of Ramunno et al. 2025 (arXiv:2503.24271) beside latent diffusion: `ddpm-residual` draws the residual
around the interpolated input, `ddpm` the field, conditioned on the input as in Palette (Saharia et al. 2022,
arXiv:2111.05826). The pixels of a cell become the channels of one place, which changes nothing but the order they are
computed in: the noise is that of the pixels, and nothing is lost.
"""

from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.base import register_method
from sunpy_superres.models.latent_diffusion import LatentDiffusion

__all__ = ["DirectPixelDiffusion", "PixelDiffusion", "Pixels"]


class Pixels(nn.Module):
    """
    Pixels in place of latents: those of a cell as the channels of one place.

    Parameters
    ----------
    channels, factor : `int`
        The square of the factor, and fine pixels of a cell along each axis.
    """

    #: Field, in gauss, that has size one.
    unit = 100.0
    #: It looks at no neighbor.
    reach = 0

    def __init__(self, channels, factor):
        super().__init__()
        self.channels, self.factor = channels, factor

    def encode(self, field):
        """
        Take a field in gauss, shape (n, 1, y, x), to (n, channels, y / factor, x / factor).
        """
        return F.pixel_unshuffle(field.float() / self.unit, self.factor)

    def decode(self, pixels):
        """
        Inverse of `encode`.
        """
        return F.pixel_shuffle(pixels.float(), self.factor) * self.unit

    def forward(self, field):
        """
        Round trip of a field: the field.
        """
        return self.decode(self.encode(field))


@register_method("ddpm-residual")
class PixelDiffusion(LatentDiffusion):
    """
    Diffusion of the residual around the interpolated input, in pixels.

    Parameters
    ----------
    factor : `int`, optional
        Up-sampling factor; a cell is one low-resolution pixel.
    **options
        See `~sunpy_superres.models.latent_diffusion.LatentDiffusion`; there are no latents to choose.
    """

    residuals = ("input",)
    coder = Pixels

    def __init__(self, *, factor=4, widths=(64, 128), **options):
        super().__init__(factor=factor, latent_channels=factor**2, latent_factor=factor, widths=widths, **options)


@register_method("ddpm")
class DirectPixelDiffusion(PixelDiffusion):
    """
    Diffusion of the field itself, in pixels, conditioned on the input.

    Parameters
    ----------
    **options
        See `PixelDiffusion`.
    """

    residuals = ("none",)
    residual_bounds = (4.0, 3500.0)
