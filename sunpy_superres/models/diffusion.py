"""
Flow matching: the path from noise to data, its loss, and the solvers that walk it back.

The path is the straight line of rectified flow, ``x_t = (1 - t) x_0 + t e`` with ``e`` standard normal; a
network learns the velocity ``e - x_0`` (Lipman et al. 2023, arXiv:2210.02747, eq. 23; Liu et al. 2023,
arXiv:2209.03003). Sampling integrates ``dx/dt = v(x, t)`` from t = 1 to t = 0, or walks the schedule of DDPM, whose
states are those of the path but for a factor.
"""

import itertools

import torch

__all__ = [
    "DDPM_STEPS",
    "DIFFUSION_SOLVERS",
    "SOLVERS",
    "check_solver",
    "interpolate",
    "sample_times",
    "signal_fractions",
    "solve",
    "time_grid",
]


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


def _euler(velocity, x, times, noises):
    for now, then in itertools.pairwise(times):
        x = x + (then - now) * velocity(x, now)
    return x


def _heun(velocity, x, times, noises):
    # Second order, two evaluations a step; the last step, to t = 0, is an Euler step (Karras et al. 2022, alg. 1).
    for now, then in itertools.pairwise(times):
        slope = velocity(x, now)
        ahead = x + (then - now) * slope
        x = ahead if then == 0 else x + (then - now) / 2 * (slope + velocity(ahead, then))
    return x


def _multistep(velocity, x, times, noises):
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


#: Largest number of steps of the schedule below: that of Ho et al. 2020.
DDPM_STEPS = 1000


def signal_fractions(steps):
    """
    The linear schedule of Ho et al. 2020 (arXiv:2006.11239), from pure noise to the data.

    Parameters
    ----------
    steps : `int`
        Number of steps, at most 1000.

    Returns
    -------
    `list` of `float`
        Cumulative products of 1 - beta, ``steps + 1`` of them, increasing to 1; beta goes from 1e-4 to 0.02.
    """
    product, kept = 1.0, [1.0]
    for i in range(DDPM_STEPS):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * i / (DDPM_STEPS - 1))
        kept.append(product)
    return [kept[round(DDPM_STEPS * (1 - i / steps))] for i in range(steps + 1)]


def _diffusion(velocity, x, fractions, noises, eta):
    # Song et al. 2021 (arXiv:2010.02502), eq. 12 and 16. The state of DDPM is that of the straight path, scaled:
    # x_t = a x_0 + s e, divided by a + s, is the point t = s / (a + s) of the path.
    for now, then in itertools.pairwise(fractions):
        signal, grain = now**0.5, (1 - now) ** 0.5
        time = grain / (signal + grain)
        point = x / (signal + grain)
        slope = velocity(point, time)
        data = point - time * slope
        noise = point + (1 - time) * slope
        fresh = eta * ((1 - then) / (1 - now) * (1 - now / then)) ** 0.5
        x = then**0.5 * data + max(1 - then - fresh**2, 0.0) ** 0.5 * noise
        if fresh > 0:
            x = x + fresh * next(noises)
    return x


def _ddim(velocity, x, fractions, noises):
    return _diffusion(velocity, x, fractions, noises, 0.0)


def _ddpm(velocity, x, fractions, noises):
    return _diffusion(velocity, x, fractions, noises, 1.0)


#: Solvers by name: functions of (velocity, x, times, noises).
SOLVERS = {"euler": _euler, "heun": _heun, "multistep": _multistep}
#: Solvers on the schedule of DDPM: functions of (velocity, x, fractions, noises).
DIFFUSION_SOLVERS = {"ddim": _ddim, "ddpm": _ddpm}


def solve(velocity, noise, *, steps, solver="heun", shift=1.0, noises=None):
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
        A key of `SOLVERS`, or of `DIFFUSION_SOLVERS`.
    shift : `float`, optional
        See `time_grid`; the schedule of DDPM has none.
    noises : iterator of `torch.Tensor`, optional
        Fresh noise, which ``"ddpm"`` needs one of in each step.

    Returns
    -------
    `torch.Tensor`
        State at t = 0.

    Raises
    ------
    ValueError
        If the solver is not known, or the number of steps is not positive, or beyond the 1000 of DDPM.
    """
    check_solver(solver, steps)
    if solver in DIFFUSION_SOLVERS:
        return DIFFUSION_SOLVERS[solver](velocity, noise, signal_fractions(steps), noises)
    return SOLVERS[solver](velocity, noise, time_grid(steps, shift=shift), noises)


def check_solver(solver, steps):
    """
    Refuse a solver that there is not, or a number of steps that it cannot take; see `solve`.
    """
    if not isinstance(solver, str) or (solver not in SOLVERS and solver not in DIFFUSION_SOLVERS):
        msg = f"Unknown solver {solver!r}; known are {', '.join([*SOLVERS, *DIFFUSION_SOLVERS])}."
        raise ValueError(msg)
    if steps < 1:
        msg = f"The number of steps must be at least 1, not {steps}."
        raise ValueError(msg)
    if solver in DIFFUSION_SOLVERS and steps > DDPM_STEPS:
        msg = f"The solver {solver!r} has at most {DDPM_STEPS} steps, not {steps}."
        raise ValueError(msg)
