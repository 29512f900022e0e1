import base64
import copy
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from benchmark.results import make_results

from sunpy_superres.benchmark import html
from sunpy_superres.benchmark._chart_style import INK, new_figure
from sunpy_superres.benchmark._report_tables import number, table_view
from sunpy_superres.benchmark._svg import inline_svg

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """
    What is on a page; it fails where tags do not match.
    """

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names))
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def made():
    return make_results((64, 64), cases=2, names=("bicubic", "ldm", "ddpm<b>", "random-phase"))


@pytest.fixture(scope="module")
def text(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    results, maps = made
    html.write_report(results, path, maps=maps)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(html, "_curve_figures", lambda _: [])
    monkeypatch.setattr(html, "_map_figures", lambda *_: [])


def report(results, path, **options):
    html.write_report(results, path, **options)
    return path.read_text(encoding="utf-8")


def test_one_file(text, page):
    assert text.startswith("<!DOCTYPE html>")
    assert len(text) < 6_000_000
    # Nothing to fetch and nothing to run; links lead to places of the page and to DOIs.
    assert page.all("script") == page.all("link") == page.all("iframe") == []
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert {link.partition("/10.")[0] for link in re.findall(r"https?://[^\"'\s<]+", text)} == {"https://doi.org"}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src"):
            if name in attributes:
                assert attributes[name].startswith(("#", "https://doi.org/10.", "data:image/png;base64,")), tag


def test_ids(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name, value in attributes.items():
            if name == "href" and value.startswith("#"):
                assert value[1:] in ids
            if name == "aria-labelledby":
                assert value in ids
            for target in re.findall(r"url\(#([^)]+)\)", value or ""):
                assert target in ids


def test_accessible(page):
    assert page.all("html") == [{"lang": "en"}]
    assert any(attributes.get("name") == "viewport" for attributes in page.all("meta"))
    for drawing in page.all("svg"):
        assert drawing["role"] == "img"
        assert len(drawing["aria-label"]) > 30
        assert "viewbox" in drawing
    assert len(page.all("figure")) == len(page.all("figcaption")) == 11
    # Of every figure one for a desktop and one for a phone.
    styles = [drawing["class"] for drawing in page.all("svg")]
    assert styles.count("chart wide") == styles.count("chart phone") == 11
    assert len(page.all("table")) == len(page.all("caption")) == 3 + 3 + 2
    assert all(heading.get("scope") in ("col", "row", "rowgroup") for heading in page.all("th"))
    boxes = [box for box in page.all("div") if box.get("class") == "box"]
    assert len(boxes) == 8
    assert all(box["tabindex"] == "0" and box["role"] == "region" for box in boxes)
    assert len(page.all("h1")) == 1


def test_escaped(text, page):
    known = {"html", "head", "body", "svg", "g", "path", "image", "use", "defs", "rect", "clippath", "lineargradient"}
    strange = {"quiet", "ddpm", "1"}
    assert strange.isdisjoint(tag for tag, _ in page.tags)
    assert known & {tag for tag, _ in page.tags}
    assert "pixel diffusion &lt;b&gt;, R&amp;D" in text
    assert "AR 11166 &amp; &lt;quiet&gt;" in text
    assert "The spread of &lt;ddpm&gt; is" in text
    assert "pixel diffusion <b>, R&D" in page.texts["th"]
    assert any("pixel diffusion <b>, R&D" in drawing["aria-label"] for drawing in page.all("svg"))
    assert any("--method 'ddpm<b>'" in code for code in page.texts["code"])
    assert 'href="https://doi.org/10.1234/example&lt;1&gt;"' in text


def test_color_schemes(text):
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    # Every color of a chart is one of the style sheet.
    names = set(re.findall(r"var\((--chart-\w+)\)", text))
    assert names
    style = text[text.index("<style>") : text.index("</style>")]
    light, dark, _ = (dict(re.findall(r"(--[\w-]+): (#\w+);", part)) for part in style.split("@media", 2))
    assert names <= set(light)
    assert set(light) == set(dark)
    assert "currentColor" in text
    assert INK not in text[text.index("</style>") :]


def test_findings(page):
    verdicts = [item["class"] for item in page.all("li") if item.get("class") in ("passed", "failed", "remark")]
    assert verdicts == ["passed", "failed", "passed", "remark"]
    assert [word for word in page.texts["strong"] if word.isalpha()] == verdicts


def test_sections(page):
    headings = page.texts["h2"]
    assert headings == [
        "Findings",
        "Table A. Pixels and structure",
        "Table D. Flux",
        "Ensembles",
        "Maps",
        "Prediction against truth",
        "Spectra",
        "Ranks and reliability",
        "Error by field strength",
        "Error by place on the disk",
        "Flux in time",
        "Data",
        "What was compared",
        "Settings",
    ]
    # What the page begins with leads to all of them.
    assert [text for text in page.texts["a"] if text in headings] == headings


def test_tables(text, page):
    assert text.count("★ best of a column") == 3
    assert text.count('class="star"') == sum("best" in cell.get("class", "").split() for cell in page.all("td")) > 5
    assert "Published, from other data" in text
    assert "Evidence: read in the paper." in text
    assert "29.23 ± 8" in page.texts["td"]
    assert text.count("95% confidence interval") == 3
    assert any("mean ± standard deviation over images" in cell.get("title", "") for cell in page.all("td"))
    # Controls are a group of their own.
    control = text[text.index('<tbody class="control">') :]
    assert "random phases" in control[: control.index("</tbody>")]
    assert "best" not in control[: control.index("</tbody>")].replace("best of", "")


def test_data(text):
    for words in (
        *(
            "<b>2</b> cases",
            "1 registered, by 0.67 px at most",
            "0.21, −0.64",
            "2011-03-07 04:48:00",
            "3fe1c03fe1c03fe1",
        ),
        *("AR 11158", "1432 ignored", "confidence"),
    ):
        assert words in text
    assert "3fe1c03fe1c03fe13" not in text


@pytest.mark.parametrize(
    "results",
    [
        {"format": 1},
        {"format": 1, "protocol": {"name": "x"}, "tables": [], "curves": {}, "data": {"cases": []}, "findings": []},
        {"format": 1, "curves": {"scatter": {"edges": [0, 1], "rows": {}}, "spectra": None}, "rows": None},
        {"format": 1, "tables": [{"name": "t", "columns": [{"name": "rmse"}], "cells": {}}]},
    ],
)
def test_what_is_absent_has_no_heading(results, tmp_path):
    page = Page(report(results, tmp_path / "report.html"))
    assert "h2" not in page.texts
    assert page.all("table") == page.all("figure") == []
    assert len(page.texts["h1"]) == 1


def test_one_part_at_a_time(made, tmp_path, monkeypatch):
    monkeypatch.setattr(html, "inline_svg", lambda *_, **__: "<svg></svg>")
    results, _ = made
    for name, part in results["curves"].items():
        text = report({"format": 1, "curves": {name: part}}, tmp_path / "report.html")
        page = Page(text)
        assert len(page.texts["h2"]) == len(page.all("figure")) == 1
        assert page.all("figure")[0]["id"] == f"figure-{name.replace('_', '-')}"


def test_as_arrays(made, tmp_path, monkeypatch):
    # What the results are before they are written: arrays, and NaN where there is nothing.
    monkeypatch.setattr(html, "inline_svg", lambda *_, **__: "<svg></svg>")

    def arrays(value):
        if isinstance(value, dict):
            return {key: arrays(item) for key, item in value.items()}
        if isinstance(value, list) and not any(isinstance(item, (str, dict, list)) for item in value):
            return np.array([np.nan if item is None else item for item in value])
        if isinstance(value, list) and value and isinstance(value[0], list):
            return np.array(value)
        return math.nan if value is None else value

    results = {**made[0], "curves": arrays(made[0]["curves"])}
    results["tables"] = [{**table, "cells": arrays(table["cells"])} for table in results["tables"]]
    text = report(results, tmp_path / "report.html")
    assert "nan" not in re.sub(r"<[^>]*>", "", text).lower().split()
    assert text == report(json.loads(json.dumps(made[0])), tmp_path / "other.html")


def test_maps(made, tmp_path, monkeypatch):
    monkeypatch.setattr(html, "_curve_figures", lambda _: [])
    results, maps = made
    np.savez(tmp_path / "maps.npz", **maps)
    first = report(results, tmp_path / "report.html", maps=tmp_path / "maps.npz")
    assert first == report(results, tmp_path / "report.html", maps=maps)
    assert len(Page(first).all("figure")) == 3
    assert "Case “case-1”" in first
    alone = {name: field for name, field in maps.items() if name in ("truth", "bicubic/mean")}
    assert [figure["id"] for figure in Page(report(results, tmp_path / "report.html", maps=alone)).all("figure")] == [
        "figure-maps",
        "figure-differences",
    ]


def test_a_large_report_has_smaller_maps(made, tmp_path, monkeypatch):
    _, maps = made
    sides = []

    def figures(_, __, side):
        sides.append(side)
        return [
            {"name": "maps", "section": "Maps", "caption": "", "half": False, "drawings": ["x" * side * 10]},
        ]

    monkeypatch.setattr(html, "_curve_figures", lambda _: [])
    monkeypatch.setattr(html, "_map_figures", figures)
    bare = len(report({"format": 1}, tmp_path / "report.html", maps=maps)) - 1920
    monkeypatch.setattr(html, "_LARGEST", bare + 1000)
    sides.clear()
    report({"format": 1}, tmp_path / "report.html", maps=maps)
    assert sides == [192, 128, 96]


def test_whole_or_not_there(tmp_path, monkeypatch, no_figures):
    path = tmp_path / "report.html"
    path.write_text("before")
    with pytest.raises(ValueError, match="format 2"):
        html.write_report({"format": 2}, path)
    with pytest.raises(FileNotFoundError, match="not a folder"):
        html.write_report({"format": 1}, tmp_path / "none" / "report.html")

    def fail(*_, **__):
        msg = "disk full"
        raise OSError(msg)

    monkeypatch.setattr("pathlib.Path.write_text", fail)
    with pytest.raises(OSError, match="disk full"):
        html.write_report({"format": 1}, path)
    monkeypatch.undo()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1.23456, 3, "1.235"),
        (-1.5, 1, "−1.5"),
        (-0.0001, 2, "0.00"),
        (0.0, None, "0.00"),
        (12.345, None, "12.3"),
        (0.012345, None, "0.0123"),
        (1234.5, None, "1234"),
        (65536, None, "65\u202f536"),
        (-3, None, "−3"),
        (1.5e22, None, "1.50×10²²"),
        (2.5e-9, None, "2.50×10⁻⁹"),
        (None, 3, "–"),
        (math.nan, 3, "–"),
        (math.inf, 3, "∞"),
        (-math.inf, 3, "−∞"),
        (True, None, "yes"),
        ("29 ± 8", 3, "29 ± 8"),
    ],
)
def test_numbers(value, digits, text):
    assert number(value, digits) == text


def view(better, values, *, kinds=None, nominal=None, digits=2, **options):
    cells = {name: {"x": {"value": value, **options}} for name, value in values.items()}
    rows = [{"name": name, "title": name, "kind": (kinds or {}).get(name, "method")} for name in values]
    column = {"name": "x", "title": "X", "unit": "G", "digits": digits, "better": better, "nominal": nominal}
    return table_view({"name": "table", "title": "Table", "columns": [column], "cells": cells}, rows)


def best(*arguments, **options):
    groups = view(*arguments, **options)["groups"]
    return [row["title"] for group in groups for row in group["rows"] if row["cells"][0]["best"]]


@pytest.mark.parametrize(
    ("better", "expected"),
    [("low", ["c"]), ("high", ["b"]), ("one", ["a"]), ("zero", ["d"]), ("nominal", ["e"]), (None, [])],
)
def test_best(better, expected):
    values = {"a": 0.9, "b": 3.0, "c": -2.0, "d": 0.1, "e": 0.7, "f": None, "g": math.nan}
    assert best(better, values, nominal=0.75) == expected


def test_best_of_what():
    # A control does not win; a baseline may; what looks the same is the same; one alone is not the best.
    values = {"a": 2.0, "b": 1.0, "c": 0.5}
    assert best("low", values, kinds={"c": "control"}) == ["b"]
    assert best("low", values, kinds={"c": "baseline"}) == ["c"]
    assert best("low", {"a": 1.001, "b": 1.002, "c": 1.2}) == ["a", "b"]
    assert best("low", {"a": 1.0, "b": 0.1}, kinds={"b": "control"}) == []
    assert best("nominal", values) == []


def test_groups():
    values = {"a": 2.0, "b": 1.0, "c": 0.5, "d": 1.0}
    groups = view("low", values, kinds={"a": "control", "b": "baseline", "d": "predictions"})["groups"]
    assert [[row["title"] for row in group["rows"]] for group in groups] == [["c", "d"], ["b"], ["a"]]


def test_large_numbers_share_a_power():
    shown = view(
        None, {"a": 4.5e21, "b": 1.31e22, "c": 9.9e22}, kinds={"c": "control"}, digits=None, low=4e21, high=5e21
    )
    assert shown["columns"][0]["unit"] == "10²² G"
    assert [row["cells"][0]["value"] for group in shown["groups"] for row in group["rows"]] == ["0.45", "1.31", "9.90"]
    assert shown["groups"][0]["rows"][0]["cells"][0]["interval"] == "0.40 … 0.50"


@pytest.mark.parametrize(
    ("name", "title", "shown"),
    [
        ("A", "Pixels", "Table A. Pixels"),
        ("1", "Table 1: correlation", "Table 1: correlation"),
        ("flux", "Flux", "Flux"),
        ("A", None, "A"),
    ],
)
def test_titles_of_tables(name, title, shown):
    assert table_view({"name": name, "title": title, "columns": []}, [])["title"] == shown


def test_interval_and_spread():
    shown = view("low", {"a": 1.0}, low=0.5, high=1.5, mean=1.1, std=None)
    assert shown["intervals"]
    assert shown["spread"]
    (cell,) = shown["groups"][0]["rows"][0]["cells"]
    assert cell["interval"] == "0.50 … 1.50"
    assert cell["mean"] == "1.10"
    assert cell["hint"].startswith("95% interval 0.50 … 1.50; 1.10")
    nothing = view("low", {"a": 1.0}, low=math.nan, high=math.nan, mean=math.nan, std=math.nan)
    assert not nothing["intervals"]
    assert not nothing["spread"]


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("see doi:10.1007/s11207-011-9834-2.", "10.1007/s11207-011-9834-2"),
        ("(doi: 10.1093/x(2)), more", "10.1093/x(2"),
        ("https://doi.org/10.48550/arXiv.1706.08500", "10.48550/arXiv.1706.08500"),
        ("DOI:10.1/x <b>", None),
        ("https://example.org/", None),
    ],
)
def test_dois(text, link):
    linked = str(html._linked(text))
    assert ("<a " in linked) == (link is not None)
    if link:
        assert f'href="https://doi.org/{link}"' in linked
    assert "<b>" not in linked


def test_drawing_keeps_the_pixels():
    from PIL import Image

    field = np.random.default_rng(0).normal(size=(20, 30))
    figure = new_figure(2, 2)
    axes = figure.add_subplot()
    image = axes.imshow(field, interpolation="none", origin="upper", cmap="gray")
    axes.plot([0, 9], [0, 9], color=INK)
    drawing = inline_svg(figure, "name", label="a &lt; b", style="wide")
    assert drawing.startswith('<svg class="chart wide" role="img" aria-label="a &lt; b" viewBox="0 0 144 144"')
    assert all(name.startswith("name-") for name in re.findall(r'\bid="([^"]+)"', drawing))
    assert all(name.startswith("name-") for name in re.findall(r'(?:url\(|href=")#([^")]+)', drawing))
    assert INK not in drawing
    assert "<style" not in drawing
    (encoded,) = re.findall(r'href="data:image/png;base64,([^"]+)"', drawing)
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        assert picture.mode == "P"
        pixels = np.array(picture.convert("RGBA"))
    expected = image.to_rgba(field, bytes=True)
    assert np.array_equal(pixels, expected) or np.array_equal(pixels, expected[::-1])


def test_same_again(made, text, tmp_path):
    results, maps = made
    assert report(copy.deepcopy(results), tmp_path / "report.html", maps=maps) == text


def test_how_rows_were_made(made):
    results = copy.deepcopy(made[0] if isinstance(made, tuple) else made)
    results["rows"][1] |= {"device": "cuda", "precision": "bfloat16", "seconds_per_megapixel": 2.5}
    results["rows"][1] |= {"calibration_images": ["a.fits", "b.fits"]}
    table = html._rows(results["rows"])
    row = dict(zip(table["head"], table["body"][1][1], strict=True))
    assert (row["device"], row["precision"], row["seconds per Mpx of the truth"]) == ("cuda", "bfloat16", "2.50")
    assert row["images calibrated on"] == "2"
    assert html._rows([{"name": "x", "kind": "baseline", "calibration_images": []}])["head"] == ["kind"]


def test_means_over_images_are_shown_as_such():
    columns = [{"name": "psnr", "digits": 1}, {"name": "kid", "digits": 2}]
    cells = {"psnr": {"value": 30.0, "mean": 30.0, "std": 2.0, "pooled": 29.0}}
    cells |= {"kid": {"value": 0.5, "error": 0.1, "count": 12}}
    table = {"name": "t", "over": "images", "columns": columns, "cells": {"x": cells}}
    psnr, kid = table_view(table, [])["groups"][0]["rows"][0]["cells"]
    assert psnr["value"] == "30.0 ± 2.0"
    assert "29.0 of all pixels together" in psnr["hint"]
    assert kid["value"] == "0.50 ± 0.10 (N = 12)"
