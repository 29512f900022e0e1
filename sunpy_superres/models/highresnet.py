"""
HighRes-net for one view: the converter of MDI and GONG magnetograms of Muñoz-Jaramillo et al. (2024).

Features of the field and of the place on the disk are computed on the coarse grid, enlarged bilinearly, and
turned into the fine field. Written from the description in the paper (ApJS 271, 46,
doi:10.3847/1538-4365/ad12c2); the block that fuses several views does nothing with one, and is left out.

A network that was trained with dropout gives an ensemble by Monte-Carlo dropout. Whole channels are dropped, not
single values (Tompson et al. 2015, arXiv:1411.4280): one draw then is one network for the whole disk, the same
whatever the tiles. The offset that this gives a map as a whole is taken out of every draw.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.base import SuperResolver, register_method
from sunpy_superres.models.blocks import MirrorConv, refine_by_rows

__all__ = ["HighResNet"]

#: Of the pixels of a map every so many-th, along each axis, tells the zero level of a draw.
_STRIDE = 5


class _Layer(nn.Module):
    """
    Convolution, dropout, PReLU of one parameter.
    """

    def __init__(self, inputs, outputs, dropout=0.0):
        super().__init__()
        self.conv = MirrorConv(inputs, outputs)
        self.dropout = nn.Dropout2d(dropout)
        self.activation = nn.PReLU()

    def forward(self, x, kept=None):
        x = self.dropout(self.conv(x))
        if kept is not None:
            x = (x * kept).to(x.dtype)  # the factors in float32: rounded, they would be a bias
        if torch.is_grad_enabled():
            return self.activation(x)
        # The same with one slope, many times faster.
        return F.leaky_relu_(x, self.activation.weight.item())


class _Block(nn.Module):
    """
    Two layers, added to their input.
    """

    reach = 2

    def __init__(self, channels, dropout):
        super().__init__()
        self.first = _Layer(channels, channels)
        self.second = _Layer(channels, channels, dropout)

    def forward(self, x, kept=None):
        return x + self.second(self.first(x), kept)


@register_method("highresnet")
class HighResNet(SuperResolver):
    """
    HighRes-net with one view; deterministic unless it was trained with dropout.

    Parameters
    ----------
    factor : `int`, optional
        Up-sampling factor; the weights have the same shapes for every factor.
    width : `int`, optional
        Channels.
    blocks : `int`, optional
        Residual blocks.
    dropout : `float`, optional
        Probability that a channel is dropped, in training and in the draws of an ensemble.
    input_gain : `float`, optional
        Factor from HMI gauss to the gauss that the network takes: 1, or for a network that was trained on the
        instrument's own gauss and so learned the calibration, one over the factor to HMI.
    """

    tile_size = 256
    limit = 1900.0
    alone = True
    #: Field, in gauss, that has size one inside the network.
    unit = 3500.0

    def __init__(self, *, factor=4, width=64, blocks=2, dropout=0.0, input_gain=1.0):
        super().__init__()
        self.factor = factor
        self.input_gain = input_gain
        self.dropout = dropout
        self.stochastic = dropout > 0
        if self.stochastic:
            self.solver_description = f"Monte-Carlo dropout, {dropout:g}"
        self.stem = _Layer(2, width, dropout)
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(blocks))
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

    def lower(self, dtype):
        """
        Compute the hidden layers in a lower precision; fields come in and go out in float32.
        """
        for part in (self.blocks, self.features, self.fine):
            part.to(dtype)
        return dtype

    def kept(self, seed, sample):
        """
        Factors on the channels of one draw, one tensor for each layer with dropout.
        """
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(sample,)))
        shape = (len(self.blocks) + 2, 1, self.features.out_channels, 1, 1)
        mask = (generator.random(shape) >= self.dropout) / (1 - self.dropout)
        return torch.from_numpy(mask.astype(np.float32)).to(self.features.weight.device)

    def forward(self, field, radius, kept=None):
        """
        The fine field in HMI gauss.

        Parameters
        ----------
        field, radius : `torch.Tensor`
            Calibrated field in HMI gauss and distance from disk center in solar radii, shape (n, 1, y, x) each.
        kept : sequence of `torch.Tensor`, optional
            See `kept`; without it no channel is dropped but in training.

        Returns
        -------
        `torch.Tensor`
            Shape (n, 1, factor * y, factor * x).
        """
        x = torch.cat([radius, field * (self.input_gain / self.unit)], dim=1)
        first, *middle, last = (None,) * (len(self.blocks) + 2) if kept is None else kept
        x = self.stem(x, first).to(self.features.weight.dtype)
        for block, factors in zip(self.blocks, middle, strict=True):
            x = block(x, factors)

        def enlarge(features):
            return F.interpolate(features, scale_factor=self.factor, mode="bilinear", align_corners=False)

        def refine(fine):
            return self.out(self.fine(fine, last).to(self.out.weight.dtype))

        return refine_by_rows(self.features(x), enlarge, refine, self.factor) * self.unit

    def draw(self, field, radius, active, samples, *, seed, steps, engine):
        tiles = engine.tiles(active)

        def run(kept=None):
            (fine,) = tiles.apply(lambda *piece: (self(*piece, kept),), field, radius, halo=self.reach)
            return fine[0, 0]

        if not self.stochastic or len(samples) == 1:
            for _ in samples:
                yield run()
            return
        # What dropping a channel does to all pixels alike is a zero level, of which nobody is unsure: it would hide
        # where the draws disagree. The median of some pixels of the whole map, so that tiles do not matter.
        whole = run()[::_STRIDE, ::_STRIDE].clone()
        known = active.repeat_interleave(self.factor, 0).repeat_interleave(self.factor, 1)[::_STRIDE, ::_STRIDE]
        known = known.to(whole.device)
        for sample in samples:
            fine = run(self.kept(seed, sample))
            yield fine - (fine[::_STRIDE, ::_STRIDE] - whole)[known].median()
