"""Figures of subspaces: what is drawn where, read back from the figure."""

import numpy as np
import pytest

from experiments.subspaces import coefficients, figures, picture, rules
from experiments.subspaces.kinds import KINDS, MIDDLE, SINGLE, STOPPED, TWO
from experiments.subspaces.results import CLEAN, NOISY, UNDER
from experiments.subspaces.series import LEVELS
from info_geometry import inpca
from tests.experiments.subspaces.made_up import WOBBLE, S, measured


def lines(ax):
    return [np.array(line.get_data(), float) for line in ax.lines if len(np.atleast_1d(line.get_xdata())) > 1]


@pytest.mark.parametrize("regime", [CLEAN, NOISY, UNDER])
def test_path(saved, tmp_path, regime):
    found = measured()
    figures.path(tmp_path, found, regime)
    axes = saved[f"path_{regime}"].axes
    assert [ax.get_ylabel() for ax in axes] == ["accuracy", "NLL", "ECE"]
    x = found.lines["line", regime]
    first, ensemble = lines(axes[0])[:2]
    assert first[1] == pytest.approx(x.scores["accuracy"].mean(axis=0))
    assert ensemble[0].tolist() == [0.1, 0.5, 0.9]  # mirrored, and the middle with itself
    assert ensemble[1][1] == pytest.approx(x.at("accuracy", 0.5).mean())
    single = found.under[SINGLE] if regime == UNDER else found.kinds[regime][SINGLE]
    assert any(line[1] == pytest.approx(single["accuracy"].mean()) for line in lines(axes[0]))
    assert [text.get_text() for ax in axes for text in ax.texts] == (
        [] if regime == UNDER else ["between 2 networks: down to 30 %"]
    )


def test_simplexes(saved, tmp_path):
    found, c = measured(), coefficients.points(3, 6, 6)
    figures.simplexes(tmp_path, found, c, {"nll": np.arange(len(c), dtype=float)})
    axes = saved["simplex"].axes
    middles = next(line for line in lines(axes[0]) if line.shape[1] == 3)
    assert middles[0].tolist() == [2, 3, 4]
    assert middles[1] == pytest.approx([0.84, 0.85, 0.86])
    corners = np.array(axes[3].lines[0].get_data()).T
    assert len(corners) == len(c) - 6 and corners[:3] == pytest.approx(np.array([[0, 0], [1, 0], [0.5, 3**0.5 / 2]]))


def test_noise(saved, tmp_path):
    values = np.linspace(0.9, 0.6, len(LEVELS))[:, None] + 0.01 * WOBBLE
    levels = {name: {"accuracy": values, "learned": values / 2} for name in (SINGLE, STOPPED, MIDDLE)}
    figures.noise(tmp_path, levels, measured())
    left, middle, right = saved["noise"].axes
    assert all(line[1] == pytest.approx(values.mean(axis=1)) for line in lines(left))
    assert all(line[1] == pytest.approx(values.mean(axis=1) / 2) for line in lines(middle))
    assert MIDDLE in [text.get_text() for text in right.get_yticklabels()]


def test_dynamics_recalibration_corruption(saved, tmp_path):
    epochs = np.array([0.0, 1.0, 10.0])
    run = {key: (epochs, np.ones((S, 3))) for key in ("squared_cosine", "l2", "d_B")}
    figures.dynamics(tmp_path, {"line": run})
    assert all(lines(ax)[0][0].tolist() == epochs.tolist() for ax in saved["dynamics"].axes)
    found = measured()
    figures.recalibration(tmp_path, found)
    with_, without = lines(saved["recalibration"].axes[0])
    assert with_[1] == pytest.approx(found.lines["line", CLEAN].scores["accuracy"].mean(axis=0))
    assert without[1] == pytest.approx(found.raw[CLEAN].scores["accuracy"].mean(axis=0))
    figures.corruption(tmp_path, {how: {SINGLE: np.full((6, S), 0.5)} for how in ("noise", "blur", "contrast")})
    assert [ax.get_title() for ax in saved["corruption"].axes] == ["noise", "blur", "contrast"]


def test_all_kinds(saved, tmp_path):
    figures.all_kinds(tmp_path, measured())
    axes = saved["kinds"].axes
    assert len(axes) == 6 and [text.get_text() for text in axes[0].get_yticklabels()] == list(KINDS)
    assert axes[3].get_xlabel() == "accuracy, 40 % wrong labels"


def test_picture(saved, tmp_path):
    runs = [SINGLE, MIDDLE, "line at epoch 1", "line at epoch 40", "SWA", "SWAG draws", f"ensemble: {TWO}"]
    runs += ["ensemble: line, 0.1 and 0.9", picture.IGNORANCE, picture.TRUTH]
    run = np.repeat(runs, 3)
    index = {"run": run, "seed": np.ones(len(run), int), "checkpoint": np.tile([0, 1, 2], len(runs))}
    points = np.random.default_rng(0).normal(size=(len(run), 4))
    D = np.square(points[:, None] - points[None]).sum(axis=2)
    drawn = picture.Picture(inpca.fit(D, 3, index))
    figures.picture(tmp_path, drawn)
    left, middle, _ = saved["picture"].axes
    assert len(left.lines) == len(runs)
    drawn_first = np.array(left.lines[0].get_data()).T
    assert np.allclose(drawn_first, drawn.embedding.coordinates[drawn.where(drawn.surface[0])][:, :2])
    assert (left.get_ylabel(), middle.get_ylabel()) == ("InPC 2", "InPC 3")
    assert "explained stress" in saved["picture"].get_suptitle()


def test_files_are_written(tmp_path):
    assert [path.exists() for path in figures.recalibration(tmp_path, measured())] == [True, True]
    assert rules.points(0.5) == 50
