"""Figures of information in the weights: what is drawn where; they are drawn of one seed, and of NaN."""

import dataclasses

import numpy as np
import pytest
from matplotlib.image import imread

from experiments.weight_information import figures, training_figures
from experiments.weight_information.measured import MATCHED
from info_geometry.figures import style
from tests.experiments.weight_information.made_up_measured import BATCHES, BETAS, FEW, measured, sweep
from tests.support.figures import drawn

NAMES = [draw.__name__ for draw in figures.FIGURES]


def without_numbers(x):
    """Return what was measured with NaN in place of all floats but settings."""
    if dataclasses.is_dataclass(x):
        same = "beta", "epochs"
        return dataclasses.replace(
            x, **{f.name: without_numbers(getattr(x, f.name)) for f in dataclasses.fields(x) if f.name not in same}
        )
    if isinstance(x, dict):
        return {key: without_numbers(value) for key, value in x.items()}
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return np.full(x.shape, np.nan)
    return x


def few():
    """Return what a small sweep measures: other N, two betas, some that never cross."""
    sweeps = {noise: sweep((0.01, 3), noise, 100, 1) for noise in (0, 1)}
    return measured(
        1,
        by_noise=sweeps,
        by_samples={(noise, N): sweep((0.01, 0.02), noise, N, 1) for noise in (0, 1) for N in (50, 100)},
        batches={10: measured(1).course, 100: measured(1).course},
    )


@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_files_are_written(tmp_path, draw):
    written = draw(tmp_path, measured())
    assert [path.name for path in written] == [f"{draw.__name__}.png", f"{draw.__name__}.pdf"]
    image = imread(written[0])
    wide = style.COLUMN if draw is training_figures.lengths else style.PAGE
    assert image.shape[1] == int(wide * style.DPI) and np.ptp(image) > 0.5 and written[1].stat().st_size > 3000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "found", [measured(1), without_numbers(measured()), few()], ids=["one seed", "nothing but NaN", "a small sweep"]
)
@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_of_little(saved, tmp_path, draw, found):
    draw(tmp_path, found)
    saved[draw.__name__].draw_without_rendering()


def test_structure(saved, tmp_path):
    found = measured()
    figures.structure(tmp_path, found)
    left, middle, right = saved["structure"].axes
    for x in found.by_noise.values():
        assert drawn(left, x["kl"].mean(axis=0) / x.samples, x["cross_entropy_of_draws"].mean(axis=0))
    needed = [x.at("kl", MATCHED).mean() / x.samples for x in found.by_noise.values()]
    assert drawn(middle, list(found.by_noise), needed)
    samples = sorted(N for noise, N in found.by_samples if noise == 1)
    assert middle.get_yscale() == right.get_yscale() == "log" and middle.get_ylim() == right.get_ylim()
    assert drawn(right, samples, [found.by_samples[1, N].at("kl").mean() / N for N in samples])


def test_transition(saved, tmp_path):
    found = measured()
    figures.transition(tmp_path, found)
    left, middle, right = saved["transition"].axes
    for noise, x in found.by_noise.items():
        assert drawn(left, BETAS if noise in (0, 1) else FEW, x["training_accuracy"].mean(axis=0))
        assert drawn(middle, x.beta, x["ignorance"].mean(axis=0))
        assert drawn(left, [np.mean(x.thresholds)], [figures.HALF])
    assert drawn(left, found.again[1].beta, found.again[1]["training_accuracy"].mean(axis=0))
    assert [text.get_text() for text in right.get_yticklabels()][-1] == "low rank"


def test_thresholds_that_are_not_reached_are_not_numbers():
    never = sweep((0.0001, 0.0002), 0)
    assert np.isnan(never.thresholds).all() and np.isfinite(sweep(BETAS, 0).thresholds).all()


def test_bounds_are_above_the_loss_they_bound(saved, tmp_path):
    found = measured()
    figures.bounds(tmp_path, found)
    for ax, sweeps in zip(saved["bounds"].axes, (found.by_noise, found.bounded)):
        for noise in (0, 1):
            x, bound = sweeps[noise], figures.strict(sweeps[noise])
            assert bound.shape == x["clipped"].shape and (bound > x["clipped"]).all()
            assert drawn(ax, x.beta, bound.mean(axis=0)) and drawn(ax, x.beta, x["test_loss_clipped"].mean(axis=0))


def test_batches_are_relative_to_the_smallest(saved, tmp_path):
    found = measured()
    training_figures.batches(tmp_path, found)
    values = np.array([found.batches[size].at("trace") for size in BATCHES])
    assert drawn(saved["batches"].axes[0], list(BATCHES), (values / values[0]).mean(axis=1))


def test_invariance(saved, tmp_path):
    found = measured()
    training_figures.invariance(tmp_path, found)
    x = found.nuisances["position"]
    known = x["kl"].mean(axis=0) / x.samples
    features = saved["invariance"].axes[1]
    assert drawn(features, known, x["nuisance_decoded"].mean(axis=0))
    assert drawn(features, known, x["training_accuracy"].mean(axis=0))
