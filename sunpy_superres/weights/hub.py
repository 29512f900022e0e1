"""
The Hugging Face Hub as a place to download files from: its addresses, its environment, one file at a time.

All settings are read from the environment when they are needed, so that a program may change them.
"""

import os
import re
import time
from collections import namedtuple
from urllib.parse import quote, urljoin, urlsplit

from sunpy_superres._atomic import replacing
from sunpy_superres.weights.layout import git_hash_of, sha256_of

__all__ = ["RemoteFile", "describe", "download", "endpoint", "file_url", "is_offline", "parse_address", "token"]

#: What the Hub says of a file: the commit it belongs to, and its hash as ``"sha256:..."`` or ``"git:..."``.
RemoteFile = namedtuple("RemoteFile", ["commit", "digest"])

#: Tries, seconds to wait after the first failure (doubled each time), and seconds of silence that count as one.
ATTEMPTS = 4
BACKOFF = 1.0
TIMEOUT = 30
_REDIRECTS = 10
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
# No part begins with a dot: they name folders of the cache too, and ".." would lead out of it.
_ADDRESS = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)@(?P<revision>\w[^\s@\\]*)")


def endpoint():
    """
    Address of the Hub or of a mirror (``HF_ENDPOINT``).
    """
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def is_offline():
    """
    Whether the user wants no network (``HF_HUB_OFFLINE``).
    """
    return _is_set("HF_HUB_OFFLINE")


def _is_set(variable):
    return os.environ.get(variable, "").strip().upper() in ("1", "ON", "YES", "TRUE")


def token():
    """
    The user's token (``HF_TOKEN``), or `None`.

    Raises
    ------
    ValueError
        If it holds what no token can.
    """
    given = os.environ.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", given):
        msg = "HF_TOKEN holds something else than a token: a space, a line break or an unusual letter."
        raise ValueError(msg)
    return given or None


def parse_address(text):
    """
    Split ``"owner/name@revision"``; `None` if the text is nothing of the kind.
    """
    match = _ADDRESS.fullmatch(str(text))
    return match and (match["repository"], match["revision"])


def file_url(repository, revision, file):
    """
    Address of a file on the Hub.
    """
    return f"{endpoint()}/{repository}/resolve/{quote(revision, safe='')}/{quote(file)}"


def _options():
    """
    What goes with every request.
    """
    options = {"headers": {"User-Agent": "sunpy_superres", "Accept-Encoding": "identity"}, "timeout": TIMEOUT}
    if secret := token():

        def sign(request):
            request.headers["Authorization"] = f"Bearer {secret}"
            return request

        # To the endpoint only: requests drops it when it is redirected to another host. Not among the headers, where
        # requests prefers what a .netrc says of the host.
        options["auth"] = sign
    return options


def describe(repository, revision, file):
    """
    Ask the Hub for the commit and the hash of a file.

    Parameters
    ----------
    repository, revision, file : `str`
        For example ``"owner/name"``, ``"main"``, ``"config.json"``.

    Returns
    -------
    `RemoteFile`

    Raises
    ------
    OSError
        If the Hub cannot be asked, or refuses; a subclass says which (see `download`).
    ValueError
        If the answer has no hash, so that the file could not be checked.
    """
    import requests  # NOQA: PLC0415

    url = file_url(repository, revision, file)

    options = _options()

    def ask():
        # A redirect within the Hub, to the new name of a repository or to the cache of its small files, is followed;
        # that to the storage of large files has all we want to know, and leads elsewhere.
        address, commit = url, revision
        for _ in range(_REDIRECTS):
            response = requests.head(address, allow_redirects=False, **options)
            response.raise_for_status()
            commit = response.headers.get("X-Repo-Commit", commit)
            target = urljoin(address, response.headers.get("Location", ""))
            if not response.is_redirect or urlsplit(target)[:2] != urlsplit(url)[:2]:
                return commit, response.headers
            address = target
        msg = f"more than {_REDIRECTS} redirects"
        raise requests.TooManyRedirects(msg)

    commit, headers = _persist(ask, url)
    # Of a large file the Hub gives the SHA-256 and redirects; of a small one the name that git gives its content.
    etag = headers.get("X-Linked-Etag") or headers.get("ETag") or ""
    digits = etag.removeprefix("W/").strip('"')
    kind = {64: "sha256", 40: "git"}.get(len(digits))
    if kind is None or not re.fullmatch("[0-9a-f]+", digits):
        msg = f"{url}: the server did not say what the hash of the file is (ETag {etag!r}), so it could not be checked."
        raise ValueError(msg)
    return RemoteFile(commit, f"{kind}:{digits}")


def download(repository, revision, file, target, digest, *, progress=False):
    """
    Download one file, check it, and put it in its place.

    Parameters
    ----------
    repository, revision, file : `str`
        Where it is on the Hub.
    target : path-like
        Where to; the folder must exist. The file appears there when it is complete and right.
    digest : `str`
        Its hash: ``"sha256:..."``, or ``"git:..."`` for the name that git gives it.
    progress : `bool`, optional
        Show a progress bar, unless ``HF_HUB_DISABLE_PROGRESS_BARS`` is set.

    Raises
    ------
    PermissionError
        If the repository is private or gated (401, 403).
    FileNotFoundError
        If there is no such file (404).
    ConnectionError
        If the server cannot be reached, or does not answer properly, after several tries.
    ValueError
        If what comes, each time, is not the file of that hash.
    """
    from pooch import HTTPDownloader  # NOQA: PLC0415

    url = file_url(repository, revision, file)
    bar = progress and not _is_set("HF_HUB_DISABLE_PROGRESS_BARS")
    kind, digits = digest.split(":")
    hash_of = {"sha256": sha256_of, "git": git_hash_of}[kind]
    fetch = HTTPDownloader(progressbar=bar, chunk_size=2**20, **_options())

    def attempt():
        with replacing(target) as temporary:
            fetch(url, str(temporary), None)
            if (found := hash_of(temporary)) != digits:
                raise _WrongContentError(found)

    _persist(attempt, url, digits)


class _WrongContentError(Exception):
    """
    What came has another hash.
    """


def _persist(action, url, expected=None):
    """
    Try again, after a while, what may go better another time; explain the rest.
    """
    import requests  # NOQA: PLC0415

    for number in range(ATTEMPTS):
        if number:
            time.sleep(BACKOFF * 2 ** (number - 1))
        try:
            return action()
        except requests.HTTPError as error:
            # pooch leaves it open.
            error.response.close()
            status = error.response.status_code
            if status < _SERVER_ERROR and status != _TOO_MANY_REQUESTS:
                raise _refusal(status, url) from error
            problem = error
        except requests.RequestException as error:
            # What is wrong with an address is not better another time: such errors of requests are ValueErrors.
            if isinstance(error, requests.TooManyRedirects | ValueError):
                msg = f"{url} cannot be asked for ({error}). Is HF_ENDPOINT right?"
                raise ConnectionError(msg) from error
            problem = error
        except _WrongContentError as error:
            problem = error
    if isinstance(problem, _WrongContentError):
        msg = (
            f"What {url} sends is not the file that it should be (hash {str(problem)[:16]}..., expected "
            f"{expected[:16]}...); nothing was kept. Is HF_ENDPOINT a true mirror, or does a proxy answer in its place?"
        )
        raise ValueError(msg) from problem
    msg = (
        f"{url} could not be downloaded in {ATTEMPTS} tries: {problem}. Try again later; HF_ENDPOINT names a mirror, "
        "and with HF_HUB_OFFLINE=1 only what is there already is used."
    )
    raise ConnectionError(msg) from problem


def _refusal(status, url):
    if status in (401, 403):
        return PermissionError(
            f"{url}: access refused ({status}). The repository is private or gated, or does not exist: accept its "
            "terms on its page and set HF_TOKEN to a token of yours."
        )
    if status == 404:
        return FileNotFoundError(f"{url}: there is no such file, revision or repository (404).")
    return ConnectionError(f"{url}: the server answered {status}.")
