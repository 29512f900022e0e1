import pytest

from sunpy_superres.benchmark import list_protocols, read_protocol
from sunpy_superres.benchmark.contenders import bundled_methods

SMALL = """
title = "Mine"
description = "A small one."
reference = "none"
source = "degraded"
n_samples = 4

[[tables]]
name = "one"
title = "One"
columns = [{ name = "rmse", title = "RMSE", unit = "G" }]
"""


@pytest.fixture
def written(tmp_path):
    """
    A function that writes a protocol, some of its lines replaced, and returns its path.
    """

    def write(*replaced, more=""):
        text = SMALL
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "mine.toml"
        path.write_text(text + more)
        return path

    return write


def test_those_of_the_package_can_be_read():
    names = list_protocols()
    assert names == ["degraded-hmi", "ensemble", "munoz2024", "pairs", "ramunno2025"]
    for name in names:
        protocol = read_protocol(name)
        assert protocol.name == name
        assert protocol.mask == 0.9
        assert all(row.source and row.grade for table in protocol.tables for row in table.published)
    assert [table.name for table in read_protocol("degraded-hmi").tables] == ["A", "B", "C", "D", "E"]


#: Muñoz-Jaramillo et al., preprint, Table 1: MDI, SR-MDI, GONG, SR-GONG.
CORRELATIONS = {
    "r_0_1": (0.89, 0.93, 0.77, 0.88),
    "r_0_067": (0.91, 0.94, 0.82, 0.90),
    "r_0_033": (0.90, 0.94, 0.80, 0.88),
    "r_033_05": (0.91, 0.94, 0.82, 0.90),
    "r_05_075": (0.91, 0.94, 0.83, 0.90),
    "field_10": (0.92, 0.94, 0.82, 0.90),
    "field_600": (0.97, 0.98, 0.94, 0.97),
    "field_0_600": (0.82, 0.88, 0.68, 0.81),
}
#: Table 2: gradients and extremes of MDI, SR, GONG, SR.
BLOCKS = {
    2: (4.91, 3.38, 4.06, 3.90, 8.07, 7.04, 8.52, 7.92),
    4: (4.92, 3.38, 4.07, 3.91, 10.70, 10.27, 13.18, 11.45),
    8: (4.93, 3.39, 4.08, 3.91, 16.33, 16.51, 22.37, 18.72),
    16: (4.99, 3.40, 4.09, 3.93, 30.64, 30.29, 42.0, 35.39),
    32: (5.06, 3.43, 4.13, 3.96, 66.69, 61.82, 87.74, 74.02),
}
MUNOZ = ("MDI, bicubic", "MDI, HighRes-net", "GONG, bicubic", "GONG, HighRes-net")
SLIDE = {
    "latent diffusion of the residual": ("29.23 ± 8", 207, "0.8 ± 0.05", "0.08 ± 0.03", "0.04 ± 0.01"),
    "Enhance, their implementation": ("30.02 ± 9", 189, "0.9 ± 0.03", "0.16 ± 0.04", "0.7 ± 0.2"),
    "progressive, their implementation": ("29.71 ± 8", 196, "0.8 ± 0.04", "0.16 ± 0.04", "2.3 ± 0.3"),
}
FLUX = (("18 ± 13", "25 ± 18"), ("27.5 ± 26.7", "35 ± 69"), ("28.5 ± 15.0", "36 ± 38"))
MAGIDIFF = "Wang & Fouhey 2026, MAGiDiff, B_R from AIA (another task)"
UNET = "Wang & Fouhey 2026, regression U-Net, B_R from AIA (another task)"
ATTENTION = "attention network with uncertainty, MDI to HMI"
RAHMAN = "progressive network, HMI binned 4 x 4, against Hinode/NFI"
OLD, YOUNG, LAST = "MDI, 2010-08-30, AR 11101", "MDI, 2010-10-27, AR 11117", "MDI, 2011-04-02 20:48"
PUBLISHED = {
    ("munoz2024", "1"): {row: {k: v[i] for k, v in CORRELATIONS.items()} for i, row in enumerate(MUNOZ)},
    ("munoz2024", "2"): {
        row.replace("MDI, b", "MDI / 1.3, b").replace("GONG, b", "GONG / 0.7, b"): {
            **{f"gradient_{k}": v[i] for k, v in BLOCKS.items()},
            **{f"extreme_{k}": v[4 + i] for k, v in BLOCKS.items()},
        }
        for i, row in enumerate(MUNOZ)
    },
    ("ramunno2025", "slide"): {
        row: dict(
            zip(("psnr", "rmse", "ssim", "lpips", "fid", "flux_error", "ar_size_error"), (*v, *flux), strict=True)
        )
        for (row, v), flux in zip(SLIDE.items(), FLUX, strict=True)
    },
    ("degraded-hmi", "B"): {
        MAGIDIFF: {"gradient_ratio": 0.73, "wasserstein": 14.9, "gradient_mae": 38.05},
        UNET: {"gradient_ratio": 0.39, "wasserstein": 36.6, "gradient_mae": 41.84},
    },
    ("degraded-hmi", "C"): {MAGIDIFF: {"ralsd": 4.25}, UNET: {"ralsd": 8.56}},
    ("pairs", "pixels"): {
        LAST: {"rmse": 67, "pcc": 0.943},
        OLD: {"rmse": 40, "pcc": 0.974},
        YOUNG: {"rmse": 93, "pcc": 0.970},
        ATTENTION: {"rmse": 21.85, "pcc": 0.9323, "psnr": 33.32, "ssim": 0.8754},
        RAHMAN: {"pcc": 0.94, "ssim": 0.93},
    },
    ("pairs", "scales"): {
        LAST: {"resolution": 3.3, "flux_0": 1.026},
        OLD: {"resolution": 2.3, "flux_0": 0.913},
        YOUNG: {"resolution": 2.3, "flux_0": 0.961},
    },
}


def test_published_numbers_are_those_of_the_papers():
    """
    Every cell, against the numbers typed once more from the papers.
    """
    found = {
        (name, table.name): {row.title: dict(row.cells) for row in table.published}
        for name in list_protocols()
        for table in read_protocol(name).tables
        if table.published
    }
    assert found == PUBLISHED
    (slide,) = read_protocol("ramunno2025").tables
    assert {row.grade for row in slide.published} == {"slide"}
    assert slide.over == "images"


@pytest.mark.parametrize(("name", "table", "prefix"), [("munoz2024", "1", "field_"), ("pairs", "pixels", "pcc_")])
def test_expectations_are_those_of_the_row_they_name(name, table, prefix):
    protocol = read_protocol(name)
    titles = {"mdi": "MDI, bicubic", "gong": "GONG, bicubic"}
    rows = PUBLISHED["munoz2024", "1"]
    names = {f"{prefix}{part}": f"field_{part}" for part in ("10", "600", "0_600")} | {"r_0_1": "r_0_1"}
    assert len(protocol.expected) == (8 if name == "munoz2024" else 6)
    for one in protocol.expected:
        (instrument,) = one.instruments
        value = rows[titles[instrument]][names[one.column]]
        assert one.table == table
        assert one.between == pytest.approx((value - 0.05, min(value + 0.05, 1)))
        assert one.because.startswith(f"{value:.2f} is the row of")
    (one,) = read_protocol("degraded-hmi").expected
    assert "of degraded HMI" in one.because


def test_members_of_antithetic_pairs_are_twice_as_many():
    ensemble, degraded = read_protocol("ensemble"), read_protocol("degraded-hmi")
    assert [ensemble.samples(antithetic=flag) for flag in (False, True)] == [19, 38]
    assert [degraded.samples(antithetic=flag) for flag in (False, True)] == [20, 20]


def test_methods_come_from_the_registry():
    from sunpy_superres.weights import model_info

    found = bundled_methods("mdi")
    assert {"ldm", "progressive"} <= set(found)
    assert "enhance" not in found
    assert "bicubic" not in found
    assert set(bundled_methods("gong")) < set(found)
    assert model_info("ldm-mdi-hmi").bundled


def test_ones_own_file(written):
    protocol = read_protocol(written())
    assert protocol.name == "mine"
    assert protocol.tables[0].columns[0].figure == "rmse"
    assert protocol.rows.methods == "bundled"
    more = '[rows]\nmethods = ["ldm"]\n[[expected]]\nrow = "bicubic"\ntable = "one"\ncolumn = "rmse"\n'
    more += 'between = [1, 200]\nbecause = "it is"\n'
    protocol = read_protocol(written(more=more))
    assert protocol.rows.methods == ("ldm",)
    assert protocol.expected[0].between == (1, 200)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (('title = "Mine"', 'titel = "Mine"'), "the protocol has the unknown key 'titel'; known are box, curves"),
        (('title = "Mine"\n', ""), "the protocol lacks title"),
        (('"degraded"', '"nothing"'), "source must be one of degraded, pairs, not 'nothing'"),
        (("n_samples = 4", "n_samples = 4.5"), "'n_samples' of the protocol must be of type int, not 4.5"),
        (("n_samples = 4", "n_samples = true"), "'n_samples' of the protocol must be of type int, not True"),
        (("n_samples = 4", "n_samples = 1"), "two members or more"),
        (("n_samples = 4", ""), "one of n_samples and independent"),
        (("n_samples = 4", "n_samples = 4\nedge = 6"), "edge = 6 must be 0 or a multiple of 4"),
        (("n_samples = 4", 'n_samples = 4\nviews = ["near"]'), "views must be one of all, noise"),
        (("n_samples = 4", "n_samples = 4\nbox = [3, 1, 0, 2]"), "box must be four numbers"),
        (("n_samples = 4", 'n_samples = 4\nname = "x"'), "leave 'name' away"),
        (("n_samples = 4", "n_samples = 4\nrows = 3"), "rows of the protocol must be a table"),
        (('name = "one"', 'name = "one"\nover = "days"'), "over must be one of pixels, images"),
        (('name = "one"', ""), r"tables\[0\] of the protocol lacks name"),
        (("n_samples = 4", "n_samples ="), "mine.toml"),
    ],
)
def test_mistakes_are_told_by_where_they_are(written, replaced, message):
    with pytest.raises(ValueError, match=message):
        read_protocol(written(replaced))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ('{ name = "x", title = "X" }', r"columns\[0\] of tables\[0\].*unknown figure 'x'; known are"),
        ('{ name = "rmse", title = "X", period = 2 }', "'rmse' has no option 'period'; it takes field, radius"),
        ('{ name = "frc", title = "X", period = 3 }', "period must be one of 8, 4, 2, 1, not 3"),
        ('{ name = "pcc", title = "X", field = [0, 7] }', "limits of field must be one of 0, 10, 20"),
        ('{ name = "pcc", title = "X", field = 7 }', "field must be two numbers, from and to, not 7"),
        ('{ name = "rmse", title = "X", better = "red" }', "better must be one of low"),
        ('{ name = "rmse", title = "X", better = "nominal" }', "nominal"),
        ('{ name = "x", figure = "relative", title = "X" }', "'relative' needs of"),
        ('{ name = "x", figure = "ens_crps", title = "X", view = "noise" }', "'noise', which is not among views"),
        ('{ name = "x", figure = "ens_coverage", title = "X", level = 90 }', "level must lie between 0 and 1"),
        ('{ name = "rmse", title = "X" }, { name = "rmse", title = "Y" }', "each with a name of its own"),
    ],
)
def test_mistakes_in_columns(written, column, message):
    with pytest.raises(ValueError, match=message):
        read_protocol(written(('{ name = "rmse", title = "RMSE", unit = "G" }', column)))


def test_mistakes_in_published_rows_and_expectations(written):
    row = '[[tables.published]]\ntitle = "a"\nsource = "b"\ngrade = "{}"\ncells = {{ {} = 1 }}\n'
    with pytest.raises(ValueError, match="grade must be one of read in the paper"):
        read_protocol(written(more=row.format("surely", "rmse")))
    with pytest.raises(ValueError, match="cells pcc, which are no columns"):
        read_protocol(written(more=row.format("slide", "pcc")))
    wanted = '[[expected]]\nrow = "bicubic"\ntable = "one"\ncolumn = "pcc"\nbetween = [1, 2]\nbecause = "x"\n'
    with pytest.raises(ValueError, match="expected of the column 'pcc' of table 'one', which is not there"):
        read_protocol(written(more=wanted))


def test_no_such_protocol():
    with pytest.raises(FileNotFoundError, match="neither a file, nor one of degraded-hmi"):
        read_protocol("nothing")
