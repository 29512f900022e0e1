"""
A small network whose features describe a full-disk image: what distances between sets of images are measured in.
"""

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.base import register_architecture

__all__ = ["SolarFeatures"]


@register_architecture("solar-features")
class SolarFeatures(nn.Module):
    """
    Convolutions of which each halves the image, which begins with 2x2 pixels as channels; the features are the means of
    the last three outputs.

    It is trained to tell images apart (Chen et al. 2020, arXiv:2002.05709) and to know their X-ray flux: networks that
    were trained on photographs see other things in the Sun than we do (Cherti et al. 2023, arXiv:2304.07169).

    Parameters
    ----------
    size : `int`, optional
        Pixels of the image along each axis.
    widths : `tuple` of `int`, optional
        Channels; each convolution halves the pixels along each axis.
    projection : `int`, optional
        Size of the vectors that are compared in training.
    mean, unit : `float`, optional
        Mean and standard deviation of the images that it is trained on.
    scaling : {"display", "log"}, optional
        What 0 and 1 mean; see `~sunpy_superres.models.class_diffusion.ClassDiffusion`.
    """

    #: Name in the registry; set by `register_architecture`.
    method = None
    #: See `~sunpy_superres.models.SuperResolver`.
    purpose = "describe"

    def __init__(self, *, size=128, widths=(32, 64, 96, 96), projection=64, mean=0.3, unit=0.21, scaling="display"):
        super().__init__()
        self.size, self.scaling, self.mean, self.unit = size, scaling, mean, unit
        layers, before = [], 4
        for width in widths:
            layers.append(nn.Sequential(nn.Conv2d(before, width, 3, padding=1), nn.SiLU(), nn.AvgPool2d(2)))
            before = width
        self.layers = nn.ModuleList(layers)
        self.last = nn.Sequential(nn.Conv2d(before, before, 3, padding=1), nn.SiLU())
        #: Number of features.
        self.channels = sum((*widths[-2:], widths[-1]))
        self.projection = nn.Sequential(
            nn.Linear(self.channels, self.channels), nn.SiLU(), nn.Linear(self.channels, projection)
        )
        self.regression = nn.Linear(self.channels, 1)

    def forward(self, images):
        """
        Features of images from 0 to 1: shape (n, 1, y, x) to (n, channels).
        """
        h = F.pixel_unshuffle((images - self.mean) / self.unit, 2).to(self.regression.weight.dtype)
        found = []
        for layer in (*self.layers, self.last):
            h = layer(h)
            found.append(h)
        return torch.cat([h.mean((2, 3)) for h in found[-3:]], dim=1).float()

    def project(self, images):
        """
        Unit vectors that are alike for two views of one image, shape (n, projection).
        """
        return F.normalize(self.projection(self(images)), dim=1)

    def flux(self, images):
        """
        Logarithm (base 10) of the X-ray flux in W/m2, shape (n,).
        """
        return self.regression(self(images))[:, 0] - 6
