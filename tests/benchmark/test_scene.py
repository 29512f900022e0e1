import numpy as np
import pytest

import astropy.units as u

from sunpy_superres.benchmark._scene import about, check_complete, crop, crop_edge, input_map


def test_input_map(bipole):
    smap = input_map(bipole)
    assert smap.instrument == "MDI"
    assert smap.unit == u.G
    np.testing.assert_array_equal(smap.data, bipole)
    np.testing.assert_allclose(u.Quantity(smap.scale).to_value("arcsec / pix"), 4 * 0.504273)


def test_crop(rng):
    image = rng.normal(size=(101, 95))
    np.testing.assert_array_equal(crop(image, 8), image[:96, :88])
    np.testing.assert_array_equal(crop_edge(image, 0), image)
    np.testing.assert_array_equal(crop_edge(np.stack([image] * 2), 3)[1], image[3:-3, 3:-3])
    with pytest.raises(ValueError, match="too small"):
        crop(image[:7], 8)


def test_check_complete():
    seen = np.array([[1.0, np.nan]])
    output = np.ones((2, 4, 8))
    output[:, :, 4:] = np.nan
    check_complete(output, seen, "ldm")
    with pytest.raises(ValueError, match="ldm returned shape"):
        check_complete(output[..., :6], seen, "ldm")
    output[1, 0, 0] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        check_complete(output, seen, "ldm")


@pytest.mark.parametrize("meta", [None, {}, {"SRMODEL": "m", "telescop": "SOHO"}])
def test_about(meta):
    result = about("p", meta, seed=3)
    assert result["protocol"] == "p"
    assert result["seed"] == 3
    assert result["provenance"] == ({"srmodel": "m"} if meta else {})
