"""
What a run leaves behind: results, figures as a table, maps and the report.
"""

import csv

import numpy as np

import sunpy_superres
from sunpy_superres._atomic import replacing
from sunpy_superres.benchmark.blocks import BLOCK
from sunpy_superres.benchmark.bootstrap import LEVEL, RESAMPLES
from sunpy_superres.benchmark.curves import curves
from sunpy_superres.benchmark.findings import findings
from sunpy_superres.benchmark.report import plain, write_json
from sunpy_superres.benchmark.results import table_cells
from sunpy_superres.instruments import HMI_SCALE

__all__ = ["write_results"]

#: What is written of a cell; the last three are of few.
_NUMBERS = ("value", "low", "high", "mean", "std", "pooled", "error", "count")
#: What is told of how a row was made.
_ABOUT = ("model", "sha256", "n_samples", "steps", "seconds", "calibrated", "device", "precision")
_ABOUT += ("seconds_per_megapixel", "calibration_images")


def write_results(run, rows, period, *, n_samples, command):
    """
    Write everything that is told of a run to its folder.

    Parameters
    ----------
    run : `sunpy_superres.benchmark.runner.Run`
        Cases and parts.
    rows : `list`
        All rows, the interpolated input first.
    period : `float`
        Period in arcsec down to which that follows the truth.
    n_samples : `int` or None
        What was asked for.
    command : `str` or None
        What led here.

    Returns
    -------
    `dict`
        What ``results.json`` holds.
    """
    protocol, loaded, maps = run.protocol, [], {}
    cells = {table.name: {} for table in protocol.tables}
    for row in rows:
        sums, pictures = run.load(row)
        for one in sums:
            loaded.append(one)
            for table in protocol.tables:
                cells[table.name] |= table_cells(table, one, loaded[0])
            # The first is what others are compared with.
            if one is not loaded[0]:
                one.release()
        maps |= {f"{row.name}/{'sample' if name == 'draw' else name}": value for name, value in pictures.items()}
    if len({row.name for row in loaded}) < len(loaded):
        msg = "Two rows have one name: no row may be named like another one with '-draw' at its end."
        raise ValueError(msg)
    lacking = {name: why for row in loaded for name, why in row.about["lacking"].items()}
    tables = []
    for table in protocol.tables:
        tables.append(
            {
                "name": table.name,
                "title": table.title,
                "caption": table.caption,
                "columns": [
                    {key: getattr(c, key) for key in ("name", "title", "unit", "digits", "better", "nominal")}
                    for c in table.columns
                ],
                "over": table.over,
                "cells": cells[table.name],
                "published": [
                    {key: getattr(p, key) for key in ("title", "source", "grade", "note", "cells")}
                    for p in table.published
                ],
            }
        )
    about = {"instrument": run.instrument, "period": period, "lacking": lacking}
    results = {
        "format": 1,
        "protocol": {key: getattr(protocol, key) for key in ("name", "title", "description", "reference")},
        "version": sunpy_superres.__version__,
        "command": command or f"run_protocol({protocol.name!r}, ...)",
        "data": {"cases": run.cases},
        "settings": {
            "instrument": run.instrument,
            "source": protocol.source,
            "n_samples": n_samples or protocol.n_samples or protocol.independent,
            "independent": protocol.independent is not None,
            "seed": run.seed,
            "edge": protocol.edge,
            "mask": protocol.mask,
            "scale": HMI_SCALE,
            "blocks": BLOCK,
            "window": f"Hann, {BLOCK} pixels, one for each block, moved inwards at the far ends",
            "resolved": period,
            "bootstrap": RESAMPLES,
            "places": None if loaded[0].weights is None else int(loaded[0].weights.shape[1]),
            "level": LEVEL,
            "parts_version": sorted({version for row in loaded for version in row.about["versions"]}),
        },
        "rows": [_row(row) for row in loaded],
        "tables": tables,
        "curves": curves(protocol, loaded),
        "maps": {"case": run.example[0], "scale": HMI_SCALE, "file": "maps.npz"},
        "findings": findings(protocol, loaded, run.cases, cells=cells, **about),
    }
    run.out.mkdir(parents=True, exist_ok=True)
    with replacing(run.out / "maps.npz") as temporary:
        np.savez_compressed(temporary, **run.pictures, **maps)
    results = plain(results)
    write_json(results, run.out / "results.json")
    _write_csv(results, run.out / "figures.csv")
    from sunpy_superres.benchmark.html import write_report  # NOQA: PLC0415

    write_report(results, run.out / "report.html", maps=run.out / "maps.npz")
    return results


def _row(row):
    told = {key: row.about.get(key) for key in _ABOUT}
    return {"name": row.name, "title": row.title, "kind": row.kind, **told}


def _write_csv(results, path):
    """
    All cells, one a line.
    """
    kinds = {row["name"]: row["kind"] for row in results["rows"]}
    lines = [["table", "row", "kind", "figure", "unit", *_NUMBERS]]
    for table in results["tables"]:
        units = {column["name"]: column["unit"] for column in table["columns"]}
        for row, cells in table["cells"].items():
            for name, one in cells.items():
                numbers = (one.get(key) for key in _NUMBERS)
                lines.append([table["name"], row, kinds[row], name, units[name], *numbers])
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
