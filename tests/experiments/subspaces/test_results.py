"""Files of predictions, brought into scores along lines."""

import json

import numpy as np
import pytest

from experiments.subspaces import measures
from experiments.subspaces.results import along, of_all, place
from info_geometry.files import InputError
from tests.experiments.subspaces.made_up import LABELS, guesses, results, write

T = [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_line_with_a_barrier(tmp_path):
    for seed in (1, 2):
        right = (50, 40, 30 + seed, 45, 48)
        write(tmp_path, "line_ln0_head", seed, [guesses(k, seed=seed) for k in right], T)
        write(tmp_path, "point_ln0_head", seed, [guesses(55)], [1.0])
    found = along(results(tmp_path), "line_ln0_head")
    assert found.at("accuracy", 0.5) == pytest.approx([31 / 60, 32 / 60])
    assert found.ends("accuracy") == pytest.approx(np.tile([50 / 60, 48 / 60], (2, 1)))
    assert found.barrier == pytest.approx([(31 - 48) / 60, (32 - 48) / 60])
    own = results(tmp_path).P("line_ln0_head", 1)
    pair = measures.mean_of_probabilities(own[[1, 3]])
    assert found.ensemble("nll", 0.25)[0] == pytest.approx(measures.nll(pair, LABELS))
    with pytest.raises(InputError, match=r"no network at position 0\.1, but at 0, 0.25, 0.5, 0.75, 1"):
        found.at("nll", 0.1)


def test_scores_of_all_seeds_and_the_next_one(tmp_path):
    for seed in (3, 7, 5):
        write(tmp_path, "point_ln0_head", seed, [guesses(seed), guesses(10 * seed)], [0.0, 1.0])
    found = results(tmp_path, (3, 7, 5))
    assert [found.next(seed) for seed in (3, 7, 5)] == [7, 5, 3]
    assert found.scores("point_ln0_head")["accuracy"] == pytest.approx(np.array([[3, 30], [7, 60], [5, 50]]) / 60)
    assert of_all(found, lambda s: found.last("point_ln0_head", s))["accuracy"] == pytest.approx([0.5, 1, 5 / 6])


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(
        InputError, match=r"fashion_all_curve_ln0_head/preds_1\.h5 is missing; `make subspaces` makes it"
    ):
        results(tmp_path).last("curve_ln0_head", 1)
    with pytest.raises(InputError, match=r"log\.jsonl cannot be read; `make subspaces` makes it"):
        results(tmp_path).log("line_ln0", "d_B")


def test_logs(tmp_path):
    for seed in (1, 2):
        folder = tmp_path / "checkpoints" / "fashion_all_line_ln0" / f"seed_{seed}"
        folder.mkdir(parents=True)
        lines = [json.dumps({"epoch": k, "d_B": seed * k}) for k in (0, 1, 2)]
        (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    epochs, values = results(tmp_path).log("line_ln0", "d_B")
    assert epochs.tolist() == [0, 1, 2] and values.tolist() == [[0, 1, 2], [0, 2, 4]]


def test_place_is_that_of_rounded_numbers():
    assert place(np.linspace(0, 1, 11), 0.3) == 3 and place(np.array([0.1, 0.9]), 0.9) == 1
