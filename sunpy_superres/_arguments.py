"""
Checks of arguments that several public functions have.
"""

from numbers import Integral

import numpy as np

__all__ = ["choose_seed", "whole_number"]


def whole_number(value, name, least):
    """
    The value as an `int`, or a `ValueError` that names the argument and its least value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        msg = f"{name} must be a whole number, {least} or larger, not {value!r}."
        raise ValueError(msg)
    return int(value)


def choose_seed(seed):
    """
    The seed as an `int`, or one that is drawn where none is given.
    """
    return int(np.random.SeedSequence().entropy % 2**31) if seed is None else whole_number(seed, "seed", 0)
