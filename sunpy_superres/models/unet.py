"""
The denoisers: a small U-Net of two levels on the latent grid of a map, with the encoder of its condition, and a deeper
one for images that are generated whole.

That for maps is tile-exact: no normalization over space, no attention; levels are changed by pixel (un)shuffling, which
moves no pixel.
"""

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.attention import ModulatedBlock, SelfAttention
from sunpy_superres.models.blocks import ResidualBlock, TimeEmbedding

__all__ = ["ConditionEncoder", "ImageUNet", "UNet"]


class ConditionEncoder(nn.Module):
    """
    What is known of the map, as features on the latent grid; computed once for all samples and steps.

    Parameters
    ----------
    in_channels, width : `int`
        Channels in and out.
    blocks : `int`, optional
        Residual blocks.
    """

    def __init__(self, in_channels, width, blocks=2):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))

    @property
    def reach(self):
        """
        Reach in latent pixels on each side.
        """
        return 1 + sum(block.reach for block in self.blocks)

    def forward(self, x):
        return self.blocks(self.stem(x.to(self.stem.weight.dtype)))


class UNet(nn.Module):
    """
    Residual U-Net of two levels, modulated by the diffusion time.

    Parameters
    ----------
    channels : `int`
        Latent channels in and out.
    widths : `tuple` of `int`, optional
        Channels of the fine and of the coarse level.
    blocks : `tuple` of `int`, optional
        Residual blocks on each way through the fine level, and on the coarse level.
    time_channels : `int`, optional
        Size of the time embedding.
    """

    #: Latent pixels of the coarse level's pixel, along each axis.
    stride = 2

    def __init__(self, channels, widths=(96, 160), blocks=(2, 2), time_channels=128):
        super().__init__()
        fine, coarse = widths
        cells = self.stride**2
        self.time = TimeEmbedding(time_channels)
        self.stem = nn.Conv2d(channels, fine, 3, padding=1)
        self.descent = nn.ModuleList(ResidualBlock(fine, time_channels) for _ in range(blocks[0]))
        self.down = nn.Conv2d(fine * cells, coarse, 1)
        self.bottom = nn.ModuleList(ResidualBlock(coarse, time_channels) for _ in range(blocks[1]))
        self.up = nn.Conv2d(coarse, fine * cells, 1)
        self.ascent = nn.ModuleList(ResidualBlock(fine, time_channels) for _ in range(blocks[0]))
        self.head = nn.Conv2d(fine, channels, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def reach(self):
        """
        Reach in latent pixels on each side.
        """
        fine = sum(block.reach for block in (*self.descent, *self.ascent))
        coarse = sum(block.reach for block in self.bottom)
        return 2 + fine + self.stride * (coarse + 1)

    def forward(self, x, time, condition):
        """
        Velocity of the flow at a time.

        Parameters
        ----------
        x : `torch.Tensor`
            Latents at this time, shape (n, channels, y, x); y and x even.
        time : `torch.Tensor`
            Shape (n,), from 0 (data) to 1 (noise).
        condition : `torch.Tensor`
            Features of the `ConditionEncoder`, shape (n or 1, fine, y, x).
        """
        dtype = self.stem.weight.dtype
        time = self.time(time)
        h = self.stem(x.to(dtype)) + condition
        for block in self.descent:
            h = block(h, time)
        low = self.down(F.pixel_unshuffle(h, self.stride))
        for block in self.bottom:
            low = block(low, time)
        h = h + F.pixel_shuffle(self.up(low), self.stride)
        for block in self.ascent:
            h = block(h, time)
        return self.head(F.silu(h)).to(x.dtype)


class ImageUNet(nn.Module):
    """
    U-Net with normalization and attention, for images of one size.

    Parameters
    ----------
    inputs, outputs : `int`
        Channels.
    widths : `tuple` of `int`, optional
        Channels of the levels, from the finest; each level has half the pixels of the one before along each axis.
    blocks : `int`, optional
        Blocks of each level on each way.
    attention : `int`, optional
        Number of levels, counted from the coarsest, that have attention.
    embedding : `int`, optional
        Size of the vector that modulates all blocks.
    """

    def __init__(self, inputs, outputs, *, widths=(48, 96, 128, 160), blocks=1, attention=2, embedding=192):
        super().__init__()
        last = len(widths) - 1

        def level(channels, i):
            attentive = i > last - attention
            parts = [ModulatedBlock(n, widths[i], embedding) for n in channels]
            return nn.ModuleList([*parts, SelfAttention(widths[i])] if attentive else parts)

        self.stem = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.descent, self.ascent = nn.ModuleList(), nn.ModuleList()
        width = widths[0]
        for i, wide in enumerate(widths):
            self.descent.append(level([width] + [wide] * (blocks - 1), i))
            width = wide
        self.bottom = ModulatedBlock(width, width, embedding)
        for i in reversed(range(len(widths))):
            self.ascent.append(level([width + widths[i]] + [widths[i]] * (blocks - 1), i))
            width = widths[i]
        self.norm = nn.GroupNorm(8, width)
        self.head = nn.Conv2d(width, outputs, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @staticmethod
    def _walk(level, h, embedding):
        for block in level:
            h = block(h, embedding) if isinstance(block, ModulatedBlock) else block(h)
        return h

    def forward(self, x, embedding):
        """
        Output for an image and the vector that modulates all blocks.

        Parameters
        ----------
        x : `torch.Tensor`
            Shape (n, inputs, y, x), y and x multiples of 2 to the number of levels less one.
        embedding : `torch.Tensor`
            Shape (n, embedding).
        """
        h = self.stem(x)
        kept = []
        for i, level in enumerate(self.descent):
            if i:
                h = F.avg_pool2d(h, 2)
            h = self._walk(level, h, embedding)
            kept.append(h)
        h = self.bottom(h, embedding)
        for i, level in enumerate(self.ascent):
            if i:
                h = F.interpolate(h, scale_factor=2, mode="nearest")
            h = self._walk(level, torch.cat([h, kept.pop()], dim=1), embedding)
        return self.head(F.silu(self.norm(h)))
