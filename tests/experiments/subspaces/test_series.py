"""What figures draw besides, from made-up files."""

import numpy as np
import pytest

from experiments.subspaces import coefficients, measures, series
from experiments.subspaces.kinds import FEWER, MIDDLE, NEAR, SHORT, SINGLE, STOPPED, TWO
from tests.experiments.subspaces.made_up import LABELS, guesses, results, write

SEEDS = 1, 2


def test_noise_reads_each_level(tmp_path):
    wrong = (LABELS + 1) % 3
    for k, level in enumerate(f"ln{x:g}" for x in series.LEVELS):
        for seed in SEEDS:
            for suffix, labels in (("head", LABELS), ("validation_head", LABELS), ("training_head", wrong)):
                models = [guesses(0), guesses(50 - 10 * k, seed=seed), guesses(40 - 10 * k)]
                write(tmp_path, f"point_{level}_{suffix}", seed, models, [0, 1, 40], labels=labels)
            for variant in SHORT:
                for suffix in ("head", "validation_head"):
                    write(tmp_path, f"point_{variant}-{level}_{suffix}", seed, [guesses(5)], [1])
            write(tmp_path, f"line_{level}_head", seed, [guesses(0), guesses(55 - 10 * k), guesses(0)], [0, 0.5, 1])
            write(
                tmp_path, f"line_{level}_training_head", seed, [guesses(9), guesses(30), guesses(9)], [0, 0.5, 1],
                labels=wrong,
            )  # fmt: skip
    found = series.noise(results(tmp_path))
    steps = np.array([0, 10, 20, 30])[:, None]
    assert found[SINGLE]["accuracy"] == pytest.approx(np.tile((40 - steps) / 60, 2))
    assert found[STOPPED]["accuracy"] == pytest.approx(np.tile((50 - steps) / 60, 2))
    assert found[MIDDLE]["accuracy"] == pytest.approx(np.tile((55 - steps) / 60, 2))
    # what is not right is one class beside, which are the labels that were learned
    assert found[SINGLE]["learned"] == pytest.approx(np.tile((20 + steps) / 60, 2))
    assert found[STOPPED]["learned"] == pytest.approx(np.tile((10 + steps) / 60, 2))
    assert found[MIDDLE]["learned"] == pytest.approx(np.full((4, 2), 0.5)) and "learned" not in found[FEWER]
    assert series.chosen_epochs(results(tmp_path), "ln0") == {STOPPED: [1.0, 1.0], FEWER: [40.0, 40.0]}


def test_corruption_goes_from_none_to_the_most_severe(tmp_path):
    T = [0.1, 0.5, 0.9]
    for seed in SEEDS:
        for how in ("", *(f"_{how}{k}" for how in ("noise", "blur", "contrast") for k in range(1, 6))):
            right = 55 - 10 * int(how[-1]) if how else 55
            write(tmp_path, f"point_ln0{how}_head", seed, [guesses(right, seed=seed)], [40])
            models = [guesses(right, seed=seed + k) for k in range(3)]
            write(tmp_path, f"line_ln0{how}_head", seed, models, T)
    found = series.corruption(results(tmp_path))
    assert list(found) == ["noise", "blur", "contrast"] and list(found["blur"]) == [SINGLE, TWO, MIDDLE, NEAR]
    for kinds in found.values():
        assert all(x == pytest.approx(np.tile(np.arange(55, 0, -10)[:, None] / 60, 2)) for x in kinds.values())


def test_triangle_is_a_mean_over_seeds(tmp_path):
    c = coefficients.points(3, 2)
    for seed in SEEDS:
        models = [guesses(10 * seed + k) for k in range(len(c))]
        t = np.arange(len(c), dtype=float)
        write(tmp_path, "simplex3_ln0_head", seed, models, t, coefficients=c.tolist())
    points, found = series.triangle(results(tmp_path))
    assert points == pytest.approx(c) and found["accuracy"] == pytest.approx((15 + np.arange(len(c))) / 60)
    P = results(tmp_path).P("simplex3_ln0_head", 2)
    one = results(tmp_path).P("simplex3_ln0_head", 1)
    assert found["nll"] == pytest.approx((measures.nll(P, LABELS) + measures.nll(one, LABELS)) / 2)
