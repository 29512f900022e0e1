"""
HighRes-net for one view: the converter of MDI and GONG magnetograms of Muñoz-Jaramillo et al. (2024).

Features of the field and of the place on the disk are computed on the coarse grid, enlarged bilinearly, and
turned into the fine field. Written from the description in the paper (ApJS 271, 46,
doi:10.3847/1538-4365/ad12c2); the block that fuses several views does nothing with one, and is left out.
"""

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.base import SuperResolver, register_method
from sunpy_superres.models.blocks import MirrorConv

__all__ = ["HighResNet"]


class _Layer(nn.Module):
    """
    Convolution, dropout, PReLU of one parameter.
    """

    def __init__(self, inputs, outputs, dropout=0.0):
        super().__init__()
        self.conv = MirrorConv(inputs, outputs)
        self.dropout = nn.Dropout(dropout)
        self.activation = nn.PReLU()

    def forward(self, x):
        return self.activation(self.dropout(self.conv(x)))


class _Block(nn.Module):
    """
    Two layers, added to their input.
    """

    reach = 2

    def __init__(self, channels, dropout):
        super().__init__()
        self.first = _Layer(channels, channels)
        self.second = _Layer(channels, channels, dropout)

    def forward(self, x):
        return x + self.second(self.first(x))


@register_method("highresnet")
class HighResNet(SuperResolver):
    """
    HighRes-net with one view; deterministic.

    Parameters
    ----------
    factor : `int`, optional
        Up-sampling factor; the weights have the same shapes for every factor.
    width : `int`, optional
        Channels.
    blocks : `int`, optional
        Residual blocks.
    dropout : `float`, optional
        Probability of dropout in training.
    input_gain : `float`, optional
        Factor from HMI gauss to the gauss that the network takes: 1, or for a network that was trained on the
        instrument's own gauss and so learned the calibration, one over the factor to HMI.
    """

    stochastic = False
    tile_size = 128
    #: Field, in gauss, that has size one inside the network.
    unit = 3500.0

    def __init__(self, *, factor=4, width=64, blocks=2, dropout=0.0, input_gain=1.0):
        super().__init__()
        self.factor = factor
        self.input_gain = input_gain
        self.stem = _Layer(2, width, dropout)
        self.blocks = nn.Sequential(*(_Block(width, dropout) for _ in range(blocks)))
        self.features = MirrorConv(width, width)
        self.fine = _Layer(width, width, dropout)
        self.out = nn.Conv2d(width, 1, 1)

    @property
    def reach(self):
        """
        Reach in low-resolution pixels on each side.
        """
        # A fine pixel's neighbors are interpolated between its own coarse pixel and the next: one more.
        return self.stem.conv.reach + sum(block.reach for block in self.blocks) + self.features.reach + 1

    def forward(self, field, radius):
        """
        The fine field in HMI gauss.

        Parameters
        ----------
        field, radius : `torch.Tensor`
            Calibrated field in HMI gauss and distance from disk center in solar radii, shape (n, 1, y, x) each.

        Returns
        -------
        `torch.Tensor`
            Shape (n, 1, factor * y, factor * x).
        """
        x = torch.cat([radius, field * (self.input_gain / self.unit)], dim=1)
        x = self.features(self.blocks(self.stem(x)))
        x = F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False)
        return self.out(self.fine(x)) * self.unit

    def draw(self, field, radius, active, samples, *, seed, steps, engine):
        tiles = engine.tiles(active)
        (fine,) = tiles.apply(lambda *piece: (self(*piece),), field, radius, halo=self.reach)
        for _ in samples:
            yield fine[0, 0]
