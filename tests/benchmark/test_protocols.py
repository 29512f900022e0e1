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


def test_published_numbers_are_those_of_the_papers():
    first, second, _ = read_protocol("munoz2024").tables
    rows = {row.title: row.cells for row in first.published}
    assert rows["MDI, bicubic"]["r_0_1"] == 0.89
    assert rows["MDI, HighRes-net"]["field_0_600"] == 0.88
    assert {row.title: row.cells["extreme_32"] for row in second.published}["GONG, HighRes-net"] == 74.02
    (slide,) = read_protocol("ramunno2025").tables
    assert slide.published[0].cells["psnr"] == "29.23 ± 8"
    assert {row.grade for row in slide.published} == {"slide"}


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
