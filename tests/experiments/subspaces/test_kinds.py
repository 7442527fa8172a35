"""Every way of getting predictions, from made-up files: which model is taken, and what it is chosen on."""

import dataclasses

import numpy as np
import pytest

from experiments.subspaces import kinds, measures
from experiments.subspaces.config import SubspaceConfig
from experiments.subspaces.kinds import KINDS
from tests.experiments.subspaces.made_up import guesses, results, write

T11 = [k / 10 for k in range(11)]


def predict(name, folder, seed=1, level="ln0"):
    return KINDS[name].predict(results(folder), level, seed)


def test_early_stopping_looks_at_images_held_out_alone(tmp_path):
    """Which of equal ones: the first.  The most accurate model of evaluation is another one."""
    write(tmp_path, "point_ln0_head", 1, [guesses(k) for k in (10, 20, 60, 40)], [0, 1, 2, 3])
    write(tmp_path, "point_ln0_validation_head", 1, [guesses(k) for k in (5, 30, 20, 30)], [0, 1, 2, 3])
    found = results(tmp_path)
    assert kinds.best_checkpoint(found, "ln0", 1) == 1
    assert predict(kinds.STOPPED, tmp_path) == pytest.approx(found.P("point_ln0_head", 1, [1])[0])


def test_the_best_schedule_is_chosen_on_images_held_out(tmp_path):
    held, right = {"short3": 10, "short6": 50, "short10": 40, "half": 30}, {}
    for variant, k in held.items():
        write(tmp_path, f"point_{variant}-ln0_validation_head", 1, [guesses(k)], [1.0])
        write(tmp_path, f"point_{variant}-ln0_head", 1, [guesses(60 - k)], [1.0])
        right[variant] = (60 - k) / 60
    write(tmp_path, "point_ln0_validation_head", 1, [guesses(60), guesses(20)], [0, 40])
    write(tmp_path, "point_ln0_head", 1, [guesses(1), guesses(59)], [0, 40])
    found = results(tmp_path)
    assert kinds.best_schedule(found, "ln0", 1) == (6, "point_short6-ln0")
    assert measures.accuracy(predict(kinds.FEWER, tmp_path), found.open("point_ln0_head", 1).labels) == right["short6"]


@pytest.mark.parametrize(
    ("name", "run", "t", "chosen"),
    [
        ("line, middle", "line_ln0_head", T11, [5]),
        ("layerwise line, middle", "layerwise_line_ln0_head", T11, [5]),
        ("curve, 0.1 and 0.9", "curve_ln0_head", T11, [1, 9]),
        ("line, 0.1 and 0.9", "line_ln0_head", T11, [1, 9]),
        ("simplex of 3, barycentre", "simplex3_ln0_head", range(12), [3]),
        ("simplex of 4, barycentre", "simplex4_ln0_head", range(12), [4]),
        ("simplex of 5, 6 random points", "simplex5_ln0_head", range(15), range(9, 15)),
        ("SWAG, 6 draws", "point_constant-ln0_swag_head", range(6), range(6)),
        ("SWA, cyclic rate", "point_cyclic-ln0_swa_head", [0], [0]),
        ("dropout", "point_dropout-ln0_head", [0, 1, 2], [2]),
        ("label smoothing", "point_smoothing-ln0_head", [0, 1, 2], [2]),
        ("middle between 2 networks", "point_ln0_between_head", T11, [5]),
    ],
)
def test_which_models_are_taken(tmp_path, name, run, t, chosen):
    write(tmp_path, run, 1, [guesses(3 * k, seed=k) for k in range(len(t))], list(map(float, t)))
    expected = results(tmp_path).P(run, 1, list(chosen)).mean(axis=0)
    assert predict(name, tmp_path) == pytest.approx(expected / expected.sum(axis=1, keepdims=True), rel=1e-6)


def test_pairs_of_seeds_all_seeds_and_the_soup(tmp_path):
    for seed in (1, 2):
        for run in ("point_ln0_head", "point_half-ln0_head"):
            write(tmp_path, run, seed, [guesses(0), guesses(20 * seed, seed=seed)], [0, 1])
    write(tmp_path, "point_ln0_soup_head", 1, [guesses(33)], [0])
    found = results(tmp_path)
    both = np.mean([found.last("point_ln0_head", s) for s in (1, 2)], axis=0)
    for name, seed in ((kinds.TWO, 1), (kinds.TWO, 2), ("all seeds", 1), ("2 networks, half the epochs", 2)):
        assert predict(name, tmp_path, seed) == pytest.approx(both, rel=1e-6)
    for seed in (1, 2):
        assert predict("greedy soup of the seeds", tmp_path, seed) == pytest.approx(
            found.last("point_ln0_soup_head", 1)
        )


def test_snapshots_are_the_ends_of_cycles(tmp_path):
    config = SubspaceConfig(
        dataset="fashion", network="small_cnn", kind="point", epochs=8, batch_size=10, learning_rate=0.1,
        warmup_epochs=0.5, rate="snapshot", cycles=2, schedule="epochs",
    )  # fmt: skip
    t = [float(k) for k in range(9)]
    write(tmp_path, "point_snapshot-ln0_head", 1, [guesses(k) for k in range(9)], t, config=dataclasses.asdict(config))
    found = results(tmp_path)
    assert kinds.snapshots(found, "ln0", 1) == pytest.approx(found.P("point_snapshot-ln0_head", 1, [4, 8]))
    assert predict("snapshots", tmp_path).shape == (60, 3)


def test_names_are_distinct_and_costs_known():
    assert len(KINDS) == 26 and all(kind.networks >= 1 and kind.cost >= 1 for kind in KINDS.values())
