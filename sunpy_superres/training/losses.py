"""
Losses of the stages; functions of tensors.
"""

import torch
from torch.nn import functional as F

__all__ = ["autoencoder_loss", "flow_loss", "regression_loss", "scale_loss"]


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
