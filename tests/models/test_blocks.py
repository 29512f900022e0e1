"""
What a network never saw in training does not reach it.
"""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sunpy_superres.models.blocks import local_maximum, tame

LIMIT = 1900.0
fields = hnp.arrays(np.float32, (9, 8), elements=st.floats(-9000, 9000, width=32))


def tamed(field):
    return tame(torch.from_numpy(field)[None, None], LIMIT)[0, 0].numpy()


@given(fields)
def test_nothing_grows_or_changes_its_sign(field):
    found = tamed(field)
    assert (np.abs(found) <= np.minimum(np.abs(field), LIMIT)).all()
    assert (found * field >= 0).all()


@given(fields)
def test_no_pixel_stands_out_of_its_neighbors(field):
    size, found = np.abs(field), np.abs(tamed(field))
    for y in range(9):
        for x in range(8):
            around = size[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].copy()
            around[min(y, 1), min(x, 1)] = 0
            assert found[y, x] <= 2 * around.max() + 200 + 1e-2


def test_a_magnetogram_stays_as_it_is(bipole):
    np.testing.assert_array_equal(tamed(0.701 * bipole), 0.701 * bipole)


def test_hot_pixels_are_cut(bipole):
    field = bipole.copy()
    field[5, 60], field[40, 5], field[40, 6] = 3000, 3000, -3000
    found = tamed(field)
    changed = found != field
    assert changed.sum() == 3
    assert np.abs(found[changed]).max() < 1000


def test_local_maximum(rng):
    field = rng.normal(size=(7, 9))
    found = local_maximum(torch.from_numpy(field)[None, None], 2)[0, 0]
    assert found[3, 4] == np.abs(field[1:6, 2:7]).max()
    assert found[0, 0] == np.abs(field[:3, :3]).max()
