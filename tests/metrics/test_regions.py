import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import astropy.units as u
from astropy.io import fits

from sunpy_superres.degradation import synthetic_magnetogram
from sunpy_superres.maps import from_array
from sunpy_superres.metrics import active_region_jaccard, active_region_size, pil_length, pixel_area, r_value
from sunpy_superres.metrics.regions import _smooth

SCALE = 0.5
# On coarse pixels, so that hypothesis can draw whole fields.
COARSE = {"threshold": 30.0, "blur": 3.0, "contour": 8.0}


def region(seed=5, shape=(96, 128)):
    return synthetic_magnetogram(shape, seed=seed).astype(float)


def blurred(field, blur, scale):
    """
    The normalized convolution with dense matrices.
    """
    sigma = blur / scale / math.sqrt(8 * math.log(2))
    reach = int(4 * sigma + 0.5)
    valid = np.isfinite(field)
    known, weight = np.where(valid, field, 0), valid.astype(float)
    for axis in (0, 1):
        places = np.arange(field.shape[axis])
        apart = places[:, None] - places
        kernel = np.where(abs(apart) <= reach, np.exp(-0.5 * (apart / sigma) ** 2), 0)
        known, weight = (np.moveaxis(np.tensordot(kernel, one, (1, axis)), 0, axis) for one in (known, weight))
    return np.where(valid, known / np.where(valid, weight, 1), np.nan)


def flood(mask, start, steps):
    found, todo = {start}, [start]
    while todo:
        y, x = todo.pop()
        for dy, dx in steps:
            at = y + dy, x + dx
            if 0 <= at[0] < mask.shape[0] and 0 <= at[1] < mask.shape[1] and mask[at] and at not in found:
                found.add(at)
                todo.append(at)
    return found


def outlined(field, threshold, contour, scale, *, fill=True):
    """
    Filled regions with a long enough outline, by flooding and by counting the corners of the outline.
    """
    strong = np.pad(np.nan_to_num(field, nan=-np.inf) >= threshold, 2)
    straight = [(0, 1), (0, -1), (1, 0), (-1, 0)]
    around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    kept, done = np.zeros(strong.shape, dtype=bool), set()
    for start in zip(*np.nonzero(strong), strict=True):
        start = tuple(int(i) for i in start)
        if start in done:
            continue
        one = flood(strong, start, around)
        done |= one
        only = np.zeros(strong.shape, dtype=bool)
        only[tuple(np.transpose(list(one)))] = True
        filled = np.ones(strong.shape, dtype=bool)
        filled[tuple(np.transpose(list(flood(~only, (0, 0), straight))))] = False
        # Marching squares: a corner is cut, a side runs straight, touching corners are two cuts.
        corners = filled[:-1, :-1].astype(int) + filled[1:, :-1] + filled[:-1, 1:] + filled[1:, 1:]
        diagonal = (corners == 2) & (filled[:-1, :-1] == filled[1:, 1:])
        cut = np.count_nonzero((corners == 1) | (corners == 3)) + 2 * np.count_nonzero(diagonal)
        length = cut / math.sqrt(2) + np.count_nonzero((corners == 2) & ~diagonal)
        if length * scale >= contour:
            kept |= filled if fill else only
    return kept[2:-2, 2:-2] & np.isfinite(field)


@pytest.mark.parametrize("seed", [1, 2, 5])
@pytest.mark.parametrize("holes", [False, True])
def test_size_and_overlap_by_flooding(seed, holes, rng):
    truth = region(seed)
    pred = ndimage.gaussian_filter(truth, 2) + rng.normal(0, 5, truth.shape)
    if holes:
        truth[20:30, 40:50], pred[70:, 90:], pred[50, 60] = np.nan, np.inf, np.nan
    smooth = blurred(truth, 2.5, SCALE)
    expected = outlined(np.abs(smooth), 30, 36, SCALE)
    assert expected.any()
    assert active_region_size(truth, SCALE) == pytest.approx(expected.sum() * SCALE**2)

    known = np.isfinite(pred) & np.isfinite(truth)
    both = [blurred(np.where(known, field, np.nan), 2.5, SCALE) for field in (pred, truth)]
    overlaps = []
    for sign in (1, -1):
        one, other = (outlined(sign * field, 30, 36, SCALE) for field in both)
        if (one | other).any():
            overlaps.append((one & other).sum() / (one | other).sum())
    assert active_region_jaccard(pred, truth, SCALE) == pytest.approx(np.mean(overlaps))


@pytest.mark.parametrize("seed", [1, 6, 11])
@pytest.mark.parametrize("share", [0, 0.1, 0.8])
def test_inversion_line_by_flooding(seed, share):
    morphology = pytest.importorskip("skimage.morphology")
    field = region(seed)
    field[20:30, 40:50] = np.nan
    smooth = blurred(field, 2.5, SCALE)
    grown = []
    for sign in (1, -1):
        one = np.pad(outlined(sign * smooth, 30, 36, SCALE, fill=False), 3)
        windows = np.lib.stride_tricks.sliding_window_view(one, (7, 7))  # 3 arcsec
        grown.append(windows.any(axis=(2, 3)))
    near = grown[0] & grown[1] & np.isfinite(field)
    around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    pieces, done = [], set()
    for start in zip(*np.nonzero(near), strict=True):
        start = tuple(int(i) for i in start)
        if start not in done:
            pieces.append(flood(near, start, around))
            done |= pieces[-1]
    flux = np.array([sum(abs(field[at]) for at in piece) for piece in pieces])
    kept = np.zeros(field.shape, dtype=bool)
    for one, piece in zip(flux, pieces, strict=True):
        if one >= share * flux.sum() or (one == flux.max() and not (flux >= share * flux.sum()).any()):
            kept[tuple(np.transpose(list(piece)))] = True
    ways = [np.rot90(np.flip(kept, axis=axes), turns) for axes in ((), (0,)) for turns in range(4)]
    expected = np.mean([morphology.skeletonize(way.copy()).sum() for way in ways]) * SCALE
    assert expected > 0
    assert pil_length(field, SCALE, share=share) == pytest.approx(expected)


def r_by_loops(field, scale, threshold=150):
    n = max(1, round(2 / scale))
    ny, nx = field.shape[0] // n, field.shape[1] // n
    coarse = np.array([[field[y * n : y * n + n, x * n : x * n + n].mean() for x in range(nx)] for y in range(ny)])
    line = np.zeros((ny, nx))
    for y, x in np.ndindex(ny, nx):
        around = coarse[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        line[y, x] = np.isfinite(coarse[y, x]) and (around > threshold).any() and (around < -threshold).any()
    sigma = 10 / 2.3548
    apart = np.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
    kernel = np.exp(-0.5 * (apart / sigma) ** 2)
    kernel /= kernel.sum()
    total = 0.0
    for y, x in np.argwhere(line):
        for i, j in np.ndindex(ny, nx):
            if abs(i - y) <= apart[-1] and abs(j - x) <= apart[-1] and np.isfinite(coarse[i, j]):
                total += kernel[i - y + apart[-1]] * kernel[j - x + apart[-1]] * abs(coarse[i, j])
    return math.log10(total) if total >= 1 else 0.0


@pytest.mark.parametrize(("scale", "seed"), [(0.5, 5), (0.504, 1), (1.986, 0), (0.7, 12)])
def test_r_value_by_loops(scale, seed):
    field = region(seed)
    field[30:33, 50] = np.nan
    expected = r_by_loops(field, scale)
    assert expected > 1
    assert r_value(field, scale) == pytest.approx(expected, rel=1e-6)
    assert r_value(field, scale, threshold=300) == pytest.approx(r_by_loops(field, scale, 300), rel=1e-6)


def test_r_value_of_a_straight_line():
    # Far from the ends every pixel of the two columns of the line gives the field times the kernel: 2 N B.
    field = np.full((400, 400), 300.0)
    field[:, 200:] = -300
    assert r_value(field, 2.0) == pytest.approx(math.log10(2 * 400 * 300), abs=0.01)
    assert r_value(np.abs(field), 2.0) == 0
    # Of polarities with a pixel of 2 arcsec between them that one is on the line, with two none is.
    field[:, 199] = 0
    assert r_value(field, 2.0) == pytest.approx(math.log10(400 * 300 * (1 - 0.094)), abs=0.01)
    field[:, 200] = 0
    assert r_value(field, 2.0) == 0


def test_r_value_is_conserved_by_what_is_below_2_arcsec(rng):
    field = np.kron(rng.normal(0, 300, (20, 30)), np.ones((4, 4)))
    detail = rng.normal(0, 200, field.shape)
    detail -= np.kron(detail.reshape(20, 4, 30, 4).mean(axis=(1, 3)), np.ones((4, 4)))
    assert r_value(field + detail, 0.5) == pytest.approx(r_value(field, 0.5))


def test_r_value_of_sharps(shared_data):
    found = 0
    for path in sorted((shared_data / "hmi" / "train").glob("*377.20110215*.magnetogram.fits")):
        with fits.open(path) as hdus:
            header, field = hdus[1].header, hdus[1].data.astype(float)
        # The keyword is of the image on the detector, not of its projection, and its neighborhood is off center.
        scale = math.radians(header["CDELT1"]) * header["RSUN_OBS"]
        assert r_value(field, scale) == pytest.approx(header["R_VALUE"], abs=0.2)
        found += 1
    assert found


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.transpose, np.rot90, np.negative])
@given(seed=st.integers(0, 50))
def test_orientation_and_polarity(turn, seed):
    truth, pred = region(seed, (48, 64)), region(seed + 1, (48, 64))
    assert active_region_size(turn(truth), 1.0, **COARSE) == active_region_size(truth, 1.0, **COARSE)
    overlap = active_region_jaccard(pred, truth, 1.0, **COARSE)
    assert active_region_jaccard(turn(pred), turn(truth), 1.0, **COARSE) == pytest.approx(overlap, nan_ok=True)
    assert active_region_jaccard(truth, pred, 1.0, **COARSE) == pytest.approx(overlap, nan_ok=True)
    assert math.isnan(overlap) or 0 <= overlap <= 1
    assert r_value(turn(truth), 1.0) == pytest.approx(r_value(truth, 1.0))
    assert pil_length(turn(truth), 1.0, **COARSE) == pytest.approx(pil_length(truth, 1.0, **COARSE))


@given(seed=st.integers(0, 50), factor=st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling(seed, factor):
    truth, pred = region(seed, (48, 64)), region(seed + 1, (48, 64))
    more = COARSE | {"threshold": 30 * factor}
    assert active_region_size(factor * truth, 1.0, **more) == active_region_size(truth, 1.0, **COARSE)
    overlap = active_region_jaccard(pred, truth, 1.0, **COARSE)
    assert active_region_jaccard(factor * pred, factor * truth, 1.0, **more) == pytest.approx(overlap, nan_ok=True)
    assert pil_length(factor * truth, 1.0, **more) == pil_length(truth, 1.0, **COARSE)
    r, scaled = r_value(truth, 1.0), r_value(factor * truth, 1.0, threshold=150 * factor)
    assert scaled == pytest.approx(r + math.log10(factor) if r else 0)
    # In other pixels of the same sky, sizes are those of the sky.
    wide = {"threshold": 30.0, "blur": 6.0, "contour": 16.0}
    assert active_region_size(truth, 2.0, **wide) == 4 * active_region_size(truth, 1.0, **COARSE)
    assert pil_length(truth, 2.0, dilation=6.0, **wide) == 2 * pil_length(truth, 1.0, dilation=3.0, **COARSE)


@given(seed=st.integers(0, 50), top=st.integers(0, 8), right=st.integers(0, 8))
def test_masking_is_cropping_away(seed, top, right):
    truth, pred = region(seed, (48, 64)), region(seed + 1, (48, 64))
    box = slice(4 * top, None), slice(None, 64 - 4 * right)
    masked = np.full(truth.shape, np.nan)
    masked[box] = truth[box]
    assert active_region_size(masked, 1.0, **COARSE) == active_region_size(truth[box], 1.0, **COARSE)
    assert pil_length(masked, 1.0, **COARSE) == pil_length(truth[box], 1.0, **COARSE)
    assert r_value(masked, 1.0) == pytest.approx(r_value(truth[box], 1.0))
    overlap = active_region_jaccard(pred[box], truth[box], 1.0, **COARSE)
    assert active_region_jaccard(pred, masked, 1.0, **COARSE) == pytest.approx(overlap, nan_ok=True)


@given(st.integers(0, 20))
def test_smoothing_keeps_constants(seed):
    holes = np.random.default_rng(seed).random((12, 15)) < 0.5
    smooth = _smooth(np.where(holes, np.nan, 7.0), 3, 1)
    np.testing.assert_array_equal(np.isnan(smooth), holes)
    np.testing.assert_allclose(smooth[~holes], 7)


def disk(radius, shape=(128, 128), center=(64, 64)):
    return np.hypot(*(np.indices(shape) - np.reshape(center, (2, 1, 1)))) < radius


def test_size_of_disks():
    field = np.where(disk(30), 800.0, 0)
    area = math.pi * 15**2
    # Blurring widens the outline of 30 G by a few arcsec, one at half of the field does not.
    assert active_region_size(field, SCALE, threshold=400) == pytest.approx(area, rel=0.02)
    assert area < active_region_size(field, SCALE) < math.pi * 18**2
    # A ring counts with what it encloses, once, and both polarities count.
    ring = np.where(disk(20), 0, field)
    assert active_region_size(ring, SCALE, threshold=400, blur=0) == field.astype(bool).sum() * SCALE**2
    ring[disk(10)] = -800
    assert active_region_size(ring, SCALE, threshold=400, blur=0) == field.astype(bool).sum() * SCALE**2
    # Small ones do not count: their outline is 2 pi 5 pixels, 15.7 arcsec.
    small = np.where(disk(5), 800.0, 0)
    assert active_region_size(small, SCALE, threshold=400, blur=0) == 0
    assert active_region_size(small, SCALE, threshold=400, blur=0, contour=14) > 0
    assert active_region_size(small, SCALE, threshold=400, blur=0, contour=18) == 0


def test_size_with_maps():
    field = region()
    smap = from_array(field, scale=SCALE, instrument="hmi")
    assert active_region_size(smap) == pytest.approx(active_region_size(field.astype(np.float32), SCALE))
    assert active_region_size(field, 0.5 * u.arcsec / u.pix) == active_region_size(field, 0.5)
    assert active_region_size((field * u.G).to(u.T), SCALE) == active_region_size(field, SCALE)
    assert active_region_jaccard(field, smap) == 1
    assert active_region_jaccard(smap, field) == 1
    assert pil_length(smap) == pytest.approx(pil_length(field.astype(np.float32), SCALE))
    assert r_value(smap) == pytest.approx(r_value(field, SCALE), rel=1e-6)
    assert active_region_size(smap) * pixel_area(1) > 0


def test_jaccard_by_hand():
    truth, pred = np.zeros((2, 64, 96))
    truth[16:48, 16:48], truth[16:48, 60:92] = 500, -500
    pred[16:48, 20:52], pred[20:52, 60:92] = 500, -500
    plain = {"blur": 0, "threshold": 100}
    assert active_region_jaccard(pred, truth, SCALE, **plain) == pytest.approx(28 / 36)
    assert active_region_jaccard(-pred, truth, SCALE, **plain) < 0.05
    # A polarity that only one has counts as missed, one that neither has not at all.
    assert active_region_jaccard(np.maximum(truth, 0), truth, SCALE, **plain) == 0.5
    assert active_region_jaccard(np.maximum(pred, 0), np.maximum(truth, 0), SCALE, **plain) == pytest.approx(28 / 36)


def test_inversion_line_by_hand():
    field = np.zeros((128, 128))
    field[20:108, 20:64], field[20:108, 64:108] = 500, -500
    # 44 arcsec, and a few more by the blur and the dilation.
    assert pil_length(field, SCALE) == pytest.approx(47, abs=4)
    # Apart by more than the dilation there is none.
    apart = field.copy()
    apart[:, 58:70] = 0
    assert pil_length(apart, SCALE) == 0
    assert pil_length(apart, SCALE, dilation=8) == pytest.approx(47, abs=6)
    # Around an enclosed polarity the line is closed.
    inside = np.where(disk(50), 500.0, 0)
    inside[disk(25)] = -500
    assert pil_length(inside, SCALE) == pytest.approx(2 * math.pi * 25 * SCALE * 0.9, rel=0.08)
    # Of two lines the weaker one counts if it holds its share.
    two = np.zeros((128, 128))
    two[10:118, 10:30], two[10:118, 30:50] = 500, -500
    two[40:90, 80:100], two[40:90, 100:120] = 250, -250
    assert pil_length(two, SCALE, share=0.8) == pytest.approx(57, abs=4)
    assert pil_length(two, SCALE) == pytest.approx(57 + 28, abs=8)


def test_nothing_there():
    quiet = np.zeros((32, 32))
    assert active_region_size(quiet, SCALE) == pil_length(quiet, SCALE) == r_value(quiet, SCALE) == 0
    assert math.isnan(active_region_jaccard(quiet, quiet, SCALE))
    unipolar = np.where(disk(12, (32, 32), (16, 16)), 500.0, 0)
    assert active_region_size(unipolar, SCALE) > 0
    assert pil_length(unipolar, SCALE) == 0
    assert active_region_jaccard(quiet, unipolar, SCALE) == 0


@pytest.mark.parametrize(
    "score", [active_region_size, pil_length, r_value, lambda f, *s: active_region_jaccard(f, f, *s)]
)
def test_errors(score):
    with pytest.raises(ValueError, match="only a Map knows its own"):
        score(np.zeros((32, 32)))
    with pytest.raises(ValueError, match="one positive number in arcsec"):
        score(np.zeros((32, 32)), -1)
    with pytest.raises(ValueError, match="2 dimensions"):
        score(np.zeros(32), SCALE)
    with pytest.raises(ValueError, match="No pixel"):
        score(np.full((32, 32), np.nan), SCALE)
    with pytest.raises(ValueError, match="does not convert to 'G'"):
        score(np.zeros((32, 32)) * u.K, SCALE)


def test_errors_of_parameters():
    field = np.zeros((32, 32))
    for name in ("blur", "contour", "dilation"):
        with pytest.raises(ValueError, match=f"{name} must not be negative, got -1"):
            pil_length(field, SCALE, **{name: -1})
    with pytest.raises(ValueError, match="share must be between 0 and 1, got 80"):
        pil_length(field, SCALE, share=80)
    with pytest.raises(ValueError, match="threshold must be positive, got 0"):
        active_region_size(field, SCALE, threshold=0)
    with pytest.raises(ValueError, match="threshold must be positive, got -150"):
        r_value(field, SCALE, threshold=-150)
    with pytest.raises(ValueError, match="A block must have 1 to 3 pixels"):
        r_value(field[:3], SCALE)
    with pytest.raises(ValueError, match="No bin of 2 arcsec is finite"):
        r_value(np.where(np.eye(4), 1.0, np.nan), SCALE)
    with pytest.raises(ValueError, match="must be equal"):
        active_region_jaccard(field, field[1:], SCALE)
