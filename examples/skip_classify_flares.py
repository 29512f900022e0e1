"""
=====================================
Do synthetic images help a classifier
=====================================

The claim behind images of rare classes is that a classifier gets better by them. This example tests it as
``sunpy-superres evaluate-aia TABLE -o OUT --classifier`` does: classifiers are trained on real images, on real images
that are mirrored and turned, and on real and generated ones, and tested on real images of other dates, five times each.

It needs an archive of real images, ``NAME.npz`` with a row for each image in ``NAME.csv`` (see
``sunpy-superres prepare-images --help``), and takes a quarter of an hour; so it is shown here, and not run. What came
out for the images that the bundled weights were trained on is in the guide.
"""

import sys
from pathlib import Path

from sunpy_superres.benchmark import classifier_table, evaluate_generator, run_classifier
from sunpy_superres.training.prepare_images import prepare_images

table, out = (Path(argument) for argument in sys.argv[1:])

###############################################################################
# The archive says which images are for training. No date is in both.

train, validation = (out / split for split in ("train", "validation"))
for folder in (train, validation):
    prepare_images(table, folder, split=folder.name)

###############################################################################
# How near the draws are to real images, and how far from being copies of them, comes first: what is drawn here is kept
# in ``out / "generated"``.

results = evaluate_generator(train, validation, out, n=128, seed=0)
print(f"kernel distance: {results['figures']['kid_ratio']:.2f} of that between two sets of real images")

###############################################################################
# In every training the classes are shown equally often: the kinds differ in the images alone.

results = run_classifier(train, validation, out / "generated", out / "classifier.json", progress=print)
print(classifier_table(results))
