import matplotlib.pyplot as plt
import numpy as np
import pytest
from benchmark.results import make_results
from matplotlib.text import Text

from sunpy_superres.benchmark import charts
from sunpy_superres.benchmark._chart_style import shown_rows

CURVES = (
    *("plot_scatter", "plot_spectra", "plot_rank_histogram", "plot_reliability", "plot_spread_error"),
    *("plot_by_field", "plot_by_mu", "plot_time_series"),
)
MAPS = ("plot_maps", "plot_differences", "plot_draws")


@pytest.fixture(scope="module")
def made():
    return make_results((64, 64), cases=2)


def draw(made, name, *, rows=None, **options):
    """
    Draw one chart; of so many rows, if told.
    """
    results, maps = made
    about = results["rows"]
    if rows is not None:
        about = [{"name": f"r{i}", "title": f"row number {i}, with some words", "kind": "method"} for i in range(rows)]
        maps = {
            "truth": maps["truth"],
            "seen": maps["seen"],
            **{f"r{i}/{key}": maps[f"ldm/{key}"] for i in range(rows) for key in ("mean", "sample", "std")},
        }
    if name in MAPS:
        return getattr(charts, name)(maps, 0.5, rows=about, **options)
    part = results["curves"][name.removeprefix("plot_")]
    if rows is not None:
        part = {**part, "rows": {row["name"]: part["rows"]["ldm"] for row in about}}
    return getattr(charts, name)(part, rows=about, **options)


@pytest.mark.parametrize("rows", [None, 1, 12])
@pytest.mark.parametrize("width", [None, 3.5])
@pytest.mark.parametrize("name", [*CURVES, *MAPS])
def test_everything_is_inside_and_legible(made, name, width, rows):
    figure = draw(made, name, rows=rows, **({} if width is None else {"width": width}))
    figure.draw_without_rendering()
    # Nothing of it is cut off: neither a label nor a line of the legend.
    box = figure.get_tightbbox()
    assert box.x0 > -0.02
    assert box.y0 > -0.02
    assert box.x1 < figure.get_figwidth() + 0.02
    assert box.y1 < figure.get_figheight() + 0.02
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8
    if width is not None:
        assert figure.get_figwidth() <= width + 1e-6
    # No window, and nothing that would have to be closed.
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", CURVES)
def test_without_a_table_of_rows(made, name):
    part = made[0]["curves"][name.removeprefix("plot_")]
    figure = getattr(charts, name)(part)
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert "ldm" in texts


def test_rows_are_told_apart():
    rows = [{"name": str(i), "kind": ("method", "baseline", "control")[i % 3]} for i in range(12)]
    styles = shown_rows({str(i): 0 for i in range(12)}, rows)
    assert len({(style.color, str(style.linestyle)) for style in styles.values()}) == 12
    assert len({style.marker for style in styles.values()}) == 12
    many = shown_rows(dict.fromkeys(map(str, range(12))))
    assert len({(style.color, str(style.linestyle)) for style in many.values()}) == 12
    # Baselines and controls are gray, and only they.
    gray = {style.color for style in styles.values() if style.kind != "method"}
    assert len(gray) == 1
    assert gray.isdisjoint(style.color for style in styles.values() if style.kind == "method")


def test_rows_of_one_model_share_their_color():
    rows = [{"name": f"{model}-{i}", "kind": "method", "model": model} for model in "ab" for i in range(2)]
    styles = list(shown_rows({row["name"]: 0 for row in rows}, rows).values())
    assert styles[0].color == styles[1].color != styles[2].color == styles[3].color
    assert styles[0].linestyle != styles[1].linestyle


def test_a_row_looks_the_same_everywhere(made):
    rows = made[0]["rows"]
    alone = shown_rows({"ldm": 0}, rows)["ldm"]
    assert shown_rows(dict.fromkeys(row["name"] for row in rows), rows)["ldm"] == alone
    # In the order of the table of rows, not in that of the chart.
    assert list(shown_rows({"oracle": 0, "new": 0, "bicubic": 0}, rows)) == ["bicubic", "oracle", "new"]


def test_names_are_no_formulas(made):
    part = {"rows": {"a": {"nominal": [0.5], "observed": [0.4]}, "b": {"nominal": [0.5], "observed": [0.6]}}}
    rows = [{"name": "a", "title": "_$x^2$ for $5", "kind": "method"}, {"name": "b", "title": "R&D <b>"}]
    figure = charts.plot_reliability(part, rows=rows)
    figure.draw_without_rendering()
    texts = [text.get_text().strip() for text in figure.legends[0].get_texts()]
    assert texts == ["calibrated", r"_\$x^2\$ for \$5", "R&D <b>"]


def test_maps_share_their_limits(made):
    figure = draw(made, "plot_maps")
    images = [axes.get_images()[0] for axes in figure.axes if axes.get_images()]
    assert {image.get_cmap().name for image in images} == {"hmimag"}
    assert {image.get_clim() for image in images} == {(-1500.0, 1500.0)}
    # The coarse input lies where the truth does.
    assert len({tuple(image.get_extent()) for image in images}) == 1
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[:3] == ["truth", "input", "bicubic × 0.701"]
    differences = [axes.get_images()[0].get_clim() for axes in draw(made, "plot_differences").axes if axes.get_images()]
    assert len(set(differences)) == 1
    assert differences[0][0] == -differences[0][1]


def test_a_large_map_is_cut_where_the_field_is():
    truth = np.zeros((64, 80))
    truth[40:44, 60:64] = 900
    maps = {"truth": truth, "seen": truth[::4, ::4], "x/mean": truth}
    figure = charts.plot_maps(maps, 0.5, side=18)
    panels = [axes for axes in figure.axes if axes.get_images()]
    assert [axes.get_title() for axes in panels] == ["truth, the whole case", "truth", "input", "x"]
    whole, fine, coarse, _ = (axes.get_images()[0] for axes in panels)
    assert whole.get_array().shape == truth.shape
    # Along whole pixels of the input.
    assert fine.get_array().shape == (16, 16)
    assert coarse.get_array().shape == (4, 4)
    assert fine.get_extent() == coarse.get_extent()
    left, right, bottom, top = fine.get_extent()
    assert left <= 30
    assert right >= 32
    assert bottom <= 20
    assert top >= 22
    assert fine.get_array().sum() == truth.sum()


def test_controls_do_not_set_the_limits(made):
    figure = draw(made, "plot_differences")
    limit = figure.axes[0].get_images()[0].get_clim()[1]
    results, maps = made
    error = np.abs(maps["random-phase/mean"] - maps["truth"])
    assert limit < np.nanpercentile(error, 99)
    axes = draw(made, "plot_time_series").axes[0]
    worst = max(value for value in results["curves"]["time_series"]["rows"]["random-phase"]["unsigned"] if value)
    assert axes.get_ylim()[1] < worst / 1e22


def test_scatter_counts_every_pixel(made):
    results, _ = made
    part = results["curves"]["scatter"]
    figure = draw(made, "plot_scatter")
    joint = [axes.collections[0] for axes in figure.axes if axes.get_title()]
    counts = np.array(part["rows"]["bicubic"]["counts"])
    # The truth is across, the prediction up.
    assert np.array_equal(joint[0].get_array().filled(0), counts.T)
    assert len({(mesh.norm.vmin, mesh.norm.vmax) for mesh in joint}) == 1
    stairs = [patch for axes in figure.axes for patch in axes.patches if type(patch).__name__ == "StepPatch"]
    assert [patch.get_data().values.sum() for patch in stairs] == [
        np.sum(part["rows"][row["name"]]["counts"]) for row in results["rows"]
    ]


def test_differences_of_uneven_bins():
    figure = charts.plot_scatter({"edges": [-300, -100, 0, 100, 300], "rows": {"x": {"counts": np.eye(4, dtype=int)}}})
    (stairs,) = (patch for patch in figure.axes[1].patches if type(patch).__name__ == "StepPatch")
    values, edges, _ = stairs.get_data()
    # All on the diagonal: no difference.
    assert values[np.abs(edges[:-1] + edges[1:]) < 1e-9].tolist() == [4]
    assert values.sum() == 4


def test_bins_have_names(made):
    part = {
        "edges": [0, 10, 30, 1000, None],
        "count": [0, 900, 50, 3],
        "rows": {"x": {"rmse": [None, 3, 10, None], "pcc": [None, 0.5, None, 1]}},
    }
    figure = charts.plot_by_field(part)
    figure.draw_without_rendering()
    assert [axes.get_title() for axes in figure.axes] == ["RMSE [G]", "correlation", "pixels"]
    for axes in figure.axes:
        # A bin at the end with nothing in it is left out.
        assert [label.get_text() for label in axes.get_xticklabels()] == ["10–30", "30–1000", "≥ 1000"]


def test_periods_fall_to_the_right(made):
    figure = draw(made, "plot_spectra")
    for axes in figure.axes:
        left, right = axes.get_xlim()
        assert left > right
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"FRC = 1/7", "half bit", "truth"} <= set(labels)
    assert len(labels) == len(set(labels)) == 3 + len(made[0]["rows"])


def test_times_are_sorted():
    part = {
        "time": ["2011-03-03T00:00:00Z", "2011-03-01T00:00:00.000", "2011-03-02"],
        "truth": {"unsigned": [4e22, 1e22, 2e22], "net": [1e21, 0, -1e21]},
        "rows": {"x": {"unsigned": [2e22, 1e22, None], "net": [1e21, 1e21, -1e21]}},
    }
    figure = charts.plot_time_series(part)
    truth, row = figure.axes[0].lines[:2]
    assert truth.get_ydata().tolist() == [1, 2, 4]
    assert figure.axes[0].get_title() == "unsigned flux [10²² Mx]"
    ratio = figure.axes[2].lines[0].get_ydata()
    assert ratio[[0, 2]].tolist() == [1, 0.5]
    assert np.isnan(ratio[1])
    # Not over the net flux of the truth, which is zero once.
    assert figure.axes[3].lines[0].get_ydata()[:3].tolist() == [0.1, 0, 0]
    assert row.get_label() == "x"


def test_numpy_and_nothing_at_all():
    nothing = np.full(3, np.nan)
    charts.plot_spread_error({"rows": {"x": {"spread": nothing, "rmse": nothing}}}).draw_without_rendering()
    part = {"edges": np.array([0, 1, 2, 3]), "count": np.zeros(3), "rows": {"x": {"rmse": nothing, "bias": nothing}}}
    charts.plot_by_mu(part).draw_without_rendering()
    part = {"period": [8, 4, 2], "truth": nothing, "rows": {"x": {"power": nothing, "ratio": nothing, "frc": nothing}}}
    charts.plot_spectra(part).draw_without_rendering()
    charts.plot_rank_histogram({"rows": {"x": np.zeros(5, dtype=int)}}).draw_without_rendering()
    counts = {"x": {"counts": np.zeros((2, 2), dtype=int)}}
    charts.plot_scatter({"edges": [-1, 0, 1], "rows": counts}).draw_without_rendering()
    maps = {"truth": np.full((8, 8), np.nan), "x/mean": np.zeros((8, 8))}
    for plot in (charts.plot_maps, charts.plot_differences):
        plot(maps, 0.5).draw_without_rendering()


def test_ranks_have_a_band_of_their_scatter():
    part = {"rows": {"x": [10, 12, 8]}, "errors": {"x": [0.1, 0.2, 0.1]}}
    (axes,) = charts.plot_rank_histogram(part).axes
    (band,) = axes.collections
    low, high = band.get_datalim(axes.transData).intervaly
    assert (low, high) == pytest.approx((0.6, 1.4))
    assert not charts.plot_rank_histogram({"rows": {"x": [10, 12, 8]}}).axes[0].collections
