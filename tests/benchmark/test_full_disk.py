import pytest

from sunpy_superres.benchmark import read_json, run_full_disk, table
from sunpy_superres.maps import write_map


@pytest.fixture
def file(mdi_map, tmp_path):
    write_map(mdi_map, tmp_path / "mdi.fits")
    return tmp_path / "mdi.fits"


def test_figures(file, tmp_path):
    results = run_full_disk(file, tmp_path / "out.json", n_samples=2, steps=2, tile_sizes=(16, 32))
    assert read_json(tmp_path / "out.json") == results
    figures = results["figures"]
    assert 0 < figures["full_disk_minutes"] < 5
    assert 0.1 < figures["full_disk_gigabytes"] < 20
    assert figures["tile_difference"] < 2e-4
    assert results["provenance"]["srsteps"] == 2
    assert "full disk, time" in table(results)


def test_a_method_without_weights(file):
    assert run_full_disk(file, method="bicubic", n_samples=1, tile_sizes=(16,))["figures"]["tile_difference"] == 0


def test_errors_come_before_the_work(file, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run_full_disk(file, tmp_path / "nowhere" / "out.json")
    with pytest.raises(FileNotFoundError, match="no file"):
        run_full_disk(tmp_path / "none.fits")
