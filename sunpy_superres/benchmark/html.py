"""
The report of a benchmark: one file that a browser shows, with nothing to fetch.
"""

import re
from pathlib import Path

import numpy as np

from sunpy_superres._atomic import replacing
from sunpy_superres.benchmark import charts
from sunpy_superres.benchmark._report_tables import KINDS, number, table_view
from sunpy_superres.benchmark._svg import inline_svg

__all__ = ["write_report"]

#: Widths of the two drawings of every figure in inches: of a page on a desktop, half of one, and a phone.
_WIDE, _HALF, _PHONE = 11.0, 5.4, 3.5

#: Bytes of a report, and the sides of the maps that are tried in turn to stay below.
_LARGEST, _SIDES = 6_000_000, (192, 128, 96, 64)

# Of every figure: where it is in the results, how it is drawn, its heading where it begins a section, what is below it.
_CURVES = (
    (
        "scatter",
        charts.plot_scatter,
        _WIDE,
        "Prediction against truth",
        "Pixels by truth and prediction, in logarithmic color, the dashed line where both are equal; below, the pixels "
        "by their difference, prediction minus truth. All panels have the same scale.",
    ),
    (
        "spectra",
        charts.plot_spectra,
        _WIDE,
        "Spectra",
        "Power, its ratio to that of the truth, and the correlation with the truth, by period. Invented structure "
        "passes the ratio and fails the correlation. Thresholds: 1/7 and half a bit of information per pixel, of as "
        "many pixels as there are in windows that neither overlap nor show one place twice.",
    ),
    (
        "rank_histogram",
        charts.plot_rank_histogram,
        _WIDE,
        "Ranks and reliability",
        "Rank of the truth among the members of each ensemble. Flat (dashed) if calibrated, within the gray band "
        "(twice the scatter of resampled places); high at both ends if the spread is too small, high in the middle if "
        "it is too large.",
    ),
    (
        "reliability",
        charts.plot_reliability,
        _HALF,
        None,
        "How often the truth lies in the central interval of the members, against how often it should: below the "
        "dashed line the ensemble is too sure of itself.",
    ),
    (
        "spread_error",
        charts.plot_spread_error,
        _HALF,
        None,
        "Error of the mean in bins of the spread: above the dashed line the spread is too small. Hollow points stand "
        "for fewer than 100 pixels.",
    ),
    (
        "by_field",
        charts.plot_by_field,
        _WIDE,
        "Error by field strength",
        "Error of the mean in bins of the absolute value of the truth. Controls may leave the panels.",
    ),
    (
        "by_mu",
        charts.plot_by_mu,
        _WIDE,
        "Error by place on the disk",
        "Error of the mean from the limb (left) to the center of the disk (right). Controls may leave the panels.",
    ),
    (
        "time_series",
        charts.plot_time_series,
        _WIDE,
        "Flux in time",
        "Unsigned and net flux, the unsigned flux over that of the truth, and the error of the net flux over the "
        "unsigned flux of the truth. Dashed: no error. Controls may leave the panels.",
    ),
)

_DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|\bdoi:\s*)(10\.\d{4,9}/[^\s,;]*[^\s,;.)\]])", re.IGNORECASE)


def write_report(results, path, *, maps=None):
    """
    Write the results of a benchmark as one HTML file, with everything it needs inside.

    It is read on a phone as well as on a desktop, in a light or dark color scheme, and printed. It has no scripts.
    Whatever part of the results is absent is left out.

    Parameters
    ----------
    results : `dict`
        What ``results.json`` holds.
    path : path-like
        The file; it is replaced if it exists. Its folder must exist.
    maps : mapping or path-like, optional
        The maps of one case, or the ``.npz`` file that holds them: ``"truth"``, ``"seen"``, ``"ROW/mean"``,
        ``"ROW/sample"`` and ``"ROW/std"``, in gauss. Without them the maps are left out.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If the results are of another format.

    Examples
    --------
    >>> from sunpy_superres.benchmark.html import write_report
    >>> results = {"format": 1, "protocol": {"title": "Degraded HMI"}, "findings": [{"text": "Fine.", "passed": True}]}
    >>> write_report(results, "report.html")  # doctest: +SKIP
    """
    if results.get("format") != 1:
        msg = f"The results are of format {results.get('format')!r}; this version writes reports of format 1."
        raise ValueError(msg)
    path = Path(path)
    if not path.parent.is_dir():
        msg = f"{path.parent} is not a folder."
        raise FileNotFoundError(msg)
    curves = _curve_figures(results)
    for side in _SIDES:
        text = _render(results, [*_map_figures(results, maps, side), *curves])
        if len(text.encode()) <= _LARGEST or maps is None:
            break
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _render(results, figures):
    import jinja2  # NOQA: PLC0415
    from markupsafe import Markup  # NOQA: PLC0415

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sunpy_superres.benchmark"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number,
        linked=_linked,
        sentence=lambda text: f"{str(text).rstrip('.')}.",
        words=lambda name: str(name).replace("_", " "),
    )
    rows = results.get("rows") or []
    settings = results.get("settings") or {}
    level = settings.get("level") or 0.95
    tables = [table_view(table, rows, level=level) for table in results.get("tables") or ()]
    return environment.get_template("report.html.j2").render(
        style=Markup(environment.loader.get_source(environment, "report.css")[0]),
        protocol=dict.fromkeys(("name", "title", "description", "reference")) | (results.get("protocol") or {}),
        version=results.get("version"),
        command=results.get("command"),
        findings=results.get("findings") or [],
        tables=[table for table in tables if table["groups"] or table["published"]],
        level=f"{100 * level:g}%",
        sections=_sections(figures),
        cases=_cases((results.get("data") or {}).get("cases") or []),
        rows=_rows(rows),
        settings={
            key: ", ".join(map(str, value)) if isinstance(value, list) else value
            for key, value in settings.items()
            if value is not None
        },
    )


def _linked(text):
    """
    Escape a text; its DOIs become links, and nothing else does.
    """
    from markupsafe import Markup, escape  # NOQA: PLC0415

    parts, end = [], 0
    for match in _DOI.finditer(str(text)):
        parts += [escape(text[end : match.start()])]
        parts += [Markup('<a href="https://doi.org/{0}">doi:{0}</a>').format(match[1])]
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def _sections(figures):
    """
    Put figures below the heading they belong to; one that begins no section belongs to the section it is drawn with.
    """
    sections = []
    for figure in figures:
        if not sections or sections[-1]["title"] != figure["section"]:
            name = re.sub(r"\W+", "-", figure["section"].lower())
            sections.append({"title": figure["section"], "name": name, "figures": []})
        sections[-1]["figures"].append(figure)
    return sections


def _figure(name, draw, width, section, caption, label):
    from markupsafe import escape  # NOQA: PLC0415

    identifier = name.replace("_", "-")
    drawings = [
        inline_svg(draw(width=inches), f"{identifier}-{style}", label=escape(label), style=style)
        for inches, style in ((width, "wide"), (_PHONE, "phone"))
    ]
    return {
        "name": identifier,
        "section": section,
        "caption": caption,
        "drawings": drawings,
        "half": width < _WIDE,
    }


def _curve_figures(results):
    curves = results.get("curves") or {}
    rows = results.get("rows") or []
    titles = {row["name"]: row.get("title") or row["name"] for row in rows}
    figures, section = [], None
    for name, plot, width, heading, caption in _CURVES:
        section = heading or section
        part = curves.get(name) or {}
        if not part.get("rows"):
            continue

        def draw(width, plot=plot, part=part):
            return plot(part, rows=rows, width=width)

        shown = ", ".join(titles.get(row, row) for row in part["rows"])
        figures.append(_figure(name, draw, width, section, caption, f"Chart. {caption} Rows: {shown}."))
    return figures


def _map_figures(results, maps, side):
    """
    The figures that need maps, in squares of so many pixels; none without maps.
    """
    if maps is None:
        return []
    if not hasattr(maps, "keys"):
        with np.load(maps) as file:
            maps = dict(file)
    about = results.get("maps") or {}
    rows = results.get("rows") or []
    scale = about.get("scale") or (results.get("settings") or {}).get("scale") or 1.0
    case = f"Case “{about['case']}”. " if about.get("case") else ""
    kinds = {name.rpartition("/")[2] for name in maps if "/" in name}
    plots = []
    if "truth" in maps:
        plots.append(
            (
                "maps",
                charts.plot_maps,
                "Truth, input and the mean of every row, all in the colors of magnetograms of HMI and between the "
                "same limits. Input in gauss of its own instrument.",
            )
        )
        if "mean" in kinds:
            plots.append(
                ("differences", charts.plot_differences, "Prediction minus truth, between limits shared by all.")
            )
        if {"sample", "std"} <= kinds:
            plots.append(
                (
                    "draws",
                    charts.plot_draws,
                    "One draw of every ensemble beside the truth; the standard deviation of its members, and the "
                    "absolute error of their mean in the same colors.",
                )
            )
    figures = []
    for name, plot, caption in plots:

        def draw(width, plot=plot):
            return plot(maps, scale, rows=rows, side=side, width=width)

        figures.append(_figure(name, draw, _WIDE, "Maps", case + caption, f"Maps. {case}{caption}"))
    return figures


def _cases(cases):
    """
    The table of cases: only columns in which there is something.
    """
    columns = [
        ("region", "region", lambda case: case["region"]),
        ("time", "time", lambda case: str(case["time"]).replace("T", " ").removesuffix(".000")),
        ("shape", "shape (y, x)", lambda case: " × ".join(number(int(size)) for size in case["shape"])),
        ("shift", "shift (y, x) [px]", lambda case: ", ".join(number(float(way), 2) for way in case["shift"])),
        ("used", "pixels used", lambda case: number(int(case["used"]))),
        ("ignored", "ignored", lambda case: number(int(case["ignored"]))),
    ]
    shown = [column for column in columns if any(case.get(column[0]) is not None for case in cases)]
    body = [
        (case["name"], [text(case) if case.get(key) is not None else number(None) for key, _, text in shown])
        for case in cases
    ]
    keys = [key for key, _, _ in shown]
    sums = {key: sum(case.get(key) or 0 for case in cases) for key in ("used", "ignored") if key in keys}
    shifts = [np.hypot(*case["shift"]) for case in cases if case.get("shift") is not None]
    return {
        "count": len(cases),
        "head": [title for _, title, _ in shown],
        "numeric": [key not in ("region", "time") for key in keys],
        "body": body,
        "foot": [number(sums[key]) if key in sums else "" for key in keys] if sums and len(cases) > 1 else None,
        "used": number(sums.get("used")),
        "ignored": number(sums.get("ignored")),
        "shift": number(float(max(shifts)), 2) if shifts else None,
        "shifted": len(shifts),
    }


def _rows(rows):
    """
    The table of what was compared: only columns in which there is something.
    """
    kinds = {kind: title.partition(":")[0].lower().removesuffix("s") for names, title in KINDS for kind in names}
    kinds["predictions"] = "predictions of a file"
    columns = [
        ("kind", "kind", lambda row: kinds.get(row["kind"], row["kind"])),
        ("model", "weights", lambda row: row["model"]),
        ("sha256", "SHA-256", lambda row: row["sha256"][:16]),
        ("n_samples", "samples", lambda row: number(row["n_samples"])),
        ("steps", "steps", lambda row: number(row["steps"])),
        ("seconds", "seconds per case", lambda row: number(float(row["seconds"]))),
        ("seconds_per_megapixel", "seconds per Mpx of the truth", lambda row: number(row["seconds_per_megapixel"])),
        ("device", "device", lambda row: row["device"]),
        ("precision", "precision", lambda row: row["precision"]),
        ("calibrated", "spread calibrated", lambda row: number(row["calibrated"])),
        (
            "calibration_images",
            "images calibrated on",
            lambda row: number(len(row["calibration_images"])) if row["calibration_images"] else number(None),
        ),
    ]
    shown = [column for column in columns if any(row.get(column[0]) not in (None, []) for row in rows)]
    numeric = ("n_samples", "steps", "seconds", "seconds_per_megapixel", "calibration_images")
    return {
        "head": [title for _, title, _ in shown],
        "numeric": [key in numeric for key, _, _ in shown],
        "body": [
            (
                row.get("title") or row["name"],
                [text(row) if row.get(key) is not None else number(None) for key, _, text in shown],
            )
            for row in rows
        ],
    }
