"""
Losses of the stages; functions of tensors.
"""

import math

import torch
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

__all__ = [
    "autoencoder_loss",
    "contrastive_loss",
    "conversion_loss",
    "flow_loss",
    "regression_loss",
    "scale_loss",
    "sobel",
    "soft_histogram",
]


def autoencoder_loss(found, truth):
    """
    Squared error divided by the local variance of the truth (plus that of noise): 50 G is small in a spot.
    """
    variance = 50.0**2 + F.avg_pool2d(truth**2, 9, stride=1, padding=4)
    return ((found - truth) ** 2 / variance).mean()


def regression_loss(found, truth, field, window):
    """
    Squared error divided by ``30 G + |local field|``, between plain and fully weighted regression.

    Any weight that depends on the input alone has the conditional mean as its minimum; this one keeps the
    spots from drowning the rest and the noise of the quiet Sun from drowning the spots.
    """
    local = F.avg_pool2d(field.abs(), 5, stride=1, padding=2)
    factor = truth.shape[-1] // field.shape[-1]
    weight = F.interpolate(window / (30.0 + local), scale_factor=factor, mode="nearest")
    return ((found - truth) ** 2 * weight).mean()


def scale_loss(residual, log_scale, window):
    """
    Gaussian negative log-likelihood of the latent residual; the residual itself gets no gradient.
    """
    square = residual.detach() ** 2 * torch.exp(-2 * log_scale)
    return ((0.5 * square + log_scale) * window).sum() / (window.sum() * residual.shape[1] + 1)


def flow_loss(found, velocity, window, threshold=3.0):
    """
    Squared error of the velocity, linear beyond a threshold: what remains of the heavy tails weighs less.
    """
    loss = F.huber_loss(found, velocity, reduction="none", delta=threshold)
    return (loss * window).sum() / (window.sum() * found.shape[1] + 1)


def sobel(field):
    """
    Gradient in x and in y per pixel by Sobel's kernels, of (n, 1, y, x) as (n, 2, y - 2, x - 2).
    """
    kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], device=field.device) / 8
    return F.conv2d(field, torch.stack([kernel, kernel.T])[:, None].to(field.dtype))


def soft_histogram(field, *, noise=60.0, width=0.15, limit=5000.0):
    """
    Histogram of each image that can be differentiated: every pixel counts for the two nearest bins.

    The bins are equal in ``asinh(field / noise)``: linear within the noise, logarithmic beyond.

    Parameters
    ----------
    field : `torch.Tensor`
        Shape (n, 1, y, x), in gauss.
    noise, width, limit : `float`, optional
        Field in gauss below which the bins are linear, width of a bin, and the largest field that has a bin.

    Returns
    -------
    `torch.Tensor`
        Shape (n, bins); each row has the sum 1.
    """
    half = math.ceil(math.asinh(limit / noise) / width)
    place = (torch.asinh(field.flatten(1) / noise) / width).clamp(-half, half - 1e-3) + half
    below = place.floor()
    part = place - below
    counts = place.new_zeros(len(field), 2 * half + 1)
    counts = counts.scatter_add(1, below.long(), 1 - part).scatter_add(1, below.long() + 1, part)
    return counts / place.shape[1]


def conversion_loss(found, truth, unit, *, gradient, histogram, ssim):
    """
    Squared error, squared error of the gradient, distance of the histograms and dissimilarity of structure.

    Equation 8 of Muñoz-Jaramillo et al. 2024 (ApJS 271, 46, doi:10.3847/1538-4365/ad12c2). Noise,
    width and limit of the histogram are those of the authors' configuration files; what they mean, that each histogram
    has the sum one, and the window and range of the structural similarity are not given and are ours.

    Parameters
    ----------
    found, truth : `torch.Tensor`
        Shape (n, 1, y, x), in gauss.
    unit : `float`
        Field in gauss that counts as 1.
    gradient, histogram, ssim : `float`
        Coefficients; a term with the coefficient 0 is not computed.

    Returns
    -------
    `torch.Tensor`
        Scalar.
    """
    # Differences of nearly equal numbers: autocast would compute the convolutions here in half precision.
    with torch.autocast(found.device.type, enabled=False):
        x, y = found.float() / unit, truth.float() / unit
        loss = (x - y).square().mean()
        if gradient:
            loss = loss + gradient * (sobel(x) - sobel(y)).square().sum(dim=1).mean()
        if histogram:
            distance = 0.5 * (soft_histogram(x * unit) - soft_histogram(y * unit)).abs().sum(dim=1)
            loss = loss + histogram * distance.mean()
        if ssim:
            # A uniform window of 7 pixels, as scikit-image takes by default; a Gaussian one doubles the time of a step.
            similarity = structural_similarity_index_measure(x, y, gaussian_kernel=False, kernel_size=7, data_range=2.0)
            loss = loss + ssim * (1 - similarity)
        return loss


def contrastive_loss(first, second, temperature=0.2):
    """
    How two views of one image match, against those of different ones (Chen et al. 2020, arXiv:2002.05709, eq. 1).

    Parameters
    ----------
    first, second : `torch.Tensor`
        Unit vectors of the two views, shape (n, channels).
    temperature : `float`, optional
        What cosines are divided by.

    Returns
    -------
    `torch.Tensor`
    """
    vectors = torch.cat([first, second]).float()
    n = len(first)
    cosines = vectors @ vectors.T / temperature
    cosines = cosines.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=vectors.device), -torch.inf)
    partner = torch.arange(2 * n, device=vectors.device).roll(n)
    return F.cross_entropy(cosines, partner)
