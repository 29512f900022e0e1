"""
================================
Super-resolution and uncertainty
================================

Magnetograms from before 2010 are coarser than those of today.
A finer version of an old one can only be a guess, so this example asks for many guesses and looks at
where they agree: a magnetogram of the Michelson Doppler Imager (MDI) is brought to the grid of the
Helioseismic and Magnetic Imager (HMI), with the uncertainty of every pixel.
"""

# sphinx_gallery_tags = ["Map", "Magnetogram", "Uncertainty"]

import matplotlib.pyplot as plt
import numpy as np

import sunpy_superres
from sunpy_superres.maps import from_array

###############################################################################
# A file of MDI is read with `sunpy.map.Map`.
# Here a small bipolar region is made instead, so that the example needs no download.

y, x = np.mgrid[:64, :64]
field = np.random.default_rng(0).normal(scale=23, size=(64, 64))
for center, peak in (((36, 24), 1500), ((30, 42), -1100), ((36, 50), -400)):
    field += peak * np.exp(-((y - center[0]) ** 2 + (x - center[1]) ** 2) / 18)
mdi = from_array(field.astype("float32"), scale=1.986, instrument="mdi", center=(120, -250))

###############################################################################
# `sunpy_superres.superresolve` returns the mean of the ensemble as a Map of the same class, whose
# ``uncertainty`` is the standard deviation of the ensemble.

result = sunpy_superres.superresolve(mdi, n_samples=8, seed=0)

###############################################################################
# The mean is the best estimate of a pixel.
# A single draw looks more like a magnetogram of HMI: it has the detail that averages out in the mean.

cube = sunpy_superres.sample_posterior(mdi, n_samples=1, seed=0)

fig = plt.figure(figsize=(10, 9), layout="constrained")
limits = {"vmin": -800, "vmax": 800, "cmap": "gray"}

ax = fig.add_subplot(221, projection=mdi)
ax.imshow(mdi.data, **limits)
ax.set_title("Input (gauss of MDI)")

ax = fig.add_subplot(222, projection=result)
ax.imshow(result.data, **limits)
ax.set_title("Mean of the ensemble")

ax = fig.add_subplot(223, projection=result)
image = ax.imshow(cube.data[0], **limits)
ax.set_title("One draw")
fig.colorbar(image, ax=ax, label="Line-of-sight field [G]")

ax = fig.add_subplot(224, projection=result)
image = ax.imshow(result.uncertainty.array, vmin=0, cmap="magma")
ax.set_title("Uncertainty")
fig.colorbar(image, ax=ax, label="Standard deviation [G]")

plt.show()
