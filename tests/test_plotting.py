"""
Figures show what they say.
"""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sunpy_superres import maps, superresolve
from sunpy_superres.plotting import plot_superresolution, save_figure


@pytest.fixture
def fine(mdi_map):
    return superresolve(mdi_map, n_samples=2, seed=0)


def test_panels(mdi_map, fine):
    sample = maps.build(mdi_map, fine.data + 1, 4)
    figure = plot_superresolution(mdi_map, fine, sample=sample, truth=sample, zoom=16)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    expected = ["input [G of MDI]", "ldm: mean of 2 samples", "one sample", "truth", "uncertainty (1 sigma)"]
    assert titles == expected
    # The field of all panels has the same limits, symmetric about zero.
    limits = {
        image.get_clim() for axes in figure.axes for image in axes.get_images() if image.get_cmap().name == "gray"
    }
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high
    plt.close(figure)


def test_without_uncertainty(mdi_map):
    figure = plot_superresolution(mdi_map, superresolve(mdi_map, method="bicubic", n_samples=1))
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["input [G of MDI]", "bicubic"]
    plt.close(figure)


def test_continuum():
    image = 4e4 * np.ones((40, 40), dtype=np.float32)
    image[8:12, 20:24] *= 0.3
    smap = maps.from_array(image, scale=0.504, instrument="hmi-continuum")
    figure = plot_superresolution(smap, superresolve(smap, "bicubic", 1), zoom=12)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["input", "bicubic"]
    # In units of the quiet Sun, and where the spot is.
    for image in (image for axes in figure.axes[:4] for image in axes.get_images()):
        low, high = image.get_clim()
        assert 0.1 < low < 0.4
        assert 0.9 < high < 1.2
    center = np.mean(figure.axes[1].get_xlim()), np.mean(figure.axes[1].get_ylim())
    assert np.hypot(center[0] - 22, center[1] - 10) < 9
    plt.close(figure)


def test_the_zoom_is_where_the_field_is(mdi_map, fine):
    figure = plot_superresolution(mdi_map, fine, zoom=12)
    zoomed = figure.axes[1]
    center = np.mean(zoomed.get_xlim()), np.mean(zoomed.get_ylim())
    y, x = np.unravel_index(np.argmax(np.abs(mdi_map.data)), mdi_map.data.shape)
    assert np.hypot(center[0] - x, center[1] - y) < 12
    plt.close(figure)


def test_a_figure_is_whole_or_not_there(tmp_path, monkeypatch):
    figure = plt.figure()
    path = tmp_path / "figure.png"
    save_figure(figure, path)
    assert path.read_bytes().startswith(b"\x89PNG")

    def fail(*_, **__):
        msg = "disk full"
        raise OSError(msg)

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(figure, tmp_path / "other.png")
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    plt.close(figure)
