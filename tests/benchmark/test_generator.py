"""
Generated images against real ones, and classifiers trained on them.
"""

import csv
import json

import numpy as np
import pytest
import torch

from sunpy_superres import benchmark
from sunpy_superres.benchmark import extractors
from sunpy_superres.benchmark.classifier import TASKS, classifier_table, scores
from sunpy_superres.benchmark.generator import GENERATOR_TARGETS, evaluate_generator
from sunpy_superres.benchmark.image_sets import (
    ImageSet,
    coarse,
    copies,
    nearest_training_image,
    neighbors,
    physics,
    real_set,
)
from sunpy_superres.training.images import ImagePool, turn

pl = pytest.importorskip("pytorch_lightning")


def means(images):
    """
    An extractor that needs no download: means over 8x8 pixels.
    """
    return torch.nn.functional.avg_pool2d(images, 8).flatten(1)


@pytest.fixture(scope="module")
def evaluated(prepared_images, tiny_generator, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    return evaluate_generator(*prepared_images, out, model=tiny_generator, n=6, extractors=[means], steps=2), out


def test_everything_that_is_asked_for_is_measured(evaluated):
    results, out = evaluated
    missing = {target.name for target in GENERATOR_TARGETS} - {
        k for k, v in results["figures"].items() if v is not None
    }
    assert missing == {f"kid_ratio_{name}" for name in ("random", "inception", "clip")}
    table = benchmark.table(results, targets=GENERATOR_TARGETS, measured=True)
    assert len(table.splitlines()) == len(GENERATOR_TARGETS) + 2 - len(missing)
    assert set(results["classes"]) == set("ABCMX")
    assert all(found["n"] == 6 for found in results["classes"].values())
    assert json.loads((out / "generator.json").read_text())["figures"].keys() == results["figures"].keys()
    with (out / "generator.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["set"] for row in rows} == {"all", "means", *"ABCMX", *(f"means {letter}" for letter in "ABCMX")}
    assert float(next(r for r in rows if r["figure"] == "kid_ratio")["value"]) == results["figures"]["kid_ratio"]
    for name in ("generated.png", "profiles.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    card = (out / "generator.md").read_text()
    assert "| bright, generated |" in card
    assert results["provenance"]["srsha256"] in card


@pytest.mark.parametrize(
    ("options", "told"),
    [({"steps": 0}, "at least 1"), ({"guidance": -1.0}, "0 or larger"), ({"stepps": 3}, "known are steps")],
)
def test_wrong_options_are_refused_before_anything_is_drawn(prepared_images, options, told):
    with pytest.raises(ValueError, match=told):
        evaluate_generator(*prepared_images, **options)


def test_an_untrained_generator_is_far_from_the_sun(evaluated):
    figures = evaluated[0]["figures"]
    assert figures["kid"] > 5 * abs(figures["kid_floor"])
    assert figures["precision"] == 0
    assert figures["not_copied"] == 1
    verdicts = {t.name: t.verdict(figures.get(t.name)) for t in GENERATOR_TARGETS}
    assert verdicts["kid_ratio"] == "missed"


def test_real_images_are_near_to_themselves(prepared_images):
    real = real_set(prepared_images[0])
    figures, profiles = physics(real, {"generated": real, "validation": real, "train": real})
    assert figures["limb_center"] < 0.7
    assert figures["limb_radius"] < 1.5
    assert figures["histogram"] == figures["decay"] == 0
    assert figures["belts"] == pytest.approx(1)
    assert figures["asymmetry"] == pytest.approx(1)
    assert profiles["rings"]["train"][0] < profiles["rings"]["train"][19]


def test_copies_are_found_out(prepared_images, rng):
    real = real_set(prepared_images[0])
    described, labels = coarse(real.images), np.full(4, 4)

    def not_copied(images):
        return copies(nearest_training_image(images, real), described, labels, real.times)

    noise = rng.normal(0, 0.02, (4, 64, 64))
    part, by_class = not_copied(real.images[:4, ::-1, ::-1] + noise)
    assert part == 0
    assert by_class["X"]["nearest"] < by_class["X"]["neighbors_12h"]
    for degrees in (3, -7):
        angle = torch.full((4,), np.radians(degrees))
        disks = torch.from_numpy(real.disks[:4]).float()
        turned = turn(torch.from_numpy(real.images[:4])[:, None].float(), disks, angle)[:, 0].numpy()
        assert not_copied(turned)[0] == 0
    assert not_copied(rng.random((4, 64, 64)))[0] == 1


def test_neighbors_are_half_a_day_apart(prepared_images):
    times = real_set(prepared_images[0]).times
    pairs = neighbors(times)
    assert np.allclose(np.diff(times[pairs], axis=1), 12 * 3600)
    with pytest.raises(ValueError, match="No two training images are 12 hours apart"):
        neighbors(np.arange(5) * 86400.0)


def test_draws_are_kept_for_training(evaluated):
    pool = ImagePool(evaluated[1] / "generated")
    assert len(pool.records) == 30
    assert sorted(set(pool.labels.tolist())) == [0, 1, 2, 3, 4]


def test_images_of_another_kind_are_refused(prepared_images, tmp_path):
    with pytest.raises(ValueError, match="another size or scaling than 128 pixels"):
        evaluate_generator(*prepared_images, tmp_path)


def test_scores():
    found = scores([0, 0, 0, 1, 1, 3], [0, 0, 1, 1, 0, 2], 4)
    assert found.recall[[0, 1, 3]] == pytest.approx([2 / 3, 1 / 2, 0])
    assert np.isnan(found.recall[2])
    # F1 of the three classes that there are: 4/6, 2/4 and 0.
    assert found.macro_f1 == pytest.approx((4 / 6 + 2 / 4 + 0) / 3)
    assert scores([0, 1], [0, 1], 2).macro_f1 == 1


def test_classifiers_learn_what_can_be_learned(evaluated, prepared_images, tmp_path):
    lines = []
    options = {"tasks": ["three classes"], "seeds": 2, "steps": 30, "progress": lines.append}
    results = benchmark.run_classifier(*prepared_images, evaluated[1] / "generated", tmp_path / "c.json", **options)
    assert len(lines) == 4
    assert set(results["figures"]) == {"three classes"} < set(TASKS)
    three = results["figures"]["three classes"]
    assert set(three) == {"real", "augmented", "generated", "both", "majority"}
    # The more spots, the higher the class: that can be seen.
    assert three["real"]["macro_f1"][0] > three["majority"]["macro_f1"][0] + 0.1
    assert results["counts"]["three classes"] == {"A-B": 8, "C": 4, "M-X": 4}
    table = classifier_table(results)
    assert "recall M-X (n=4)" in table
    assert "±" in table
    assert results["generated_by"].startswith("local:generator")
    assert results["images"]["generated"] == [9, 15, 12, 9, 9]
    assert json.loads((tmp_path / "c.json").read_text())["figures"].keys() == results["figures"].keys()


def test_unknown_features_and_missing_packages(monkeypatch):
    with pytest.raises(ValueError, match="known are solar, random, inception, clip"):
        extractors.open_extractor("magic")

    def missing():
        msg = "No module named 'torch_fidelity'"
        raise ModuleNotFoundError(msg)

    monkeypatch.setitem(extractors.EXTRACTORS, "inception", missing)
    with pytest.raises(RuntimeError, match=r"pip install '\.\[perceptual\]'"):
        extractors.open_extractor("inception")


def test_inception_is_given_colors(monkeypatch):
    import torchmetrics.image.fid as fid

    class Fake(torch.nn.Module):
        def __init__(self, name, features_list):
            super().__init__()
            assert (name, features_list) == ("inception-v3-compat", ["2048"])
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images):
            assert images.dtype == torch.uint8
            assert images.shape[1] == 3
            return images.float().flatten(1)[:, :2048]

    monkeypatch.setattr(fid, "NoTrainInceptionV3", Fake)
    features = extractors.extract(extractors.open_extractor("inception"), np.full((70, 64, 64), 0.5))
    assert features.shape == (70, 2048)
    assert set(features.ravel()) == {128.0}


def test_clip_is_given_what_it_was_trained_on(monkeypatch):
    import sys
    from types import SimpleNamespace

    class Fake:
        def eval(self):
            return self

        def get_image_features(self, pixel_values):
            assert pixel_values.shape[1:] == (3, 224, 224)
            return pixel_values.mean((2, 3))

    module = SimpleNamespace(CLIPModel=SimpleNamespace(from_pretrained=lambda name: Fake()))
    monkeypatch.setitem(sys.modules, "transformers", module)
    features = extractors.extract(extractors.open_extractor("clip"), np.full((2, 64, 64), 0.48145466))
    assert features[:, 0] == pytest.approx([0, 0], abs=1e-5)


def test_the_bundled_features_are_of_images(prepared_images):
    network = extractors.open_extractor("solar")
    images = np.kron(real_set(prepared_images[0]).images[:3], np.ones((2, 2)))
    features = extractors.extract(network, images)
    assert features.shape == (3, network.channels)
    assert np.isfinite(features).all()
    assert isinstance(real_set(prepared_images[1]), ImageSet)
