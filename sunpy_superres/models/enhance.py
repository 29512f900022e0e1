"""
Enhance: deconvolution and x2 super-resolution of HMI (Díaz Baso & Asensio Ramos 2018).

A residual network on the coarse grid, then pixels repeated and smoothed on the fine one. Written from the
description in the paper (A&A 614, A5, arXiv:1706.02933). The noise that the authors add to the input is a
matter of training and not here.
"""

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.base import SuperResolver, register_method
from sunpy_superres.models.blocks import MirrorConv, refine_by_rows

__all__ = ["Enhance"]


def _normalization(channels):
    # The constants of Keras, which counts the momentum from the other end.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _normalized(conv, norm, x):
    """
    Convolution and batch normalization; after training they are one convolution, which is also exact in tiles.
    """
    if norm.training:
        return norm(conv(x))
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    weight = conv.weight * scale[:, None, None, None]
    bias = (conv.bias - norm.running_mean) * scale + norm.bias
    return conv(x, weight.to(x.dtype), bias.to(x.dtype))


class _Block(nn.Module):
    """
    Two normalized convolutions around a ReLU, added to their input; nothing after the sum.
    """

    reach = 2

    def __init__(self, channels):
        super().__init__()
        self.first = MirrorConv(channels, channels)
        self.first_norm = _normalization(channels)
        self.second = MirrorConv(channels, channels)
        self.second_norm = _normalization(channels)

    def forward(self, x):
        y = F.relu(_normalized(self.first, self.first_norm, x), inplace=True)
        return x + _normalized(self.second, self.second_norm, y)


@register_method("enhance")
class Enhance(SuperResolver):
    """
    The network of Enhance; deterministic, twice as many pixels along each axis.

    Batch normalization uses the statistics of the training, once the model is in evaluation mode as every loaded
    model is: no statistic of the image enters, so that tiles give the same result as the whole.

    Parameters
    ----------
    width : `int`, optional
        Channels.
    blocks : `int`, optional
        Residual blocks.
    unit : `float`, optional
        Field, in gauss, that has size one inside the network; 1 for a continuum image in units of the quiet Sun.
    """

    stochastic = False
    factor = 2
    tile_size = 256

    def __init__(self, *, width=64, blocks=5, unit=1000.0):
        super().__init__()
        self.unit = unit
        self.stem = MirrorConv(1, width)
        self.blocks = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.last = MirrorConv(width, width)
        self.last_norm = _normalization(width)
        self.fine = MirrorConv(width, width)
        self.out = nn.Conv2d(width, 1, 1)

    @property
    def reach(self):
        """
        Reach in low-resolution pixels on each side.
        """
        # The one fine pixel of the convolution on the fine grid may lie in the next coarse one.
        return self.stem.reach + sum(block.reach for block in self.blocks) + self.last.reach + 1

    def lower(self, dtype):
        """
        Compute the hidden layers in a lower precision; fields come in and go out in float32.
        """
        self.fine.to(dtype)  # the others where they are merged with the normalization
        return dtype

    def forward(self, field, radius=None):
        """
        The fine field.

        Parameters
        ----------
        field : `torch.Tensor`
            Shape (n, 1, y, x), in gauss.
        radius : `torch.Tensor`, optional
            Taken as by other networks, and not used.

        Returns
        -------
        `torch.Tensor`
            Shape (n, 1, 2 * y, 2 * x), in gauss.
        """
        first = F.relu(self.stem(field / self.unit)).to(self.fine.weight.dtype)
        x = first + _normalized(self.last, self.last_norm, self.blocks(first))

        def enlarge(features):
            return F.interpolate(features, scale_factor=self.factor, mode="nearest")

        def refine(fine):
            return self.out(F.relu(self.fine(fine), inplace=True).to(self.out.weight.dtype))

        return refine_by_rows(x, enlarge, refine, self.factor) * self.unit
