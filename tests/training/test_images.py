"""
From an archive of images to a generator that draws.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from suns import aia_header, draw_sun

from sunpy.map import Map

import sunpy_superres
from sunpy_superres.training.images import Augmentation, ImagePool, ImageRecord, write_images
from sunpy_superres.training.prepare_images import prepare_images
from sunpy_superres.training.recipe import read_recipe
from sunpy_superres.transfer import image_to_rates
from sunpy_superres.weights.files import load_model

pl = pytest.importorskip("pytorch_lightning")

PLAIN = Augmentation(mirror=False, turn=0, balance=0, forget_class=0, forget_flux=0)
GENERATOR = """
name = "small"
method = "class-diffusion"
instruments = ["aia"]
scale = 35.4
seed = 2

[model]
size = 64
widths = [8, 16]
embedding = 16
attention = 1
steps = 2
radii = [25.0, 29.0]

[stages.images]
steps = 6
batch = 4
block = 2
validate_every = 3
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "small.toml").write_text(GENERATOR)
    return read_recipe(tmp_path / "small.toml")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_prepare_reads_the_split_and_turns_the_images_up(aia_archive, prepared_images):
    train, validation = prepared_images
    pools = ImagePool(train), ImagePool(validation)
    assert [len(pool.records) for pool in pools] == [24, 16]
    with np.load(aia_archive) as archive:
        np.testing.assert_allclose(255 * pools[0].image(3), archive["images"][3][::-1], atol=1e-3)
    times = [{record.time for record in pool.records} for pool in pools]
    assert times[0].isdisjoint(times[1])


def test_the_flux_is_the_one_that_gave_the_class(prepared_images):
    records = ImagePool(prepared_images[0]).records
    by_label = {record.label: record.flux for record in records}
    # Of X the largest within half an hour, X3; of A, whose largest may be more, the flux now.
    assert by_label[4] == pytest.approx(np.log10(3e-4))
    assert by_label[3] == pytest.approx(np.log10(3e-5))
    assert by_label[0] == pytest.approx(np.log10(3e-8))


def test_disks_are_found(prepared_images):
    for record in ImagePool(prepared_images[0]).records:
        assert record.disk[:2] == pytest.approx([31.5, 31.5], abs=0.4)
        assert record.disk[2] == pytest.approx(0.424 * 64, rel=0.03)


def test_prepare_calibrated_images(tmp_path, rng):
    sun = draw_sun(rng, size=128)
    header = aia_header(bunit="DN")
    Map(2 * image_to_rates(sun).rates, header).save(tmp_path / "a.fits")
    table = tmp_path / "table.csv"
    columns = "file,datetime,goes_class,xrs_flux_w_m2"
    table.write_text(f"{columns}\na.fits,2012-03-01T00:00:00,M,2e-5\n")
    prepare_images(table, tmp_path / "out", size=64)
    pool = ImagePool(tmp_path / "out")
    assert pool.scaling == "log"
    assert pool.records[0].disk == pytest.approx([31.5, 31.5, 960 / 35.4], abs=1e-3)
    assert pool.records[0].flux == pytest.approx(np.log10(2e-5))
    assert np.corrcoef(pool.image(0).ravel(), sun.reshape(64, 2, 64, 2).mean((1, 3)).ravel())[0, 1] > 0.99
    batch = pool.draw(3, generator())
    assert batch.image.shape == (3, 1, 64, 64)
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    Map(2 * image_to_rates(sun).rates, header | {"crota2": 30.0}).save(tmp_path / "b.fits")
    table.write_text(f"{columns}\nb.fits,2012-03-01T00:00:00,M,2e-5\n")
    with pytest.raises(ValueError, match="not of level 1"):
        prepare_images(table, tmp_path / "other", size=64)
    table.write_text(f"{columns}\na.fits,2012-03-01T00:00:00,M,2e-5\n")
    with pytest.raises(ValueError, match="not a multiple of 60"):
        prepare_images(table, tmp_path / "other", size=60)
    assert not (tmp_path / "other").exists()


def test_a_table_that_is_not_split_is_one_to_train_on(tmp_path, rng):
    Map(2 * image_to_rates(draw_sun(rng, size=128)).rates, aia_header(bunit="DN")).save(tmp_path / "a.fits")
    table = tmp_path / "table.csv"
    table.write_text("file,datetime,goes_class,xrs_flux_w_m2\na.fits,2012-03-01T00:00:00,M,2e-5\n")
    assert len(prepare_images(table, tmp_path / "out", split="train")) == 1
    with pytest.raises(ValueError, match="in the split 'validation'"):
        prepare_images(table, tmp_path / "out", split="validation")


@pytest.mark.parametrize(
    ("columns", "row", "told"),
    [
        ("index,goes_class", "0,M", "no column datetime"),
        ("index,datetime,goes_class,xrs_flux_w_m2", "0,2012-01-01,Q,1e-5", "row of 2012-01-01"),
        ("index,datetime,goes_class,xrs_flux_w_m2", "0,2012-01-01,M,", "row of 2012-01-01"),
        ("index,datetime,goes_class,xrs_flux_w_m2", "0,2012-01-01,B,0", "row of 2012-01-01"),
        ("index,datetime,goes_class", "0,2012-01-01,M", "row of 2012-01-01"),
        ("index,datetime,goes_class,xrs_flux_w_m2", "7,2012-01-01,M,1e-5", "does not fit the 2 images"),
    ],
)
def test_damaged_tables_name_what_is_wrong(tmp_path, columns, row, told):
    np.savez(tmp_path / "t.npz", images=np.zeros((2, 64, 64), np.uint8))
    (tmp_path / "t.csv").write_text(f"{columns}\n{row}\n")
    with pytest.raises(ValueError, match=told):
        prepare_images(tmp_path / "t.npz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_refuses_disks_of_another_size(recipe, prepared_images, tmp_path):
    from sunpy_superres.training.fit import fit

    other = replace(recipe, model={**recipe.model, "radii": (20.0, 21.0)})
    with pytest.raises(ValueError, match=r"radii of 20.0 to 21.0 pixels.*put those into the recipe"):
        fit(other, prepared_images[0], tmp_path / "out", progress=lambda _: None)


def test_prepare_smaller_images(aia_archive, prepared_images, tmp_path):
    prepare_images(aia_archive, tmp_path / "small", split="train", size=32)
    small, whole = ImagePool(tmp_path / "small"), ImagePool(prepared_images[0])
    expected = whole.image(5).reshape(32, 2, 32, 2).mean((1, 3))
    np.testing.assert_allclose(small.image(5), expected, atol=0.51 / 255)
    assert small.records[5].disk == pytest.approx([15.5, 15.5, 0.212 * 64], abs=0.4)


def test_nothing_to_prepare(aia_archive, tmp_path):
    with pytest.raises(ValueError, match="in the split 'test'"):
        prepare_images(aia_archive, tmp_path, split="test")


def test_images_as_they_are(prepared_images):
    pool = ImagePool(prepared_images[0], augmentation=PLAIN)
    batch = pool.vary(torch.arange(5), generator())
    for k in range(5):
        np.testing.assert_allclose(batch.image[k, 0].numpy(), pool.image(k), atol=1e-6)
    assert batch.label.tolist() == [record.label for record in pool.records[:5]]
    np.testing.assert_allclose(batch.flux.numpy(), [record.flux for record in pool.records[:5]], rtol=1e-6)


def test_the_disk_goes_where_the_mirror_puts_it(tmp_path, rng):
    image = draw_sun(rng, center=(29.0, 33.5), radius=25.0)
    record = ImageRecord("a", "2012-01-01", 2, -5.5, [29.0, 33.5, 25.0])
    write_images(tmp_path / "one", np.rint(255 * image[None]).astype(np.uint8), [record], "display")
    pool = ImagePool(tmp_path / "one", augmentation=replace(PLAIN, mirror=True, turn=5.0, turned=0.5))
    batch = pool.vary(torch.zeros(40, dtype=torch.long), generator())
    assert len({tuple(np.round(disk.tolist(), 3)) for disk in batch.disk}) == 4
    y, x = np.mgrid[:64, :64]
    for one, disk in zip(batch.image[:, 0].numpy(), batch.disk.numpy(), strict=True):
        distance = np.hypot(x - disk[0], y - disk[1]) / disk[2]
        # Dark far outside, bright within: only where the disk is known to be.
        assert one[distance < 0.9].mean() > 0.25
        assert one[(distance > 1.25) & (distance < 1.3)].mean() < 0.1


def test_rare_classes_are_drawn_more_often(prepared_images):
    def shares(balance):
        pool = ImagePool(prepared_images[0], augmentation=replace(PLAIN, balance=balance))
        return torch.bincount(pool.draw(4000, generator()).label, minlength=5) / 4000

    # One image in eight is an X.
    assert shares(0.0)[4] == pytest.approx(1 / 8, abs=0.02)
    assert shares(1.0)[4] == pytest.approx(1 / 5, abs=0.02)


def test_what_is_forgotten(prepared_images):
    pool = ImagePool(prepared_images[0], augmentation=replace(PLAIN, forget_class=0.3, forget_flux=0.6))
    batch = pool.draw(2000, generator())
    assert float((batch.label == 5).float().mean()) == pytest.approx(0.3, abs=0.04)
    assert float(batch.flux.isnan().float().mean()) == pytest.approx(0.6, abs=0.04)


def test_several_folders_count_as_one(prepared_images, tmp_path):
    assert len(ImagePool(list(prepared_images)).records) == 40
    write_images(tmp_path / "a", np.zeros((1, 32, 32), np.uint8), [ImageRecord("", "", 0, -8, [1, 1, 1])], "display")
    with pytest.raises(ValueError, match="differ in size"):
        ImagePool([prepared_images[0], tmp_path / "a"])


def test_wrong_folders(prepared_images, tmp_path):
    with pytest.raises(FileNotFoundError, match="no prepared data"):
        ImagePool(tmp_path)
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(ValueError, match="prepare-images"):
        ImagePool(tmp_path)
    with pytest.raises(ValueError, match="Every image"):
        ImagePool(prepared_images[0], exclude=["2012"])


def test_fit_makes_a_generator_that_draws(recipe, prepared_images, tmp_path):
    from sunpy_superres.training.fit import fit

    train, validation = prepared_images
    lines = []
    out = fit(recipe, train, tmp_path / "out", validation=validation, progress=lines.append)
    assert any("validation_loss" in line for line in lines)
    assert json.loads((out / "config.json").read_text())["scale"] == 35.4
    image = sunpy_superres.generate_aia("M", seed=0, model=out)
    assert image.data.shape == (64, 64)
    # The same again, to the bit.
    other = fit(recipe, train, tmp_path / "other", progress=lines.append)
    for name, value in load_model(out).state_dict().items():
        assert torch.equal(load_model(other).state_dict()[name], value)


def test_interrupted_training_goes_on_as_if_it_had_not_been(recipe, prepared_images, tmp_path, monkeypatch):
    from sunpy_superres.training import tasks
    from sunpy_superres.training.fit import fit

    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # in float32
    whole = fit(recipe, prepared_images[0], tmp_path / "whole", device="cpu", progress=lambda _: None)
    loss = tasks.ImagesTask.loss

    def interrupted(self, digest):
        if self.global_step == 4:
            msg = "no space left"
            raise OSError(msg)
        return loss(self, digest)

    monkeypatch.setattr(tasks.ImagesTask, "loss", interrupted)
    with pytest.raises(OSError, match="no space"):
        fit(recipe, prepared_images[0], tmp_path / "cut", device="cpu", progress=lambda _: None)
    monkeypatch.setattr(tasks.ImagesTask, "loss", loss)
    cut = fit(recipe, prepared_images[0], tmp_path / "cut", device="cpu", progress=lambda _: None)
    for name, value in load_model(whole).state_dict().items():
        # Up to the last bits: a restored optimizer may take another path through the same sums.
        torch.testing.assert_close(load_model(cut).state_dict()[name], value, rtol=1e-3, atol=1e-5)


def test_training_refuses_images_of_another_size(recipe, prepared_images, tmp_path):
    from sunpy_superres.training.fit import fit

    larger = replace(recipe, model={**recipe.model, "size": 128})
    with pytest.raises(ValueError, match=r"128 pixels in display scaling.*64 pixels"):
        fit(larger, prepared_images[0], tmp_path / "out", progress=lambda _: None)


def test_features_are_trained(prepared_images, tmp_path):
    from sunpy_superres.training.fit import fit

    text = GENERATOR.replace("class-diffusion", "solar-features").replace("stages.images", "stages.features")
    start = text.index("widths")
    text = text[:start] + "widths = [8, 8, 8]\n\n" + text[text.index("[stages") :]
    (tmp_path / "features.toml").write_text(text)
    out = fit(read_recipe(tmp_path / "features.toml"), prepared_images[0], tmp_path / "out", progress=lambda _: None)
    model = load_model(out)
    images = torch.rand(3, 1, 64, 64)
    assert model(images).shape == (3, model.channels)
    torch.testing.assert_close(model.project(images).norm(dim=1), torch.ones(3))
    assert model.flux(images).shape == (3,)
