"""
The solvers against a flow that is known in closed form.
"""

import itertools

import numpy as np
import pytest
import torch

from sunpy_superres.models.diffusion import (
    DDPM_STEPS,
    DIFFUSION_SOLVERS,
    SOLVERS,
    interpolate,
    sample_times,
    signal_fractions,
    solve,
    time_grid,
)

SPREAD = 0.3


def gaussian_velocity(x, time):
    """
    Velocity of the straight path when the data are normal with standard deviation SPREAD.
    """
    return (time - (1 - time) * SPREAD**2) / ((1 - time) ** 2 * SPREAD**2 + time**2) * x


def error(solver, steps):
    noise = torch.ones(1, dtype=torch.float64)
    return abs(float(solve(gaussian_velocity, noise, steps=steps, solver=solver)) - SPREAD)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_converges_to_the_spread_of_the_data(solver):
    assert error(solver, 400) < 5e-3


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("multistep", 2)])
def test_order(solver, order):
    assert np.log2(error(solver, 128) / error(solver, 256)) == pytest.approx(order, abs=0.35)


def test_heun_beats_euler_for_the_same_evaluations():
    assert error("heun", 8) < 0.7 * error("euler", 15)


def test_evaluations():
    calls = []

    def velocity(x, time):
        calls.append(time)
        return gaussian_velocity(x, time)

    for solver, expected in (("euler", 5), ("multistep", 5), ("heun", 9)):
        calls.clear()
        solve(velocity, torch.ones(1), steps=5, solver=solver)
        assert len(calls) == expected
        assert min(calls) > 0  # the network is never asked at the data's end, where it has learned nothing


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_time_grid(shift):
    times = time_grid(7, shift=shift)
    assert len(times) == 8
    assert (times[0], times[-1]) == (1.0, 0.0)
    assert all(a > b for a, b in itertools.pairwise(times))


def test_shift_spends_the_steps_near_the_noise():
    # Above 1 the middle of the grid lies nearer to the noise (t = 1).
    assert time_grid(2, shift=3.0)[1] == pytest.approx(0.75)


def test_path_ends():
    data, noise = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), -1.0)
    x, velocity = interpolate(data, noise, torch.tensor([0.0, 1.0]))
    assert x.flatten().tolist() == [3.0, -1.0]
    assert velocity.flatten().tolist() == [-4.0, -4.0]


def test_times_are_inside_and_follow_the_location():
    generator = torch.Generator().manual_seed(0)
    low = sample_times(4000, generator=generator, location=-1.0)
    high = sample_times(4000, generator=generator, location=1.0)
    assert 0 < low.min()
    assert high.max() < 1
    assert float(low.median()) == pytest.approx(torch.sigmoid(torch.tensor(-1.0)).item(), abs=0.02)
    assert high.median() > low.median()


def test_unknown_solver():
    with pytest.raises(ValueError, match="known are euler, heun, multistep"):
        solve(gaussian_velocity, torch.ones(1), steps=2, solver="rk45")


def test_no_steps():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        solve(gaussian_velocity, torch.ones(1), steps=0)


def test_schedule_is_that_of_ddpm():
    fractions = signal_fractions(DDPM_STEPS)
    betas = np.linspace(1e-4, 0.02, DDPM_STEPS)
    np.testing.assert_allclose(fractions[::-1], np.concatenate([[1], np.cumprod(1 - betas)]), rtol=1e-10)
    few = signal_fractions(10)
    assert len(few) == 11
    assert few[0] == fractions[0]
    assert few[-1] == 1
    assert (np.diff(few) > 0).all()


def test_ddim_converges_to_the_spread_of_the_data():
    assert error("ddim", 1000) < 5e-3
    assert error("ddim", 50) < 0.05


def test_ddpm_draws_have_the_spread_of_the_data():
    generator = torch.Generator().manual_seed(0)

    def fresh():
        while True:
            yield torch.randn(20_000, generator=generator, dtype=torch.float64)

    noises = fresh()
    found = solve(gaussian_velocity, next(noises), steps=1000, solver="ddpm", noises=noises)
    assert float(found.std()) == pytest.approx(SPREAD, rel=0.03)
    assert abs(float(found.mean())) < 0.01


@pytest.mark.parametrize(
    ("solver", "steps", "told"),
    [("magic", 5, "known are .*ddim, ddpm"), ("ddpm", 1001, "at most 1000"), ("heun", 0, "at least 1")],
)
def test_what_cannot_be_solved(solver, steps, told):
    with pytest.raises(ValueError, match=told):
        solve(gaussian_velocity, torch.ones(1), steps=steps, solver=solver)
    assert set(DIFFUSION_SOLVERS).isdisjoint(SOLVERS)
