"""
The building blocks that the networks of the package share.

No normalization over space and no attention: what a network computes at a pixel depends on a bounded
neighborhood alone, so that cutting a map into tiles does not change the result.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["MirrorConv", "ResidualBlock", "TimeEmbedding", "compress", "local_maximum", "refine_by_rows", "tame"]


def compress(field, knee=20.0):
    """
    Compress a magnetic field to order one, keeping its sign: ``asinh(field / knee) / 5``.

    A magnetogram spans gauss in the quiet Sun and kilogauss in spots; a network sees both at once this way.

    Parameters
    ----------
    field : `torch.Tensor`
        In gauss.
    knee : `float`, optional
        Field, in gauss, where the response turns from linear to logarithmic.

    Returns
    -------
    `torch.Tensor`
    """
    return torch.asinh(field / knee) / 5.0


def local_maximum(field, reach):
    """
    Largest absolute value within so many pixels along each axis.

    Parameters
    ----------
    field : `torch.Tensor`
        Shape (n, 1, y, x).
    reach : `int`
        Pixels on each side.

    Returns
    -------
    `torch.Tensor`
        Of the same shape.
    """
    return F.max_pool2d(field.abs(), 2 * reach + 1, stride=1, padding=reach)


#: Ring of neighbors, and how far a pixel may stand out of the strongest of them: factor and gauss.
_CONTRASTS = ((1, 2.0, 200.0), (2, 3.0, 500.0))


def tame(field, limit):
    """
    Cut a field down to what a network can have seen in training: outside of that it may answer anything.

    No pixel keeps more than ``limit``, nor more than 200 G above twice the strongest of its 8 neighbors, nor more than
    500 G above three times the strongest of the 16 around these: a telescope smears what is small over its neighbors, a
    cosmic ray it does not. Magnetograms of HMI binned to 2 arcsec without any further blur come to 272 and 457 G.

    Parameters
    ----------
    field : `torch.Tensor`
        Shape (n, 1, y, x), in HMI gauss.
    limit : `float`
        Largest field in gauss.

    Returns
    -------
    `torch.Tensor`
        Of the same shape.
    """
    size = field.abs()
    rows, columns = size.shape[-2:]
    around = F.pad(size, (2, 2, 2, 2))
    bound = torch.full_like(field, limit)
    for distance, contrast, floor in _CONTRASTS:
        steps = range(-distance, distance + 1)
        ring = [(dy, dx) for dy in steps for dx in steps if max(abs(dy), abs(dx)) == distance]
        strongest = torch.zeros_like(size)
        for dy, dx in ring:
            strongest = torch.maximum(strongest, around[..., 2 + dy : 2 + dy + rows, 2 + dx : 2 + dx + columns])
        bound = torch.minimum(bound, contrast * strongest + floor)
    return field.clamp(-bound, bound)


class MirrorConv(nn.Conv2d):
    """
    Convolution of 3x3 pixels that continues its input by reflection; the edge itself is not repeated.

    Parameters
    ----------
    inputs, outputs : `int`
        Channels.
    """

    #: Reach in pixels on each side.
    reach = 1

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, 3)

    def forward(self, x, weight=None, bias=None):
        """
        Convolve, with other weights than the layer's own if they are given.
        """
        weight, bias = (self.weight, self.bias) if weight is None else (weight, bias)
        # There is nothing to reflect in an axis of one pixel: it is repeated.
        rows, columns = ("reflect" if side > 1 else "replicate" for side in x.shape[-2:])
        if rows == columns:
            x = F.pad(x, (1, 1, 1, 1), mode=rows)
        else:
            x = F.pad(F.pad(x, (1, 1, 0, 0), mode=columns), (0, 0, 1, 1), mode=rows)
        if x.shape[1] == 1:
            # One channel has no layout, and without one the order of summation depends on the width of a tile.
            x, weight = (F.pad(part, (0, 0, 0, 0, 0, 1)) for part in (x, weight))
            x = x.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, bias)


def refine_by_rows(features, enlarge, refine, factor, *, rows=8):
    """
    Enlarge features and refine them, a few rows at a time: what stays in the cache of the processor is twice as fast.

    Where gradients are computed it is done in one piece.

    Parameters
    ----------
    features : `torch.Tensor`
        Shape (n, c, y, x).
    enlarge : callable
        Interpolates to (n, c, factor y, factor x), looking one row beyond at most.
    refine : callable
        Computes on the fine grid, looking one row beyond at most.
    factor : `int`
        Enlargement.
    rows : `int`, optional
        Rows of the features at a time.

    Returns
    -------
    `torch.Tensor`
        ``refine(enlarge(features))``.
    """
    if torch.is_grad_enabled():
        return refine(enlarge(features))
    height, pieces = features.shape[-2], []
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)
        fine = enlarge(features[..., first:last, :])
        # One fine row beyond, where there is one, is what is looked at; its own result is wrong and left out.
        above, below = top - first, last - bottom
        fine = fine[..., above * (factor - 1) : fine.shape[-2] - below * (factor - 1), :]
        result = refine(fine)
        pieces.append(result[..., above : result.shape[-2] - below, :])
    return torch.cat(pieces, dim=-2)


class ResidualBlock(nn.Module):
    """
    Two 3x3 convolutions around a SiLU, added to the input; modulated by the time where one is given.

    The second convolution starts at zero, so that a deep stack begins as the identity.

    Parameters
    ----------
    channels : `int`
        Number of channels in and out.
    time_channels : `int`, optional
        Size of the time embedding, or 0 for a block without one.
    """

    #: Reach of the block in pixels on each side.
    reach = 2

    def __init__(self, channels, time_channels=0):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)
        self.film = nn.Linear(time_channels, 2 * channels) if time_channels else None
        if self.film is not None:
            nn.init.zeros_(self.film.weight)
            nn.init.zeros_(self.film.bias)

    def forward(self, x, time=None):
        y = self.first(x)
        if self.film is not None:
            scale, shift = self.film(time)[:, :, None, None].chunk(2, dim=1)
            y = torch.addcmul(shift, y, 1 + scale)
        return x + self.second(F.silu(y, inplace=True))


class TimeEmbedding(nn.Module):
    """
    Sinusoids of the diffusion time, mixed by a small network.

    Parameters
    ----------
    channels : `int`
        Size of the embedding, even.
    """

    def __init__(self, channels):
        super().__init__()
        self.channels = channels
        self.mix = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())

    def forward(self, time):
        # No buffer, which `.to(bfloat16)` would round: the angles need float32 in whatever precision the rest is.
        frequencies = torch.exp(torch.linspace(0.0, math.log(1000.0), self.channels // 2, device=time.device))
        angle = time[:, None].float() * frequencies
        return self.mix(torch.cat([angle.sin(), angle.cos()], dim=1).to(self.mix[0].weight.dtype))
