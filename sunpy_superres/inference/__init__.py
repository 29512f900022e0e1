"""
Running a model on an observation: device and precision, tiles, ensembles in constant memory.
"""

from sunpy_superres.inference.calibration import SpreadCalibration
from sunpy_superres.inference.engine import Engine, choose_device, choose_precision
from sunpy_superres.inference.ensemble import Ensemble, check_noise, draw, moments
from sunpy_superres.inference.tiles import Tiles

__all__ = [
    "Engine",
    "Ensemble",
    "SpreadCalibration",
    "Tiles",
    "check_noise",
    "choose_device",
    "choose_precision",
    "draw",
    "moments",
]
