"""What figures of claims share: means of what is known, curves, and axes."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from info_geometry.figures import panels

NAN = np.nan


@pytest.fixture
def ax():
    return Figure().subplots()


def test_means_are_of_what_is_known():
    values = np.array([[1, NAN, 3, NAN], [3, NAN, NAN, 5]])
    assert panels.mean(values) == pytest.approx([2, NAN, 3, 5], nan_ok=True)
    full = np.random.default_rng(0).normal(size=(4, 3, 2))
    assert panels.mean(full) == pytest.approx(full.mean(axis=0))


@pytest.mark.parametrize("draw, lines", [(panels.curve, 2), (panels.strands, 4)])
def test_the_last_line_is_the_mean_over_seeds(ax, draw, lines):
    values = np.arange(12.0).reshape(3, 4) ** 2
    draw(ax, np.arange(4), values, color="black")
    assert len(ax.lines) == lines and ax.lines[-1].get_ydata() == pytest.approx(values.mean(axis=0))
    draw(ax, np.arange(4), values[:1], color="black")
    assert len(ax.lines) == lines + 1 and ax.lines[-1].get_ydata() == pytest.approx(values[0])  # no seeds besides


@pytest.mark.parametrize("values", [(0.02, 700), (3, 5), (1, 40), (1e-3, 1e6)])
def test_numbers_of_logarithmic_axes_are_plain(ax, values):
    ax.plot([0, 1], values)
    ax.set_yscale("log")
    before = ax.get_ylim()
    panels.plain(ax, "y")
    ax.figure.draw_without_rendering()
    assert ax.get_ylim() == pytest.approx(before) and ax.yaxis.get_major_ticks()
    if values[1] < 1e4 * values[0]:
        shown = [text.get_text() for text in ax.get_yticklabels()]
        assert any(shown) and not any("10^" in text for text in shown)


def test_an_axis_of_nothing_becomes_a_linear_one(ax):
    ax.set_xlim(-1, 1)
    panels.plain(ax, "x")
    assert ax.get_xscale() == "linear"


def test_an_axis_of_epochs_begins_at_0(ax):
    epochs = np.array([0, 0.05, 1, 10, 110])
    ax.plot(epochs, epochs)
    panels.by_epoch(ax, epochs)
    ax.figure.draw_without_rendering()
    assert ax.get_xscale() == "symlog" and ax.get_xlabel() == "epoch"
    ticks = ax.xaxis.get_major_locator()()
    assert list(ticks) == pytest.approx([0, 0.1, 1, 10, 100])
    panels.by_epoch(Figure().subplots(), np.array([0.0]))  # of initial weights alone


def test_letters_and_ticks(ax):
    axes = Figure().subplots(1, 2)
    panels.lettered(axes, ("one", "two"))
    assert [each.get_title(loc="left") for each in axes] == ["(a) one", "(b) two"]
    ax.set_xscale("log")
    ax.set_xlim(1, 100)
    panels.ticks(ax, [50, 2])
    assert ax.get_xticks().tolist() == [2, 50]
