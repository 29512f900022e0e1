"""
Networks whose features images are compared in.
"""

from sunpy_superres.metrics.perceptual import extract, open_clip, open_inception

__all__ = ["EXTRACTORS", "PUBLISHED", "extract", "open_extractor"]


def _solar():
    from sunpy_superres.inference import choose_device  # NOQA: PLC0415
    from sunpy_superres.weights import fetch  # NOQA: PLC0415
    from sunpy_superres.weights.files import load_model  # NOQA: PLC0415

    return load_model(fetch("aia171-features")).to(choose_device())


def _random():
    import torch  # NOQA: PLC0415

    from sunpy_superres.inference import choose_device  # NOQA: PLC0415
    from sunpy_superres.models.solar_features import SolarFeatures  # NOQA: PLC0415

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SolarFeatures(widths=(32, 64, 128, 128)).requires_grad_(False)
    return network.to(choose_device())


#: Functions that open an extractor, by name. ``"inception"`` and ``"clip"`` are downloaded once.
EXTRACTORS = {"solar": _solar, "random": _random, "inception": open_inception, "clip": open_clip}


#: Those whose distances are quoted in the literature: their features are taken as they are.
PUBLISHED = ("inception", "clip")


def open_extractor(name):
    """
    Open an extractor of features.

    Parameters
    ----------
    name : {"solar", "random", "inception", "clip"}
        The bundled network trained on AIA images, one of its kind that was trained on nothing, Inception-V3, or CLIP.

    Returns
    -------
    callable
        From images, a tensor (n, 1, y, x) from 0 to 1, to features, a tensor (n, features).

    Raises
    ------
    ValueError
        If there is no such extractor.
    RuntimeError
        If it needs packages that are not installed, or weights that cannot be fetched.
    """
    if name not in EXTRACTORS:
        msg = f"Unknown features {name!r}; known are {', '.join(EXTRACTORS)}."
        raise ValueError(msg)
    try:
        return EXTRACTORS[name]()
    except ImportError as error:
        msg = f"The features {name!r} need more packages: with the source, pip install '.[perceptual]' ({error})."
        raise RuntimeError(msg) from error
