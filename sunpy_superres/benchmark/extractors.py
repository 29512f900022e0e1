"""
Networks whose features images are compared in.
"""

import numpy as np

__all__ = ["EXTRACTORS", "PUBLISHED", "extract", "open_extractor"]

#: Images at a time.
_BATCH = 64


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


def _inception():
    from torchmetrics.image.fid import NoTrainInceptionV3  # NOQA: PLC0415

    network = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])

    def features(images):
        colors = (255 * images).round().byte().expand(-1, 3, -1, -1)
        return network(colors.to(next(network.parameters()).device))

    return features


def _clip():
    import torch  # NOQA: PLC0415
    from transformers import CLIPModel  # NOQA: PLC0415

    network = CLIPModel.from_pretrained("openai/clip-vit-base-patch16").eval()
    # What CLIP was trained on had these means and standard deviations, at this size.
    mean, std = (
        torch.tensor(values)[:, None, None]
        for values in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    )

    def features(images):
        large = torch.nn.functional.interpolate(images, size=(224, 224), mode="bicubic", antialias=True).clamp(0, 1)
        found = network.get_image_features(pixel_values=(large.expand(-1, 3, -1, -1) - mean) / std)
        return getattr(found, "pooler_output", found)  # of later versions an object that holds the features

    return features


#: Functions that open an extractor, by name. ``"inception"`` and ``"clip"`` are downloaded once.
EXTRACTORS = {"solar": _solar, "random": _random, "inception": _inception, "clip": _clip}


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
        If it needs packages that are not installed.
    """
    if name not in EXTRACTORS:
        msg = f"Unknown features {name!r}; known are {', '.join(EXTRACTORS)}."
        raise ValueError(msg)
    try:
        return EXTRACTORS[name]()
    except ImportError as error:
        msg = f"The features {name!r} need more packages: with the source, pip install '.[perceptual]' ({error})."
        raise RuntimeError(msg) from error


def extract(extractor, images):
    """
    Features of images.

    Parameters
    ----------
    extractor : callable
        From `open_extractor`, or any function like it.
    images : `numpy.ndarray`
        Shape (n, y, x), from 0 to 1.

    Returns
    -------
    `numpy.ndarray`
        Shape (n, features).
    """
    import torch  # NOQA: PLC0415

    device = next(extractor.parameters()).device if hasattr(extractor, "parameters") else "cpu"
    with torch.inference_mode():
        pieces = [
            extractor(torch.from_numpy(images[i : i + _BATCH].astype(np.float32))[:, None].to(device)).float().cpu()
            for i in range(0, len(images), _BATCH)
        ]
    return torch.cat(pieces).numpy()
