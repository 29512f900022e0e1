"""
Files that are whole or not there.
"""

import secrets
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path):
    """
    Give a temporary name in the folder of a file; at the end it is renamed to the file, or removed on an error.

    Parameters
    ----------
    path : path-like
        The file; its folder must exist.

    Yields
    ------
    `pathlib.Path`
        To be written to. It ends like the name of the file, so that suffixes keep their meaning.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
