"""
What every score does first: check the shapes, find the pixels that count, go to float64.
"""

import numpy as np

__all__ = ["ensemble_blocks", "finite_pairs", "same_shape"]

#: Pixels taken at a time by the ensemble scores, so that their memory does not grow with the map.
BLOCK = 1 << 18


def same_shape(pred, truth, *, ndim=None):
    """
    Return both as arrays, or raise `ValueError` if their shapes differ or are not of ``ndim`` dimensions.
    """
    pred, truth = np.asarray(pred), np.asarray(truth)
    if pred.shape != truth.shape:
        msg = f"The prediction has shape {pred.shape} and the truth {truth.shape}; they must be equal."
        raise ValueError(msg)
    if ndim is not None and pred.ndim != ndim:
        msg = f"Expected images with {ndim} dimensions, got shape {pred.shape}."
        raise ValueError(msg)
    return pred, truth


def finite_pairs(pred, truth):
    """
    Return the pixels that are finite in both, flattened, in float64.
    """
    pred, truth = same_shape(pred, truth)
    valid = np.isfinite(pred) & np.isfinite(truth)
    if not valid.any():
        msg = "No pixel is finite in both the prediction and the truth."
        raise ValueError(msg)
    return pred[valid].astype(np.float64), truth[valid].astype(np.float64)


def ensemble_blocks(members, truth, *, at_least=1):
    """
    Check an ensemble, then yield it in blocks of pixels that are finite in the truth and in every member.

    Yields ``(members, truth)`` of shapes (n, pixels) and (pixels,), float64, never empty.
    """
    members, truth = np.asarray(members), np.asarray(truth)
    if members.shape[1:] != truth.shape or members.ndim != truth.ndim + 1:
        msg = f"Expected members of shape (n, *{truth.shape}) for this truth, got {members.shape}."
        raise ValueError(msg)
    if len(members) < at_least:
        msg = f"This score needs at least {at_least} members, got {len(members)}."
        raise ValueError(msg)
    return _blocks(members.reshape(len(members), -1), truth.reshape(-1))


def _blocks(members, truth):
    found = False
    for start in range(0, truth.size, BLOCK):
        x, y = members[:, start : start + BLOCK], truth[start : start + BLOCK]
        valid = np.isfinite(y) & np.isfinite(x).all(axis=0)
        if valid.any():
            found = True
            yield x[:, valid].astype(np.float64), y[valid].astype(np.float64)
    if not found:
        msg = "No pixel is finite in the truth and in every member."
        raise ValueError(msg)
