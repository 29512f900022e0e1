"""
What was asked of the archives and what of it is here: a table that is whole whenever the program may be interrupted.
"""

import csv
import json
from pathlib import Path

from sunpy_superres._atomic import replacing
from sunpy_superres.weights.layout import sha256_of

__all__ = ["IMAGES", "MANIFEST", "QUERY", "Manifest", "read_table", "write_table"]

MANIFEST = "manifest.csv"
#: Beside it: the table of labeled images, as `sunpy_superres.training.prepare_images.prepare_images` reads it.
IMAGES = "images.csv"
#: Beside it: the query, so that a folder never holds files of two, and how many observations found no partner.
QUERY = "query.json"
_FIELDS = ("time", "record", "quality", "file", "bytes", "sha256")


def read_table(path):
    """
    Read the rows of a CSV file that a user gave.

    Parameters
    ----------
    path : `pathlib.Path`
        The file.

    Returns
    -------
    `list` of `dict`

    Raises
    ------
    ValueError
        If it is no such file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a table (CSV): {error}."
        raise ValueError(msg) from error


def write_table(path, rows):
    """
    Write rows as CSV, in one step.

    Parameters
    ----------
    path : path-like
        The file; its folder must exist.
    rows : `list` of `dict`
        At least one; the keys of the first are the columns.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


class Manifest:
    """
    Observations that belong together, a row each, and their files.

    Parameters
    ----------
    folder : `pathlib.Path`
        Where ``manifest.csv`` and the files are.
    query : `dict`
        What was asked for, as JSON can hold it.
    roles : `tuple` of `str`
        What the files of a row are, such as ``("source", "target")``. Each has columns for its time (UTC), record,
        quality, file, bytes and SHA-256.
    rows : `list` of `dict`
        The rows, all values `str`.
    left_out : `dict`
        Numbers of observations that are in no row, by the reason.
    """

    def __init__(self, folder, query, roles, rows, left_out):
        self.folder, self.query, self.roles, self.rows, self.left_out = Path(folder), query, roles, rows, left_out

    @property
    def path(self):
        """
        The file.
        """
        return self.folder / MANIFEST

    @classmethod
    def read(cls, folder, query, roles):
        """
        Read the manifest of a folder.

        Parameters
        ----------
        folder, query, roles
            As for the class.

        Returns
        -------
        `Manifest` or `None`
            `None` if there is none yet.

        Raises
        ------
        ValueError
            If it is of another query, or damaged.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).exists():
            return None
        try:
            state = json.loads((folder / QUERY).read_text(encoding="utf-8"))
            with (folder / MANIFEST).open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            asked, left_out = state["query"], state["left_out"]
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            msg = f"{folder / MANIFEST} cannot be continued, {QUERY} beside it is missing or damaged: {error}"
            raise ValueError(msg) from error
        if different := sorted(name for name in asked.keys() | query.keys() if asked.get(name) != query.get(name)):
            changes = "; ".join(f"{name} was {asked.get(name)}, not {query.get(name)}" for name in different)
            msg = f"{folder / MANIFEST} is of another query ({changes}). Give another folder, or the same query."
            raise ValueError(msg)
        columns = {"status", *(f"{role}_{field}" for role in roles for field in _FIELDS)}
        if not rows or any(None in row.values() or None in row for row in rows) or columns - rows[0].keys():
            msg = f"{folder / MANIFEST} is damaged: columns or values are missing. Remove it to search again."
            raise ValueError(msg)
        return cls(folder, query, roles, rows, left_out)

    def add(self, observations, **more):
        """
        Add a row.

        Parameters
        ----------
        observations : `dict`
            `~sunpy_superres.training.archives.Observation` by role.
        **more
            Further columns; the same for every row.
        """
        row = {}
        for role in self.roles:
            one = observations[role]
            values = (one.time, one.record, one.quality, "", "", "")
            row |= {f"{role}_{field}": value for field, value in zip(_FIELDS, values, strict=True)}
        self.rows.append(row | {name: str(value) for name, value in more.items()} | {"status": "missing"})

    def write(self):
        """
        Write the manifest, and the query beside it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / QUERY) as temporary:
            state = {"query": self.query, "left_out": self.left_out}
            temporary.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        write_table(self.path, self.rows)

    def is_here(self, row, role):
        """
        Whether a file of a row is there, and is the one that came from the archive.
        """
        if not row[f"{role}_sha256"]:
            return False
        path = self.folder / row[f"{role}_file"]
        # The size tells most damage without reading the file.
        return (
            path.is_file()
            and str(path.stat().st_size) == row[f"{role}_bytes"]
            and sha256_of(path) == row[f"{role}_sha256"]
        )

    def check(self):
        """
        Look at every file, and note in each row whether all of its files are there; those that are not what they were
        are forgotten.

        Returns
        -------
        `dict`
            For each role the rows whose file is missing, or is not what it was.
        """
        wrong = {role: [row for row in self.rows if not self.is_here(row, role)] for role in self.roles}
        for role, rows in wrong.items():
            for row in rows:
                row |= {f"{role}_{field}": "" for field in ("file", "bytes", "sha256")}
        lacking = {id(row) for rows in wrong.values() for row in rows}
        for row in self.rows:
            row["status"] = "missing" if id(row) in lacking else "complete"
        return wrong

    def store(self, row, role, path):
        """
        Note a file that has come, and write the manifest.

        Parameters
        ----------
        row : `dict`
            One of the rows.
        role : `str`
            What the file is in it.
        path : `pathlib.Path`
            The file, in the folder.
        """
        row[f"{role}_file"] = path.relative_to(self.folder).as_posix()
        row[f"{role}_bytes"], row[f"{role}_sha256"] = str(path.stat().st_size), sha256_of(path)
        # Files that were there at the beginning were looked at then, and only what was sound has a hash.
        if all(row[f"{other}_sha256"] and (self.folder / row[f"{other}_file"]).is_file() for other in self.roles):
            row["status"] = "complete"
        write_table(self.path, self.rows)

    def fail(self, row):
        """
        Note that a file of a row did not come, and write the manifest.
        """
        row["status"] = "failed"
        write_table(self.path, self.rows)
