"""
Progressive super-resolution: four times in two steps of two, each checked in training (after Rahman et al. 2020).

Features are computed on the coarse grid, enlarged twice, refined, and enlarged twice again; after each step a
correction to the interpolated input is read off. Rahman et al. (ApJL 897, L32, doi:10.3847/2041-8213/ab9d79) showed
it with an adversarial loss; here, as in the comparison of Ramunno et al. 2025, there is none.
"""

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.base import SuperResolver, register_method
from sunpy_superres.models.blocks import ResidualBlock, compress
from sunpy_superres.models.regression import bicubic

__all__ = ["Progressive"]


class _Step(nn.Module):
    """
    Twice as many pixels along each axis: bilinear enlargement, a convolution, residual blocks, and a correction.
    """

    def __init__(self, inputs, outputs, blocks):
        super().__init__()
        self.enter = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(outputs) for _ in range(blocks)))
        self.correction = nn.Conv2d(outputs, 1, 3, padding=1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    @property
    def reach(self):
        """
        Reach in pixels of the step's own grid.
        """
        return 2 + sum(block.reach for block in self.blocks)

    def forward(self, x):
        x = self.blocks(self.enter(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)))
        return x, self.correction(x.to(self.correction.weight.dtype))


@register_method("progressive")
class Progressive(SuperResolver):
    """
    Two steps of two; deterministic.

    Parameters
    ----------
    widths : `tuple` of `int`, optional
        Channels on the coarse grid, after the first step, and after the second.
    blocks : `tuple` of `int`, optional
        Residual blocks on each of the three grids.
    """

    stochastic = False
    factor = 4
    tile_size = 128
    limit = 1900.0
    #: Field, in gauss, that has size one inside the network.
    unit = 300.0

    def __init__(self, *, widths=(64, 48, 32), blocks=(6, 2, 1)):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1)
        self.coarse = nn.Sequential(*(ResidualBlock(widths[0]) for _ in range(blocks[0])))
        self.first = _Step(widths[0], widths[1], blocks[1])
        self.second = _Step(widths[1], widths[2], blocks[2])

    @property
    def reach(self):
        """
        Reach in low-resolution pixels on each side.
        """
        # Each enlargement looks at the next coarse pixel; what is finer is rounded up.
        finest = -(-self.second.reach // 2) + 1
        middle = -(-(finest + self.first.reach) // 2) + 1
        return 1 + sum(block.reach for block in self.coarse) + middle

    def lower(self, dtype):
        """
        Compute all but the corrections, which are in gauss, in a lower precision.
        """
        for part in (
            self.stem,
            self.coarse,
            self.first.enter,
            self.first.blocks,
            self.second.enter,
            self.second.blocks,
        ):
            part.to(dtype)
        return dtype

    def steps_of(self, field, radius):
        """
        The field after each step.

        Parameters
        ----------
        field, radius : `torch.Tensor`
            Calibrated field in HMI gauss and distance from disk center in solar radii, shape (n, 1, y, x) each.

        Returns
        -------
        `tuple` of `torch.Tensor`
            Shapes (n, 1, 2 y, 2 x) and (n, 1, 4 y, 4 x).
        """
        x = torch.cat([field / self.unit, compress(field), radius], dim=1)
        x = self.coarse(self.stem(x.to(self.stem.weight.dtype)))
        x, first = self.first(x)
        _, second = self.second(x)
        second = second + F.interpolate(first, scale_factor=2, mode="bilinear", align_corners=False)
        return bicubic(field, 2) + first * self.unit, bicubic(field, 4) + second * self.unit

    def forward(self, field, radius):
        """
        The fine field in HMI gauss; see `steps_of`.
        """
        return self.steps_of(field, radius)[1]
