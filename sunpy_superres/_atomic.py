"""
Files and folders that are whole or not there.
"""

import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path):
    """
    Give a temporary name beside a file or folder; at the end it is renamed to it, or removed on an error.

    Parameters
    ----------
    path : path-like
        The file or folder; the folder that it is in must exist. A folder replaces an empty one only.

    Yields
    ------
    `pathlib.Path`
        To be written to, or made. It ends like the name of the file, so that suffixes keep their meaning.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
