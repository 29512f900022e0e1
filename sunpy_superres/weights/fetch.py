"""
The folder of a model: the one that comes with the package, a verified copy in the cache, or a download into it.
"""

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from sunpy_superres._atomic import replacing
from sunpy_superres.weights import hub
from sunpy_superres.weights.layout import CONFIG, VERIFICATION, WEIGHTS, sha256_of
from sunpy_superres.weights.registry import FileRecord, model_info

__all__ = ["cache_folder", "check", "check_files", "clear", "fetch", "fetch_repository", "find_files"]

#: In the folder of a repository that is not in the registry: what was downloaded, and its hashes.
_RECEIPT = "receipt.json"


def cache_folder():
    """
    Folder of the downloaded models: ``SUNPY_SUPERRES_CACHE``, or that of the system for such things.

    Returns
    -------
    `pathlib.Path`
    """
    if folder := os.environ.get("SUNPY_SUPERRES_CACHE"):
        return Path(folder).expanduser().absolute()
    from pooch import os_cache  # NOQA: PLC0415

    return Path(os_cache("sunpy_superres"))


def _cached(record):
    return cache_folder() / "models" / record.name / record.version


def check_files(folder, files, remedy):
    """
    Raise unless the files are there and have the right hashes.

    Parameters
    ----------
    folder : `pathlib.Path`
        Where they are.
    files : `dict`
        `~sunpy_superres.weights.registry.FileRecord` by name.
    remedy : `str`
        What to do if not, for the message.

    Raises
    ------
    FileNotFoundError, ValueError
        If one is missing, or is not what it should be.
    """
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            msg = f"{path} is missing. {remedy}"
            raise FileNotFoundError(msg)
        if (found := sha256_of(path)) != expected.sha256:
            msg = (
                f"{path} is not the file that it should be (SHA-256 {found[:16]}..., expected "
                f"{expected.sha256[:16]}...): it is damaged or was altered. {remedy}"
            )
            raise ValueError(msg)


def find_files(name):
    """
    Folder of a model that is here already, bundled or in the cache, without looking into its files.

    Parameters
    ----------
    name : `str`
        Name in the registry, or ``"owner/name@revision"``.

    Returns
    -------
    `pathlib.Path` or `None`

    Raises
    ------
    ValueError
        If the name is not known.
    """
    if address := hub.parse_address(name):
        folder = _repository_folder(*address)
        return folder if (folder / _RECEIPT).is_file() else None
    record = model_info(name)
    if record.bundled:
        return record.bundled
    folder = _cached(record)
    return folder if all((folder / file).is_file() for file in record.files) else None


def check(name):
    """
    Check the files of a model that is here already; nothing is downloaded.

    Parameters
    ----------
    name : `str`
        Name in the registry, or ``"owner/name@revision"``.

    Returns
    -------
    `pathlib.Path`
        Its folder.

    Raises
    ------
    FileNotFoundError
        If it is not here, or one of its files is missing.
    ValueError
        If the name is not known, or a file was altered.
    """
    folder = find_files(name)
    if folder is None:
        msg = f"{name} is neither bundled nor in {cache_folder()}; `sunpy-superres models fetch {name}` gets it."
        raise FileNotFoundError(msg)
    remedy = f"`sunpy-superres models clear {name}` removes it, so that it is downloaded again."
    if hub.parse_address(name):
        files = _receipt(folder, name)
    else:
        record = model_info(name)
        files, remedy = record.files, "Install the package again." if record.bundled else remedy
    check_files(folder, files, remedy)
    return folder


def fetch(name, *, progress=False):
    """
    Make the files of a model of the registry available, and check them.

    Bundled files are used where they are; else those of the cache; else they are downloaded from the Hugging Face Hub.

    Parameters
    ----------
    name : `str`
        Name in the registry.
    progress : `bool`, optional
        Show a progress bar while downloading.

    Returns
    -------
    `pathlib.Path`
        Folder with the files, every one of them with the hash of the registry.

    Raises
    ------
    ValueError
        If the name is unknown, a bundled file was altered, or the server sends something else.
    FileNotFoundError
        If the model is not here and ``HF_HUB_OFFLINE`` is set, or it was never published.
    OSError
        If it cannot be downloaded, or the cache cannot be written to.

    Examples
    --------
    >>> from sunpy_superres.weights import fetch
    >>> sorted(path.name for path in fetch("ldm-mdi-hmi").iterdir() if path.suffix == ".safetensors")
    ['model.safetensors', 'verification.safetensors']
    """
    record = model_info(name)
    if record.bundled:
        return check(name)
    folder = _cached(record)
    wrong = _wrong_files(folder, record.files)
    if not wrong:
        return folder
    if not record.revision:
        msg = f"The model {name!r} neither comes with the package nor has it been published on the Hugging Face Hub."
        raise FileNotFoundError(msg)
    _need_network(folder, wrong, record.repository, record.revision)
    size = sum(record.files[file].size for file in wrong) / 1e6
    _log().info(
        f"Downloading {name} {record.version} ({size:.1f} MB) from {hub.endpoint()}/{record.repository}. "
        f"License {record.license}; please cite {record.citation}."
    )
    _make(folder)
    for file in wrong:
        digest = f"sha256:{record.files[file].sha256}"
        _download(record.repository, record.revision, file, folder, digest, progress=progress)
    return folder


def fetch_repository(repository, revision, *, accept=None, progress=False):
    """
    Make a model available that is in a repository of the Hugging Face Hub, and not in the registry.

    A warning says so when it is downloaded. The files are checked against the hashes that the Hub gives, and from then
    on against those of the first download.

    Parameters
    ----------
    repository, revision : `str`
        For example ``"owner/name"`` and a commit, a tag or a branch. A commit never changes; of a tag or a branch,
        what was downloaded first is kept.
    accept : callable, optional
        Called with the path of the configuration before the weights are downloaded; what it raises ends the matter.
    progress : `bool`, optional
        Show a progress bar while downloading.

    Returns
    -------
    `pathlib.Path`
        Folder with ``model.safetensors`` and ``config.json``, and the test tensors if there are any.

    Raises
    ------
    FileNotFoundError
        If the repository, the revision or one of the files does not exist, or ``HF_HUB_OFFLINE`` is set.
    ValueError
        If a file of the cache was altered, or the server sends something else than it announces.
    OSError
        If it cannot be downloaded, or the cache cannot be written to.
    """
    name = f"{repository}@{revision}"
    if not hub.parse_address(name):
        msg = f"{name} is not of the form 'owner/name@revision'."
        raise ValueError(msg)
    if find_files(name):
        return check(name)
    from sunpy_superres.exceptions import warn_user  # NOQA: PLC0415

    folder = _repository_folder(repository, revision)
    _need_network(folder, (CONFIG, WEIGHTS), repository, revision)
    # Everything at the commit of the configuration: a branch may move in between.
    config = hub.describe(repository, revision, CONFIG)
    commit = config.commit
    digests = {WEIGHTS: hub.describe(repository, commit, WEIGHTS).digest}
    with suppress(FileNotFoundError):
        digests[VERIFICATION] = hub.describe(repository, commit, VERIFICATION).digest
    warn_user(
        f"Downloading {repository} at {commit} from {hub.endpoint()}: it is not in the registry of sunpy_superres, "
        "which therefore vouches for nothing about it.",
        stacklevel=_depth(),
    )
    _make(folder)
    _download(repository, commit, CONFIG, folder, config.digest, progress=False)
    if accept is not None:
        accept(folder / CONFIG)
    for file, digest in digests.items():
        _download(repository, commit, file, folder, digest, progress=progress)
    files = {
        file: {"size": (folder / file).stat().st_size, "sha256": sha256_of(folder / file)}
        for file in (CONFIG, *digests)
    }
    with replacing(folder / _RECEIPT) as temporary:
        temporary.write_text(json.dumps({"commit": commit, "files": files}, indent=1) + "\n")
    return folder


def _repository_folder(repository, revision):
    return cache_folder() / "hub" / repository / revision.replace("/", "%2F")


def _receipt(folder, name):
    """
    `~sunpy_superres.weights.registry.FileRecord` of what was downloaded, by file.
    """
    try:
        listed = json.loads((folder / _RECEIPT).read_text())["files"]
        files = {file: FileRecord(**values) for file, values in listed.items()}
        if missing := {CONFIG, WEIGHTS} - files.keys():
            raise KeyError(*missing)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = (
            f"{folder / _RECEIPT} is damaged ({error!r}). `sunpy-superres models clear {name}` removes the folder, so "
            "that it is downloaded again."
        )
        raise ValueError(msg) from error
    return files


def _depth():
    """
    Frames between the function that calls this one and the user's code.
    """
    frame, depth = sys._getframe(2), 1
    while frame and frame.f_globals.get("__name__", "").startswith("sunpy_superres."):
        frame, depth = frame.f_back, depth + 1
    return depth


def clear(name=None):
    """
    Remove downloaded models; those that come with the package stay.

    Parameters
    ----------
    name : `str`, optional
        Name in the registry, or ``"owner/name@revision"``; everything that was downloaded unless given.

    Returns
    -------
    `list` of `pathlib.Path`
        The folders that were removed.

    Raises
    ------
    ValueError
        If the name is not known.
    OSError
        If a folder cannot be removed.
    """
    cache = cache_folder()
    if name is None:
        folders = [cache / "models", cache / "hub"]
    elif address := hub.parse_address(name):
        folders = [_repository_folder(*address)]
    else:
        folders = [cache / "models" / model_info(name).name]
    folders = [folder for folder in folders if folder.is_dir()]
    for folder in folders:
        shutil.rmtree(folder)
    return folders


def _wrong_files(folder, files):
    """
    Names of the files that are missing, or not what they should be.
    """
    wrong = []
    for name, expected in files.items():
        try:
            check_files(folder, {name: expected}, "It has to be downloaded again.")
        except FileNotFoundError:
            wrong.append(name)
        except ValueError as error:
            _log().warning(str(error))
            wrong.append(name)
    return wrong


def _need_network(folder, names, repository, revision):
    if hub.is_offline():
        missing = ", ".join(f"{folder / name} ({hub.file_url(repository, revision, name)})" for name in names)
        msg = (
            f"HF_HUB_OFFLINE is set, and not here or damaged: {missing}. Unset it, or give a folder "
            "with the model instead (model=)."
        )
        raise FileNotFoundError(msg)


def _make(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _download(repository, revision, name, folder, digest, *, progress):
    try:
        hub.download(repository, revision, name, folder / name, digest, progress=progress)
    except OSError as error:
        # An error of the network has no number; one of the file system has.
        if error.errno is None:
            raise
        raise _unwritable(folder, error) from error


def _unwritable(folder, error):
    msg = f"{error.strerror}: nothing can be written there. SUNPY_SUPERRES_CACHE names another folder for models"
    return OSError(error.errno, msg, str(folder))


def _log():
    from sunpy import log  # NOQA: PLC0415  training writes weights on machines without sunpy

    return log
