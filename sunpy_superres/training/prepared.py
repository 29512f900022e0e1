"""
Whatever a user has, made into the arrays that a recipe is trained on.
"""

import json
from pathlib import Path

from sunpy_superres._atomic import replacing
from sunpy_superres.instruments import get_instrument
from sunpy_superres.training.manifest import IMAGES, MANIFEST

__all__ = ["is_prepared", "prepare_for"]

#: What arrays were made of, beside them.
_SOURCE = "source.json"


def is_prepared(folder):
    """
    Whether a folder holds prepared arrays.
    """
    return (Path(folder) / "index.json").is_file()


def prepare_for(recipe, source, target, *, split=None, limbward=True, simulations=(), workers=None, progress=None):
    """
    Prepare data for a recipe, unless they are prepared.

    Parameters
    ----------
    recipe : `~sunpy_superres.training.recipe.Recipe`
        What is trained decides what its data have to be.
    source : path-like
        Prepared arrays, which are taken as they are; or, for patches, a folder of FITS files of HMI, or of pairs of it
        and of the instrument of the recipe (``manifest.csv``, or ``NAME_mdi.fits`` and ``NAME_hmi.fits``); for whole
        images a table, or a folder with one or with FITS files, see
        `~sunpy_superres.training.prepare_images.prepare_images`.
    target : path-like
        Folder for the arrays.
    split : `str`, optional
        Of a table, only rows with this value of ``split``.
    limbward : `bool`, optional
        See `~sunpy_superres.training.prepare.prepare`.
    simulations : iterable of `tuple`, optional
        See `~sunpy_superres.training.prepare.prepare`.
    workers : `int`, optional
        Processes that read files; as many as are worth it unless told.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    `pathlib.Path`
        The folder with the arrays.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is nothing that the recipe can be trained on, or the target holds arrays that were made of other files
        or otherwise.
    """
    from sunpy_superres.models import get_architecture  # NOQA: PLC0415

    source, target = Path(source), Path(target)
    if is_prepared(source):
        return source
    if not source.exists():
        raise FileNotFoundError(2, "there is no such file or folder", str(source))
    if parts := [name for name in ("train", "validation") if is_prepared(source / name)]:
        msg = f"{source} holds data that were split: give {' and '.join(str(source / part) for part in parts)}."
        raise ValueError(msg)
    model = get_architecture(recipe.method)(**recipe.model)
    images = model.purpose in ("generate", "describe")
    if not images and not source.is_dir():
        msg = f"{source} is a file; the recipe {recipe.name!r} is trained on a folder of FITS files."
        raise ValueError(msg)
    instrument = recipe.jitter.instrument
    options = {"progress": progress}
    if images:
        from sunpy_superres.training.prepare_images import prepare_images as prepare  # NOQA: PLC0415

        options |= {"split": split, **_image_options(recipe, model, source)}
        source = source / IMAGES if (source / IMAGES).is_file() else source
    elif (source / MANIFEST).is_file() or any(source.glob(f"*_{instrument}.fits*")):
        from sunpy_superres.training.prepare_pairs import prepare_pairs as prepare  # NOQA: PLC0415

        options |= {"instrument": instrument, "factor": model.factor, "workers": workers}
    else:
        from sunpy_superres.training.prepare import prepare  # NOQA: PLC0415

        options |= {"exclude": recipe.exclude, "quantity": get_instrument(instrument).quantity}
        options |= {"simulations": simulations, "limbward": limbward, "workers": workers}
    made_of = _made_of(source, prepare, options)
    # Without a word of what they are made of the preparation did not come to its end.
    if is_prepared(target) and (target / _SOURCE).is_file():
        if json.loads((target / _SOURCE).read_text()) != made_of:
            msg = (
                f"{target} holds arrays that were made of other files, or otherwise. Train into another folder, or "
                "remove it."
            )
            raise ValueError(msg)
        if progress is not None:
            progress(f"{target}: prepared before, of the same files")
        return target
    if images and source.is_dir() and progress is not None:
        progress(f"{source} holds no {IMAGES}: the class of no image is known")
    records = prepare(source, target, **options)
    with replacing(target / _SOURCE) as temporary:
        temporary.write_text(json.dumps(made_of))
    if progress is not None:
        progress(f"{len(records)} {'images' if images else 'fields'} in {target}")
    return target


def _made_of(source, prepare, options):
    """
    What decides the arrays: the files, by size and time, and how they are prepared.
    """
    # Not all that is there: the folder of the training itself may be below.
    files = sorted(path for path in source.glob("*") if path.is_file()) if source.is_dir() else [source]
    states = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    decisive = {key: value for key, value in options.items() if key not in ("progress", "workers")}
    return json.loads(json.dumps({"how": prepare.__name__, "options": decisive, "files": states}, default=str))


def _image_options(recipe, model, source):
    """
    Size, scaling and plate scale of images.
    """
    options = {"size": model.size}
    if source.suffix != ".npz":
        # As large on the plate, and in the scaling, as what the recipe was made for.
        options |= {"scaling": model.scaling, "scale": recipe.scale}
    return options
