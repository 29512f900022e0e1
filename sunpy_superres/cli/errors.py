"""
Errors as a shell expects them: one line, and an exit status.
"""

from contextlib import contextmanager

import click

__all__ = ["one_line"]

_EXPECTED = (ValueError, TypeError, OSError, RuntimeError, ImportError)


@contextmanager
def one_line():
    """
    Turn an expected error into one line and exit status 1.
    """
    try:
        yield
    except _EXPECTED as error:
        if isinstance(error, OSError) and error.filename:
            message = f"{error.filename}: {error.strerror or error}"
        else:
            message = " ".join(str(error).split()) or type(error).__name__
        raise click.ClickException(message) from error
