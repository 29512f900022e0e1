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

    def __init__(self, factor=4):
        super().__init__()
        self.factor = factor

    def draw(self, field, radius, active, samples, *, seed, steps, engine):
        tiles = engine.tiles(active)
        # The kernel of four points reaches two pixels.
        (fine,) = tiles.apply(lambda x: (bicubic(x, self.factor),), field, halo=2)
        for _ in samples:
            yield fine[0, 0]
