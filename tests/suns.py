"""
Images that look like the corona, made on the spot.
"""

import numpy as np
from scipy import ndimage

__all__ = ["aia_header", "draw_sun"]


def draw_sun(rng, *, size=64, center=None, radius=None, spots=6):
    """
    Something like a full-disk image of the corona, 0 to 1, the first row in the south: disk, limb, decay, bright spots.
    """
    middle = (size - 1) / 2
    x0, y0 = center or (middle, middle)
    radius = radius or 0.424 * size
    y, x = np.mgrid[:size, :size].astype(float)
    distance = np.hypot(x - x0, y - y0) / radius
    edge = 1.0285
    disk = 0.3 + 0.25 * distance**8
    image = np.where(distance < edge, disk, 0.45 * np.exp(-(distance - edge) / 0.08))
    for _ in range(spots):
        longitude, latitude = rng.uniform(-0.9, 0.9), rng.choice([-1, 1]) * rng.uniform(0.2, 0.4)
        spot = np.hypot(x - x0 - radius * longitude * 0.9, y - y0 - radius * latitude)
        image = image + 0.6 * np.exp(-((spot / (0.06 * radius)) ** 2))
    return np.clip(ndimage.gaussian_filter(image, 0.6) + rng.normal(0, 0.02, image.shape), 0, 1)


def aia_header(**changes):
    """
    Header of a calibrated image of 128 pixels with disk center in its middle.
    """
    instrument = {"telescop": "SDO/AIA", "instrume": "AIA_3", "wavelnth": 171, "waveunit": "angstrom", "exptime": 2.0}
    axes = {}
    for axis, name in enumerate(("HPLN-TAN", "HPLT-TAN"), start=1):
        own = {"ctype": name, "cunit": "arcsec", "crpix": 64.5, "crval": 0.0, "cdelt": 17.7}
        axes |= {f"{key}{axis}": value for key, value in own.items()}
    observer = {"rsun_obs": 960.0, "rsun_ref": 6.96e8, "hgln_obs": 0.0, "hglt_obs": 0.0, "dsun_obs": 1.5e11}
    return instrument | axes | observer | {"date-obs": "2012-03-01T00:00:00"} | changes
