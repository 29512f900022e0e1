"""
What every comparison of features does first: check their shapes and that they are finite, go to float64.
"""

import numpy as np

__all__ = ["feature_sets"]


def feature_sets(real, generated, least):
    """
    Return both sets of features, or raise `ValueError` if they do not fit or have fewer than ``least`` images.
    """
    real, generated = (np.asarray(one, dtype=np.float64) for one in (real, generated))
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        msg = f"Features must have the shape (n, features), the same in both, not {real.shape} and {generated.shape}."
        raise ValueError(msg)
    if min(len(real), len(generated)) < least:
        msg = f"At least {least} images are needed in each set, not {len(real)} and {len(generated)}."
        raise ValueError(msg)
    if not (np.isfinite(real).all() and np.isfinite(generated).all()):
        msg = "Features must be finite."
        raise ValueError(msg)
    return real, generated
