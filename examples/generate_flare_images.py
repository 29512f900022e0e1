"""
========================
Images of a flare class
========================

X flares are rare: of the 2,216 images of 2012 that the model of this example learned from, six show the Sun around one.
This example draws images of two classes, looks at what they have in common and where they differ, and cuts one as one
would an observation.
"""

# sphinx_gallery_tags = ["Map", "AIA", "Synthetic"]

import matplotlib.pyplot as plt
import numpy as np

import astropy.units as u
from astropy.coordinates import SkyCoord

import sunpy_superres

###############################################################################
# `sunpy_superres.generate_aia` takes a GOES class and returns an `~sunpy.map.sources.AIAMap`.
# It is synthetic: nothing of it was ever observed, and the header, the name and the title say so.
# The date decides how large the Sun appears, and nothing else.

image = sunpy_superres.generate_aia("X", date="2014-06-01", seed=0)
print(image.name)
print(image.meta["comment"])

fig = plt.figure(figsize=(6, 5.6), layout="constrained")
ax = fig.add_subplot(projection=image)
image.plot(axes=ax)
image.draw_limb(axes=ax)

###############################################################################
# Draws are independent of each other, those of two classes too; draw number k of a seed and a class is always the same.

quiet = sunpy_superres.generate_aia_sequence("A", 6, seed=0)
flaring = sunpy_superres.generate_aia_sequence("M", 6, seed=0)

fig, axes = plt.subplots(2, 6, figsize=(12, 4.3), layout="constrained")
for row, sequence, name in zip(axes, (quiet, flaring), ("A", "M"), strict=True):
    for ax, one in zip(row, sequence, strict=True):
        ax.imshow(one.data, origin="lower", cmap="sdoaia171", norm=image.plot_settings["norm"])
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(f"class {name}")
fig.suptitle("Synthetic AIA images, not observations")

###############################################################################
# The class is that of the X-rays of the whole Sun. What it does to an image is little, in real images as in these: more
# of the disk is bright.


def bright(one):
    """
    Part of the disk above 450 DN/s.
    """
    y, x = np.indices(one.data.shape) - (one.data.shape[0] - 1) / 2
    return (one.data[np.hypot(x, y) < 1.05 * one.meta["r_sun"]] > 450).mean()


for name, sequence in (("A", quiet), ("M", flaring)):
    print(f"class {name}: {np.mean([bright(one) for one in sequence]):.3f} of the disk is bright")

###############################################################################
# Everything that works with a Map of AIA works with these.

corner = SkyCoord([-900, 0] * u.arcsec, [0, 700] * u.arcsec, frame=image.coordinate_frame)
part = image.submap(corner)
fig = plt.figure(figsize=(6, 5), layout="constrained")
part.plot(axes=fig.add_subplot(projection=part))

plt.show()
