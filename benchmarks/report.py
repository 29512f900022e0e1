"""
The benchmark of all bundled models: every table and figure of the page "Benchmark" of the documentation.

    python benchmarks/report.py DATA OUT [NAME ...]

DATA holds ``hmi/validation`` (HMI magnetograms and continuum images), ``pairs`` (MDI and HMI at the same time),
``enhance`` (what the authors of Enhance published) and ``aia171`` (images by class). What is measured goes to OUT,
where a run that was interrupted goes on, and what is told of it to ``docs/benchmark``. With names only these parts are
made again; the parts are those of `PARTS`.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from sunpy_superres import benchmark
from sunpy_superres.benchmark import charts
from sunpy_superres.training.prepare_images import prepare_images
from sunpy_superres.weights import list_models, model_info

DOCS = Path(__file__).parents[1] / "docs" / "benchmark"
#: Figures of a protocol by the part of the results that they show, and the function that draws them.
CHARTS = {
    "spectra": charts.plot_spectra,
    "scatter": charts.plot_scatter,
    "rank_histogram": charts.plot_rank_histogram,
    "reliability": charts.plot_reliability,
    "by_field": charts.plot_by_field,
}
MAPS = {
    "maps": charts.plot_maps,
    "differences": charts.plot_differences,
    "draws": charts.plot_draws,
}
#: Parts of the page: protocol, options, and the figures that are shown.
PROTOCOLS = {
    "degraded-mdi": ("degraded-hmi", {"instrument": "mdi"}, ("maps", "differences", "spectra", "scatter", "by_field")),
    "degraded-gong": ("degraded-hmi", {"instrument": "gong"}, ("maps", "spectra")),
    "ensemble-mdi": ("ensemble", {"instrument": "mdi"}, ("draws", "rank_histogram", "reliability")),
    "ensemble-gong": ("ensemble", {"instrument": "gong"}, ("reliability",)),
    "pairs": ("pairs", {}, ("maps", "spectra")),
    "ramunno2025": ("ramunno2025", {}, ()),
}


def _protocol(name, data, out):
    protocol, options, figures = PROTOCOLS[name]
    results = benchmark.run_protocol(protocol, data, out / name, tell=print, progress=sys.stderr.isatty(), **options)
    told = results["curves"] or {}
    rows = results["rows"]
    drawn = {figure: CHARTS[figure](told[figure], rows=rows) for figure in figures if told.get(figure)}
    if results.get("maps"):
        with np.load(out / name / results["maps"]["file"]) as maps:
            drawn |= {f: MAPS[f](dict(maps), results["maps"]["scale"], rows=rows) for f in figures if f in MAPS}
    lines = [*_findings(results), *(line for part in results["tables"] for line in _table(part, results))]
    for figure in figures:
        if figure in drawn:
            path = DOCS / f"{name}_{figure}.png"
            _save(drawn[figure], path)
            lines += [f".. figure:: benchmark/{path.name}", f"    :alt: {figure.replace('_', ' ')}, {name}", ""]
    del results["curves"], results["maps"]
    return results, lines


def _save(figure, path):
    """
    Write a figure with few colors, which take a third of the space in the repository.
    """
    figure.savefig(path, dpi=100)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(160, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def _findings(results):
    marks = {True: "**passed**: ", False: "**failed**: ", None: ""}
    return [*(f"* {marks[finding['passed']]}{_escaped(finding['text'])}" for finding in results["findings"]), ""]


def _table(part, results):
    """
    A table with a line for every figure: the rows of the results are its columns.
    """
    rows = [row for row in results["rows"] if row["name"] in part["cells"]]
    published = part.get("published") or []
    header = ["figure", *(row["title"] for row in rows), *(f"published: {entry['title']}" for entry in published)]
    lines = [f".. csv-table:: {_escaped(part['title'])}", "    :class: benchmark-table", "    :header-rows: 1"]
    lines += ["    :stub-columns: 1", "", "    " + _csv(header)]
    for column in part["columns"]:
        name, digits = column["name"], column.get("digits", 3)
        unit = f" [{column['unit']}]" if column.get("unit") else ""
        cells = [_cell(part["cells"][row["name"]].get(name), digits) for row in rows]
        others = [str(entry["cells"].get(name, "")) for entry in published]
        if any(cell != "-" for cell in cells):
            lines.append("    " + _csv([column["title"] + unit, *cells, *others]))
    lines += ["", _escaped(part["caption"]), ""]
    for entry in published:
        lines += [_escaped(f"{entry['title']}: {entry['source']} ({entry['grade']}). {entry.get('note') or ''}"), ""]
    return lines


def _cell(cell, digits):
    if not cell or cell["value"] is None:
        return "-"
    bounds = [cell.get("low"), cell.get("high")]
    told = "" if None in bounds else " (" + " to ".join(f"{bound:.{digits}f}" for bound in bounds) + ")"
    return f"{cell['value']:.{digits}f}{told}"


def _csv(cells):
    return ", ".join('"' + _escaped(cell).replace('"', '""') + '"' for cell in cells)


def _escaped(text):
    return "".join(f"\\{letter}" if letter in "*`|_\\" else letter for letter in str(text))


def _figures(results, targets):
    lines = [".. csv-table::", "    :class: benchmark-table", "    :header-rows: 1", "", '    "figure", "measured"']
    for target in targets:
        value = results["figures"].get(target.name)
        if value is not None:
            lines.append("    " + _csv([target.title, f"{value:.{target.digits}f}"]))
    return [*lines, ""]


def _enhance(name, data, out):
    run = {"enhance": benchmark.run_reference, "enhance-continuum": benchmark.run_continuum}[name]
    results = run(data)
    return results, _figures(results, benchmark.targets_of("enhance"))


def _generator(name, data, out):
    table = data / "aia171" / "aia171_2012_128px.npz"
    for split in ("train", "validation"):
        if not (out / name / split / "index.json").is_file():
            prepare_images(table, out / name / split, split=split, progress=print)
    folders = (out / name / split for split in ("train", "validation"))
    results = benchmark.evaluate_generator(*folders, out / name / "evaluation", conditions=False, progress=True)
    return results, _figures(results, benchmark.GENERATOR_TARGETS)


#: Functions that make a part, by name.
PARTS = dict.fromkeys(PROTOCOLS, _protocol) | {
    "enhance": _enhance,
    "enhance-continuum": _enhance,
    "generator": _generator,
}
#: Models of the parts that do not tell by themselves.
MODELS = {"enhance": ["enhance-hmi"], "enhance-continuum": ["enhance-hmi-continuum"]}
MODELS["generator"] = ["aia171-diffusion", "aia171-features"]


def main(data, out, *names):
    """
    Make the parts of the page.
    """
    if unknown := [name for name in names if name not in PARTS]:
        msg = f"Unknown part {unknown[0]!r}; known are {', '.join(PARTS)}."
        raise SystemExit(msg)
    data, out = Path(data), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    DOCS.mkdir(exist_ok=True)
    for name in names or PARTS:
        results, lines = PARTS[name](name, data, out)
        used = MODELS.get(name) or [row["model"] for row in results["rows"] if row["model"]]
        used = sorted({model.partition("@")[0] for model in used})
        results["weights"] = {model: _hashes(model) for model in used}
        benchmark.write_json(results, DOCS / f"{name}.json")
        (DOCS / f"{name}.inc").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"wrote {DOCS / name}.json: {', '.join(used)}")
    missing = set(list_models()) - {
        model for path in DOCS.glob("*.json") for model in benchmark.read_json(path)["weights"]
    }
    if missing:
        print(f"not measured: {', '.join(sorted(missing))}")


def _hashes(model):
    return {file: record.sha256 for file, record in model_info(model).files.items()}


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
