"""
Flow matching: the path from noise to data, its loss, and the solvers that walk it back.

The path is the straight line of rectified flow, ``x_t = (1 - t) x_0 + t e`` with ``e`` standard normal; a
network learns the velocity ``e - x_0`` (Lipman et al. 2023, arXiv:2210.02747, eq. 23; Liu et al. 2023,
arXiv:2209.03003). Sampling integrates ``dx/dt = v(x, t)`` from t = 1 to t = 0.
"""

import itertools

import torch

__all__ = ["SOLVERS", "interpolate", "sample_times", "solve", "time_grid"]


def interpolate(data, noise, time):
    """
    Point of the path at a time, and the velocity there.

    Parameters
    ----------
    data, noise : `torch.Tensor`
        Shape (n, c, y, x).
    time : `torch.Tensor`
        Shape (n,), 0 for data and 1 for noise.

    Returns
    -------
    x, velocity : `torch.Tensor`
    """
    t = time[:, None, None, None]
    return torch.lerp(data, noise, t), noise - data


def sample_times(n, *, generator=None, device=None, location=0.0, spread=1.0):
    """
    Draw training times from a logit-normal law (Esser et al. 2024, arXiv:2403.03206, eq. 19).
    """
    normal = torch.randn(n, generator=generator, device=device)
    return torch.sigmoid(location + spread * normal)


def time_grid(steps, *, shift=1.0):
    """
    Times of a sampler, from 1 to 0.

    Parameters
    ----------
    steps : `int`
        Number of steps.
    shift : `float`, optional
        1 for equal steps; above 1 they are shorter near the noise and longer near the data
        (Esser et al. 2024, eq. 23).

    Returns
    -------
    `list` of `float`
        ``steps + 1`` times.
    """
    uniform = [1 - i / steps for i in range(steps + 1)]
    return [shift * t / (1 + (shift - 1) * t) for t in uniform]


def _euler(velocity, x, times):
    for now, then in itertools.pairwise(times):
        x = x + (then - now) * velocity(x, now)
    return x


def _heun(velocity, x, times):
    # Second order, two evaluations a step; the last step, to t = 0, is an Euler step (Karras et al. 2022, alg. 1).
    for now, then in itertools.pairwise(times):
        slope = velocity(x, now)
        ahead = x + (then - now) * slope
        x = ahead if then == 0 else x + (then - now) / 2 * (slope + velocity(ahead, then))
    return x


def _multistep(velocity, x, times):
    # Second order, one evaluation a step: Adams-Bashforth with the previous velocity, unequal steps.
    previous = None
    for i, (now, then) in enumerate(itertools.pairwise(times)):
        slope = velocity(x, now)
        direction = slope
        if previous is not None:
            ratio = (then - now) / (now - times[i - 1])
            direction = slope + ratio / 2 * (slope - previous)
        x = x + (then - now) * direction
        previous = slope
    return x


#: Solvers by name: functions of (velocity, x, times).
SOLVERS = {"euler": _euler, "heun": _heun, "multistep": _multistep}


def solve(velocity, noise, *, steps, solver="heun", shift=1.0):
    """
    Walk from noise to data.

    Parameters
    ----------
    velocity : callable
        Function of the state and the time (a `float`).
    noise : `torch.Tensor`
        State at t = 1.
    steps : `int`
        Number of steps.
    solver : `str`, optional
        A key of `SOLVERS`.
    shift : `float`, optional
        See `time_grid`.

    Returns
    -------
    `torch.Tensor`
        State at t = 0.

    Raises
    ------
    ValueError
        If the solver is not known, or the number of steps is not positive.
    """
    if solver not in SOLVERS:
        msg = f"Unknown solver {solver!r}; known are {', '.join(SOLVERS)}."
        raise ValueError(msg)
    if steps < 1:
        msg = f"The number of steps must be at least 1, not {steps}."
        raise ValueError(msg)
    return SOLVERS[solver](velocity, noise, time_grid(steps, shift=shift))
