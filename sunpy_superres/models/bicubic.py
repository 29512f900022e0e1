"""
Calibration and bicubic interpolation: the baseline that every other method must beat.
"""

from sunpy_superres.models.base import SuperResolver, register_method
from sunpy_superres.models.regression import bicubic

__all__ = ["Bicubic"]


@register_method("bicubic")
class Bicubic(SuperResolver):
    """
    Bicubic interpolation of the calibrated field; deterministic, nothing to train.

    Parameters
    ----------
    factor : `int`, optional
        Up-sampling factor.
    """

    stochastic = False
    trained = False
    #: The kernel of four points reaches two pixels.
    reach = 2

    def __init__(self, factor=4):
        super().__init__()
        self.factor = factor

    def forward(self, field, radius):
        """
        The field on the fine grid; the distance from disk center is not used.
        """
        return bicubic(field, self.factor)
