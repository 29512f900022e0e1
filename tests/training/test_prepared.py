"""
Whatever a user has becomes what a recipe is trained on.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from suns import aia_header, draw_sun

from sunpy.map import Map

from sunpy_superres import maps
from sunpy_superres.degradation import degrade, synthetic_magnetogram
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.training.images import ImagePool
from sunpy_superres.training.patches import PatchPool
from sunpy_superres.training.prepare_images import prepare_images
from sunpy_superres.training.prepared import is_prepared, prepare_for
from sunpy_superres.training.recipe import read_recipe
from sunpy_superres.transfer import display_to_rates, rates_to_display


@pytest.fixture
def sky(tmp_path, rng):
    """
    Folder with two images of AIA 171 in DN/s, one of another wavelength, one damaged; and the first, 0 to 1.
    """
    folder = tmp_path / "aia"
    folder.mkdir()
    suns = [draw_sun(rng, size=160, radius=54.2) for _ in range(2)]
    for name, sun, wavelength in (("a", suns[0], 171), ("b", suns[1], 171), ("c", suns[1], 193)):
        header = aia_header(wavelnth=wavelength, bunit="DN / s", crpix1=80.5, crpix2=80.5)
        Map(display_to_rates(sun).rates, header).save(folder / f"{name}.fits")
    (folder / "d.fits").write_bytes((folder / "a.fits").read_bytes()[:9000])
    return folder, suns[0]


def test_display_values_and_back():
    display = np.linspace(0.05, 0.99, 50)
    np.testing.assert_allclose(rates_to_display(display_to_rates(display).rates), display, atol=1e-6)
    assert rates_to_display(-1.0) == 0
    assert rates_to_display(1e9) == 1


def test_images_without_a_table(sky, tmp_path):
    folder, sun = sky
    said = []
    target = prepare_for(read_recipe("aia171-ddpm"), folder, tmp_path / "out", progress=said.append)
    assert any("the class of no image is known" in line for line in said)
    assert any("skipped c.fits" in line and "193" in line for line in said)
    assert any("skipped d.fits" in line for line in said)
    assert any(line.startswith("2 used, 2 skipped") for line in said)
    pool = ImagePool(target)
    # In the scaling, the size and the plate scale of the recipe, with the disk in the middle.
    assert (pool.scaling, pool.size, len(pool.records)) == ("display", 128, 2)
    assert (pool.labels == 5).all()
    assert pool._fluxes.isnan().all()
    np.testing.assert_allclose(pool.disks[0, :2], 63.5, atol=0.01)
    np.testing.assert_allclose(pool.disks[0, 2], 960 / 17.7, rtol=1e-3)
    # What the curve cannot tell apart is what is below its first value.
    inner = sun[16:-16, 16:-16]
    np.testing.assert_allclose(pool.image(0), inner, atol=0.03)
    assert pool.records[0].time == "2012-03-01T00:00:00"


def test_images_beside_their_table(sky, tmp_path):
    folder, _ = sky
    rows = ["a.fits,2012-03-01T00:00:00,M,2e-5,train", "d.fits,2012-03-01T01:00:00,M,2e-5,train"]
    rows += ["b.fits,2012-04-01T00:00:00,X,2e-4,validation"]
    (folder / "images.csv").write_text("\n".join(["file,datetime,goes_class,xrs_flux_w_m2,split", *rows]))
    said = []
    target = prepare_for(read_recipe("aia171-ddpm"), folder, tmp_path / "out", split="train", progress=said.append)
    assert ImagePool(target).labels.tolist() == [3]
    assert any("skipped d.fits" in line for line in said)
    log = replace(read_recipe("aia171-ddpm"), model={**read_recipe("aia171-ddpm").model, "scaling": "log"})
    assert ImagePool(prepare_for(log, folder, tmp_path / "log", split="validation")).scaling == "log"
    with pytest.raises(ValueError, match="scaling must be one of"):
        prepare_images(folder, tmp_path / "no", scaling="linear")
    (folder / "a.fits").write_bytes(b"")
    with pytest.raises(ValueError, match=r"No image of .* can be used"):
        prepare_for(log, folder, tmp_path / "none", split="train")
    assert not (tmp_path / "none" / "index.json").exists()


def test_pairs_are_known_by_their_names(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    truth = synthetic_magnetogram((160, 160), seed=0)
    seen = degrade(truth, seed=0)
    hmi = maps.from_array(truth, scale=HMI_SCALE, instrument="hmi")
    maps.write_map(hmi, folder / "20110402_000000_hmi.fits")
    maps.write_map(maps.from_array(seen, scale=4 * HMI_SCALE, instrument="mdi"), folder / "20110402_000000_mdi.fits")
    target = prepare_for(read_recipe("ldm-mdi-pairs"), folder, tmp_path / "out")
    assert PatchPool(target, size=64).paired
    # And without its partner HMI is a field like any other.
    (folder / "20110402_000000_mdi.fits").unlink()
    assert not PatchPool(prepare_for(read_recipe("ldm-mdi"), folder, tmp_path / "alone"), size=64).paired


def test_what_is_prepared_stays(tmp_path):
    (tmp_path / "index.json").write_text(json.dumps([]))
    assert is_prepared(tmp_path)
    assert prepare_for(read_recipe("ldm-mdi"), tmp_path, tmp_path / "out") == tmp_path
    with pytest.raises(FileNotFoundError):
        prepare_for(read_recipe("ldm-mdi"), tmp_path / "nowhere", tmp_path / "out")


def test_data_are_prepared_once(tmp_path, monkeypatch):
    folder = tmp_path / "hmi"
    folder.mkdir()
    hmi = maps.from_array(synthetic_magnetogram((160, 160), seed=0), scale=HMI_SCALE, instrument="hmi")
    maps.write_map(hmi, folder / "a.fits")
    recipe, target = read_recipe("ldm-mdi"), folder / "run" / "data"
    prepare_for(recipe, folder, target)
    before = (target / "pixels.npy").stat().st_mtime_ns
    # From another place, with other files below, it is the same.
    monkeypatch.chdir(tmp_path)
    said = []
    prepare_for(recipe, "hmi", target, progress=said.append)
    assert "prepared before" in said[0]
    assert (target / "pixels.npy").stat().st_mtime_ns == before
    maps.write_map(hmi, folder / "b.fits")
    with pytest.raises(ValueError, match="made of other files, or otherwise"):
        prepare_for(recipe, folder, target)
    # What was cut short is done again.
    (target / "source.json").unlink()
    prepare_for(recipe, folder, target)
    assert len(json.loads((target / "index.json").read_text())) == 4
