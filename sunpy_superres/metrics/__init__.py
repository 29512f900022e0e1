"""
Scores of a super-resolved magnetogram against the truth: plain functions, no files.

Everywhere the prediction and the truth are of the same shape on the same grid, in gauss: arrays, masked arrays,
`~astropy.units.Quantity` or sunpy Maps. A pixel counts only where it is finite and not masked in all of them: set to
NaN what should not be scored. What comes back are plain numbers and arrays.
A threshold, a tolerance or a data range may have a unit, too, and is converted; a bare number is in that of the truth.
A single number never ranks methods, so quote pixel, physics, spectral and ensemble scores together.
Perceptual scores need more packages and are in `sunpy_superres.metrics.perceptual`.
"""

from sunpy_superres.metrics.clusters import calinski_harabasz, centroid_distance, davies_bouldin, silhouette
from sunpy_superres.metrics.distribution import (
    Manifolds,
    frechet_distance,
    kernel_distance,
    kernel_distance_error,
    kernel_distance_subsets,
    nearest_distance,
    precision_recall,
)
from sunpy_superres.metrics.ensemble import (
    add_noise,
    crps_spread_skill,
    debiased_mse,
    energy_score,
    fair_crps,
    spread_skill_ratio,
)
from sunpy_superres.metrics.flux import (
    flux_ratio,
    net_flux_error,
    pixel_area,
    radial_flux,
    signed_flux_error,
    unsigned_flux,
)
from sunpy_superres.metrics.physics import (
    DataConsistency,
    data_consistency,
    extreme_bias,
    extreme_error,
    gradient_error,
    gradient_mae,
    gradient_ratio,
    wasserstein,
)
from sunpy_superres.metrics.pixel import (
    ValidCount,
    bias,
    fraction_within,
    mae,
    pcc,
    pcc_by,
    polarity_score,
    psnr,
    rmse,
    slope,
    ssim,
    valid_count,
)
from sunpy_superres.metrics.regions import active_region_jaccard, active_region_size, pil_length, r_value
from sunpy_superres.metrics.scales import split_scales
from sunpy_superres.metrics.spectrum import (
    band_power,
    frc,
    half_bit,
    power_ratio,
    power_spectrum,
    ralsd,
    resolution,
    ring_counts,
)
from sunpy_superres.metrics.uncertainty import (
    ause,
    coverage,
    nominal_coverage,
    rank_histogram,
    rank_histogram_error,
    reliability,
    sparsification,
)

__all__ = [
    "DataConsistency",
    "Manifolds",
    "ValidCount",
    "active_region_jaccard",
    "active_region_size",
    "add_noise",
    "ause",
    "band_power",
    "bias",
    "calinski_harabasz",
    "centroid_distance",
    "coverage",
    "crps_spread_skill",
    "data_consistency",
    "davies_bouldin",
    "debiased_mse",
    "energy_score",
    "extreme_bias",
    "extreme_error",
    "fair_crps",
    "flux_ratio",
    "fraction_within",
    "frc",
    "frechet_distance",
    "gradient_error",
    "gradient_mae",
    "gradient_ratio",
    "half_bit",
    "kernel_distance",
    "kernel_distance_error",
    "kernel_distance_subsets",
    "mae",
    "nearest_distance",
    "net_flux_error",
    "nominal_coverage",
    "pcc",
    "pcc_by",
    "pil_length",
    "pixel_area",
    "polarity_score",
    "power_ratio",
    "power_spectrum",
    "precision_recall",
    "psnr",
    "r_value",
    "radial_flux",
    "ralsd",
    "rank_histogram",
    "rank_histogram_error",
    "reliability",
    "resolution",
    "ring_counts",
    "rmse",
    "signed_flux_error",
    "silhouette",
    "slope",
    "sparsification",
    "split_scales",
    "spread_skill_ratio",
    "ssim",
    "unsigned_flux",
    "valid_count",
    "wasserstein",
]
