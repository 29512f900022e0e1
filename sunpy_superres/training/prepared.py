"""
Whatever a user has, made into the arrays that a recipe is trained on.
"""

from pathlib import Path

from sunpy_superres.instruments import get_instrument

__all__ = ["is_prepared", "prepare_for"]

#: What `fetch_aia` writes beside its images, and `fetch_pairs`.
_IMAGES, _MANIFEST = "images.csv", "manifest.csv"


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
        If there is nothing that the recipe can be trained on.
    """
    from sunpy_superres.models import get_architecture  # NOQA: PLC0415

    source, target = Path(source), Path(target)
    if is_prepared(source):
        return source
    if not source.exists():
        raise FileNotFoundError(2, "there is no such file or folder", str(source))
    if get_architecture(recipe.method).purpose in ("generate", "describe"):
        return _images(recipe, source, target, split, progress)
    instrument = recipe.jitter.instrument
    if (source / _MANIFEST).is_file() or any(source.glob(f"*_{instrument}.fits*")):
        from sunpy_superres.training.prepare_pairs import prepare_pairs  # NOQA: PLC0415

        prepare_pairs(source, target, instrument=instrument, workers=workers, progress=progress)
        return target
    from sunpy_superres.training.prepare import prepare  # NOQA: PLC0415

    options = {"exclude": recipe.exclude, "quantity": get_instrument(instrument).quantity, "simulations": simulations}
    prepare(source, target, limbward=limbward, workers=workers, progress=progress, **options)
    return target


def _images(recipe, source, target, split, progress):
    from sunpy_superres.models import get_architecture  # NOQA: PLC0415
    from sunpy_superres.training.prepare_images import prepare_images  # NOQA: PLC0415

    model = get_architecture(recipe.method)(**recipe.model)
    if (source / _IMAGES).is_file():
        source /= _IMAGES
    options = {"size": model.size}
    if source.suffix != ".npz":
        # As large on the plate, and in the scaling, as what the recipe was made for.
        options |= {"scaling": model.scaling, "scale": recipe.scale}
    if source.is_dir() and progress is not None:
        progress(f"{source} holds no {_IMAGES}: the class of no image is known")
    records = prepare_images(source, target, split=split, progress=progress, **options)
    if progress is not None:
        progress(f"{len(records)} images in {target}")
    return target
