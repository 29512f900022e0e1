"""
Scores of a super-resolved magnetogram against the truth: plain numpy functions, no files, no Maps.

Everywhere the prediction and the truth are arrays of the same shape on the same grid, in gauss, and a pixel counts
only where it is finite in all of them: set to NaN what should not be scored.
A single number never ranks methods, so quote pixel, physics, spectral and ensemble scores together.
"""

from sunpy_superres.metrics.ensemble import (
    coverage,
    fair_crps,
    nominal_coverage,
    rank_histogram,
    spread_skill_ratio,
)
from sunpy_superres.metrics.physics import extreme_bias, extreme_error, gradient_error, unsigned_flux
from sunpy_superres.metrics.pixel import bias, mae, pcc, psnr, rmse, slope
from sunpy_superres.metrics.spectrum import band_power, frc, power_ratio, power_spectrum, resolution

__all__ = [
    "band_power",
    "bias",
    "coverage",
    "extreme_bias",
    "extreme_error",
    "fair_crps",
    "frc",
    "gradient_error",
    "mae",
    "nominal_coverage",
    "pcc",
    "power_ratio",
    "power_spectrum",
    "psnr",
    "rank_histogram",
    "resolution",
    "rmse",
    "slope",
    "spread_skill_ratio",
    "unsigned_flux",
]
