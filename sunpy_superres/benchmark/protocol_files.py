"""
Protocols as TOML files: those of the package, and one's own.
"""

import tomllib
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import get_args

from sunpy_superres.benchmark.protocol import Column, Expected, Protocol, Published, Rows, Table

__all__ = ["list_protocols", "read_protocol"]

_FOLDER = Path(__file__).parent / "protocols"


def list_protocols():
    """
    Names of the protocols that come with the package.

    Returns
    -------
    `list` of `str`

    Examples
    --------
    >>> from sunpy_superres.benchmark import list_protocols
    >>> list_protocols()
    ['degraded-hmi', 'ensemble', 'munoz2024', 'pairs', 'ramunno2025']
    """
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_protocol(protocol):
    """
    Read a protocol.

    Parameters
    ----------
    protocol : `str` or path-like
        A name of `list_protocols`, or a TOML file of one's own; those of the package show how it is written.

    Returns
    -------
    `Protocol`

    Raises
    ------
    FileNotFoundError
        If there is none of that name, nor such a file.
    ValueError
        If the file is no TOML, or something in it is not known, missing or wrong; the message says where.

    Examples
    --------
    >>> from sunpy_superres.benchmark import read_protocol
    >>> protocol = read_protocol("ensemble")
    >>> protocol.samples(antithetic=False), protocol.samples(antithetic=True)
    (19, 38)
    """
    if str(protocol) in list_protocols():
        path = _FOLDER / f"{protocol}.toml"
    else:
        path = Path(protocol).expanduser()
        if not path.is_file():
            msg = f"There is no protocol {str(protocol)!r}: neither a file, nor one of {', '.join(list_protocols())}."
            raise FileNotFoundError(msg)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        if "name" in content:
            msg = "the name of a protocol is that of its file: leave 'name' away"
            raise ValueError(msg)
        return _make(Protocol, {"name": path.stem, **content}, "the protocol")
    except (ValueError, TypeError) as error:  # a TOMLDecodeError is a ValueError
        msg = f"{path.name}: {error}."
        raise ValueError(msg) from error


#: What the entries of a list of tables, or a table, become.
_PARTS = {
    (Protocol, "tables"): Table,
    (Protocol, "expected"): Expected,
    (Protocol, "rows"): Rows,
    (Table, "columns"): Column,
    (Table, "published"): Published,
}


def _make(kind, content, where):
    """
    A dataclass of a TOML table, with what is not known or wrong told by where it stands.
    """
    if not isinstance(content, dict):
        msg = f"{where} must be a table, not {content!r}"
        raise ValueError(msg)
    known = {one.name: one for one in fields(kind)}
    content = dict(content)
    if kind is Column:
        # What is no key of a column is an option of its figure, which checks it.
        content["options"] = {key: _frozen(content.pop(key)) for key in sorted(set(content) - set(known))}
    if unknown := sorted(set(content) - set(known)):
        msg = f"{where} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
        raise ValueError(msg)
    for key, value in content.items():
        part = _PARTS.get((kind, key))
        if part is None:
            content[key] = _checked(value, known[key], f"{key!r} of {where}") if key != "options" else value
        elif part is Rows:
            content[key] = _make(part, value, f"{key} of {where}")
        elif not isinstance(value, list):
            msg = f"{key!r} of {where} must be a list of tables"
            raise ValueError(msg)
        else:
            content[key] = tuple(_make(part, one, f"{key}[{i}] of {where}") for i, one in enumerate(value))
    try:
        return kind(**content)
    except TypeError as error:
        lacking = [one for one in known if f"'{one}'" in str(error)]
        msg = f"{where} lacks {', '.join(lacking)}" if lacking else f"{where}: {error}"
        raise ValueError(msg) from error
    except ValueError as error:
        if " of the protocol" in str(error):
            raise
        msg = f"{where}: {error}"
        raise ValueError(msg) from error


def _frozen(value):
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _checked(value, key, where):
    """
    A value of the type that the field has.
    """
    kinds = [list if kind is tuple else kind for kind in get_args(key.type) or (key.type,) if kind is not NoneType]
    right = (*kinds, int) if float in kinds else tuple(kinds)
    if not isinstance(value, right) or (isinstance(value, bool) and bool not in kinds):
        msg = f"{where} must be of type {' or '.join(kind.__name__ for kind in kinds)}, not {value!r}"
        raise ValueError(msg)
    return _frozen(value)
