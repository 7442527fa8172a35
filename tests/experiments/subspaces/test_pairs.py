"""Pairs: the gain of an ensemble is the distance of its members."""

import numpy as np
import pytest

from experiments.subspaces import measures, pairs
from info_geometry import distance
from tests.experiments.subspaces.made_up import LABELS, guesses, results, write


def test_gain_by_logits_is_the_distance():
    P = np.array([guesses(50, 1.0, 1), guesses(30, 3.0, 2)])
    found = pairs.of_pair(P, 0.5, LABELS)
    assert found["identity"] < 1e-14 and found["d_B"] == pytest.approx(distance.bhattacharyya(*P))
    assert found["member"] == pytest.approx((measures.nll(P[0], LABELS) + measures.nll(P[1], LABELS)) / 2)
    assert found["gain by logits"] == pytest.approx(found["d_B"], abs=1e-14) and found["cosine"] == 0.5
    for how, mean in pairs.MEANS.items():
        assert found[f"accuracy by {how}"] == measures.accuracy(mean(P), LABELS)
        assert found[f"gain by {how}"] == pytest.approx(found["member"] - measures.nll(mean(P), LABELS))


def test_equal_networks_gain_nothing():
    found = pairs.of_pair(np.array([guesses(40)] * 2), 1.0, LABELS)
    assert found["total_variation"] == found["disagreement"] == found["one_right"] == 0
    assert all(abs(found[key]) < 1e-14 for key in ("d_B", "gain by logits", "gain by probabilities", "gain by roots"))


@pytest.mark.parametrize(
    ("name", "run", "chosen"),
    [
        ("line, 0.1 and 0.9", "line_ln0_head", (1, 3)),
        ("line, ends", "line_ln0_head", (0, 4)),
        ("2 networks", "point_ln0_between_head", (0, 4)),
        ("simplex of 3, vertices", "simplex3_ln0_head", (0, 1)),
        ("SWAG, 2 draws", "point_constant-ln0_swag_head", (0, 1)),
    ],
)
def test_members_and_the_cosine_of_their_features(tmp_path, name, run, chosen):
    cosines = np.arange(25).reshape(5, 5) / 25
    models = [guesses(5 * k, seed=k) for k in range(5)]
    write(tmp_path, run, 1, models, [0, 0.1, 0.5, 0.9, 1], feature_cosines=cosines.tolist())
    P, cosine = pairs.PAIRS[name].members(results(tmp_path), "ln0", 1)
    assert np.array_equal(P, results(tmp_path).P(run, 1, chosen)) and cosine == cosines[chosen]
