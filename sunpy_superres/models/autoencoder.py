"""
The autoencoder of magnetograms: 8 x 8 pixels of field to a few dozen latent channels, and back.

It is a learned *lapped transform*: filter banks whose filters reach over the neighboring blocks, with no
non-linearity between. Linearity is what a magnetogram asks for: gauss and kilogauss are carried with the
same precision, and the difference of two latents is the latent of the difference, so that a residual can
be decoded alone.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.base import register_architecture

__all__ = ["Autoencoder", "FieldAutoencoder"]


def _cosine_basis(size):
    """
    Orthonormal two-dimensional cosine transform (DCT-II), lowest frequencies first: (size^2, size^2).
    """
    k = torch.arange(size, dtype=torch.float64)
    basis = torch.cos(math.pi * (k[None] + 0.5) * k[:, None] / size) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    plane = torch.einsum("uy,vx->uvyx", basis, basis).reshape(size**2, size**2)
    return plane[torch.argsort((k[:, None] ** 2 + k[None] ** 2).flatten(), stable=True)].float()


class Autoencoder(nn.Module):
    """
    Linear autoencoder with overlapping filters.

    Parameters
    ----------
    channels : `int`, optional
        Number of latent channels.
    factor : `int`, optional
        Pixels of the field per latent pixel, along each axis.
    """

    #: Field, in gauss, that has amplitude one in the latents.
    unit = 100.0
    #: Reach of the decoder, and of the encoder, in latent pixels on each side.
    reach = 1

    def __init__(self, channels=48, factor=8):
        super().__init__()
        self.channels = channels
        self.factor = factor
        pixels = factor**2
        self.analysis = nn.Conv2d(pixels, channels, 3, padding=1, bias=False)
        self.synthesis = nn.Conv2d(channels, pixels, 3, padding=1, bias=False)
        # Start as a cosine transform within the block: training lets the filters overlap.
        basis = _cosine_basis(factor)[:channels]
        with torch.no_grad():
            self.analysis.weight.zero_()[:, :, 1, 1] = basis
            self.synthesis.weight.zero_()[:, :, 1, 1] = basis.T

    def encode(self, field):
        """
        Encode a field.

        Parameters
        ----------
        field : `torch.Tensor`
            Shape (n, 1, y, x), in gauss; y and x multiples of the factor.

        Returns
        -------
        `torch.Tensor`
            Shape (n, channels, y / factor, x / factor).
        """
        # In float32 whatever the rest of a model does: the linear path carries the precision of the field.
        with torch.autocast(field.device.type, enabled=False):
            return self.analysis(F.pixel_unshuffle(field.float() / self.unit, self.factor))

    def decode(self, latent):
        """
        Decode latents into a field in gauss; the inverse of `encode` up to the loss of the compression.
        """
        with torch.autocast(latent.device.type, enabled=False):
            return F.pixel_shuffle(self.synthesis(latent.float()), self.factor) * self.unit

    def forward(self, field):
        """
        Round trip of a field, in gauss.
        """
        return self.decode(self.encode(field))


@register_architecture("autoencoder")
class FieldAutoencoder(nn.Module):
    """
    An `Autoencoder` alone, as a model that can be kept, and that other models begin with.

    Parameters
    ----------
    channels, factor : `int`, optional
        See `Autoencoder`.
    """

    #: Name in the registry; set by `~sunpy_superres.models.register_architecture`.
    method = None
    #: See `~sunpy_superres.models.SuperResolver`.
    purpose = "encode"

    def __init__(self, *, channels=48, factor=8):
        super().__init__()
        self.autoencoder = Autoencoder(channels, factor)

    def forward(self, field):
        """
        Round trip of a field in gauss, shape (n, 1, y, x).
        """
        return self.autoencoder(field)
