"""
Blocks for images that are generated whole: normalized over space, and with attention.

Networks for maps may not use them, because their result would depend on how a map is cut into tiles.
"""

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["ModulatedBlock", "SelfAttention"]

#: Groups of channels that are normalized together.
_GROUPS = 8


class ModulatedBlock(nn.Module):
    """
    Two 3x3 convolutions, each after a group normalization and a SiLU, the second one modulated; added to the input.

    The second convolution starts at zero, so that a deep stack begins as the identity.

    Parameters
    ----------
    inputs, outputs : `int`
        Channels, multiples of 8.
    embedding : `int`
        Size of the vector that scales and shifts the normalized features.
    """

    def __init__(self, inputs, outputs, embedding):
        super().__init__()
        self.before = nn.GroupNorm(_GROUPS, inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.between = nn.GroupNorm(_GROUPS, outputs, affine=False)
        self.film = nn.Linear(embedding, 2 * outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.bypass = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x, embedding):
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        y = self.first(F.silu(self.before(x)))
        y = torch.addcmul(shift, self.between(y), 1 + scale)
        return self.bypass(x) + self.second(F.silu(y))


class SelfAttention(nn.Module):
    """
    Attention of every pixel to every other, after a group normalization; added to the input.

    Parameters
    ----------
    channels : `int`
        Channels in and out, a multiple of 8.
    head : `int`, optional
        Channels of a head, about.
    """

    def __init__(self, channels, head=32):
        super().__init__()
        # As many heads as come nearest to that size and divide the channels.
        self.heads = next(n for n in range(max(1, channels // head), 0, -1) if channels % n == 0)
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.merge = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.merge.weight)
        nn.init.zeros_(self.merge.bias)

    def forward(self, x):
        n, channels, rows, columns = x.shape
        parts = self.project(self.norm(x)).reshape(n, 3, self.heads, -1, rows * columns)
        query, key, value = parts.transpose(-1, -2).unbind(1)
        y = F.scaled_dot_product_attention(query, key, value)
        return x + self.merge(y.transpose(-1, -2).reshape(n, channels, rows, columns))
