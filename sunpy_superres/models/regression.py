"""
The learned mean: a deterministic x4 network, and the local scale of what it cannot know.

A flat residual network on the low-resolution grid adds a correction to the bicubic map; a second head
predicts, for each latent channel, the standard deviation of the latent residual. A magnetogram has errors
of a few gauss in the quiet Sun and hundreds in spots: only a residual divided by its local scale is of
order one everywhere.
"""

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.blocks import ResidualBlock, compress

__all__ = ["RegressionNetwork", "bicubic"]


def bicubic(field, factor):
    """
    Bicubic interpolation on pixel centers that keeps the edges of the map where they are.

    Parameters
    ----------
    field : `torch.Tensor`
        Shape (n, 1, y, x).
    factor : `int`
        Up-sampling factor.

    Returns
    -------
    `torch.Tensor`
        Shape (n, 1, y * factor, x * factor).
    """
    # With `antialias` (which only acts when shrinking) torch takes the kernel with a = -1/2, exact for
    # quadratics (Keys 1981); without, one with a = -3/4, which leaves steps on a slope.
    return F.interpolate(field, scale_factor=factor, mode="bicubic", align_corners=False, antialias=True)


class RegressionNetwork(nn.Module):
    """
    Correction to the bicubic map, and the logarithm of the scale of what is drawn on top.

    Parameters
    ----------
    factor : `int`, optional
        Up-sampling factor.
    latent_channels : `int`, optional
        Channels of the latents whose scale is predicted.
    latent_cells : `int`, optional
        Low-resolution pixels of one latent pixel, along each axis.
    width : `int`, optional
        Channels.
    blocks : `int`, optional
        Residual blocks.
    correct : `bool`, optional
        Whether there is a correction, or the scale alone.
    bounds : `tuple` of `float`, optional
        Bounds of the logarithm of the scale, in latent units.
    """

    #: Field, in gauss, that has size one inside the network.
    unit = 300.0

    def __init__(
        self, factor=4, latent_channels=48, latent_cells=2, width=64, blocks=16, *, correct=True, bounds=(-6.0, 4.0)
    ):
        super().__init__()
        self.bounds = bounds
        self.factor = factor
        self.latent_cells = latent_cells
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.correction = nn.Conv2d(width, factor**2, 3, padding=1) if correct else None
        self.scale = nn.Sequential(
            nn.PixelUnshuffle(latent_cells),
            nn.Conv2d(width * latent_cells**2, 2 * width, 1),
            nn.SiLU(),
            nn.Conv2d(2 * width, latent_channels, 1),
        )
        for layer in filter(None, (self.correction, self.scale[-1])):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        # The residual of most channels is about a tenth of the latent unit.
        nn.init.constant_(self.scale[-1].bias, -2.0)

    @property
    def reach(self):
        """
        Reach in low-resolution pixels on each side, rounded up to whole latent pixels.
        """
        return 2 + sum(block.reach for block in self.blocks) + self.latent_cells

    def forward(self, field, radius):
        """
        Correction in gauss on the fine grid, or `None`, and log-scale on the latent grid.

        Parameters
        ----------
        field, radius : `torch.Tensor`
            Calibrated field in gauss and distance from disk center in solar radii, shape (n, 1, y, x) each.
        """
        x = torch.cat([field / self.unit, compress(field), radius], dim=1)
        features = self.blocks(self.stem(x.to(self.stem.weight.dtype)))
        log_scale = self.scale(features).to(field.dtype).clamp(*self.bounds)
        if self.correction is None:
            return None, log_scale
        with torch.autocast(field.device.type, enabled=False):
            correction = self.correction(features.to(self.correction.weight.dtype))
        return F.pixel_shuffle(correction, self.factor) * self.unit, log_scale
