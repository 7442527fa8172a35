"""Pictures of all models of a seed, against slow versions and what was planted."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.manifold import pictures, tangents
from experiments.manifold.measured import ALL, NETWORK, PERMUTED, TOGETHER, WITHIN
from experiments.manifold.parts import EVALUATION, PARTS, TRAINING
from info_geometry import distance, inpca
from tests.experiments.manifold import generated

T = generated.T


@pytest.fixture(scope="module")
def runs(study):
    return [run for run in study.grid()[0] if run.seed == 10]


@pytest.fixture(scope="module")
def found(runs):
    return pictures.measure(runs)


def test_pictures_are_of_all_models_of_both_parts_and_of_both_as_one(runs, found):
    for which in PARTS:
        D = distance.pairwise([run.parts[which] for run in runs], precision="float64")
        picture = inpca.fit(D)
        np.testing.assert_allclose(found.coordinates[which], picture.coordinates, atol=1e-4)
        assert found.stress[which][:10] == pytest.approx(picture.explained_stress()[:10], abs=1e-5)
    whole = [np.concatenate([run.parts[which].roots() ** 2 for which in PARTS], axis=1) for run in runs]
    D = distance.pairwise(whole, precision="float64")
    assert found.stress[TOGETHER][2] == pytest.approx(inpca.fit(D).explained_stress(3), abs=1e-5)


def test_the_table_says_which_model_is_which(runs, found):
    index = found.index
    assert all(len(column) == 12 * T for column in index.values())
    k = 5 * T + 3
    assert index["run"][k] == runs[5].name and index["checkpoint"][k] == 3 and index["seed"][k] == 10
    assert index["training_progress"][k] == runs[5].progress()[3]
    assert index["evaluation_accuracy"][k] == runs[5].summaries[EVALUATION].accuracy[3]
    assert set(index[NETWORK]) == {"fc 64-32", "fc 16-16", "plain_cnn"}


def test_permuted_samples_take_more_dimensions_and_exchanged_runs_agree_less(found):
    assert found.stress[TRAINING][2] > found.stress[PERMUTED][2] + 0.3
    assert found.stress[TRAINING][2] > found.stress[WITHIN][2] > found.stress[PERMUTED][2]
    assert found.axes[TRAINING] < 6 and found.participation[PERMUTED] > found.participation[TRAINING]
    assert found.correlation > found.exchanged.max() and found.exchanged.min() > 0.3
    m2 = found.m2[f"{TRAINING} {EVALUATION}"]
    assert m2 < found.m2_exchanged.min()
    assert all(found.m2[f"{which} {TOGETHER}"] < m2 for which in PARTS)


def test_whole_runs_change_places_with_those_as_long():
    lengths = [3, 2, 3, 2, 2]
    starts = np.cumsum([0, *lengths[:-1]])
    seen = set()
    for order in pictures.exchanges(lengths, 20):
        assert sorted(order) == list(range(12))
        for start, length in zip(starts, lengths):
            part = order[start : start + length]
            assert (np.diff(part) == 1).all() and part[0] in starts
            assert lengths[list(starts).index(part[0])] == length
        seen.add(tuple(order))
    assert len(seen) > 5


def test_the_correlation_is_spearmans_of_pairs():
    rng = np.random.default_rng(0)
    A, B = (x + x.T for x in rng.exponential(size=(2, 9, 9)))
    B += 2 * A
    upper, order = np.triu_indices(9, 1), rng.permutation(9)
    found, others = pictures.alike(A, B, [order])
    assert found == pytest.approx(spearmanr(A[upper], B[upper]).statistic, abs=1e-6)
    moved = B[np.ix_(order, order)]
    assert others == pytest.approx([spearmanr(A[upper], moved[upper]).statistic], abs=1e-6)


def test_four_points_explain_less_than_the_best_axes_of_one_network(found):
    assert set(found.four) == set(found.full) == {ALL, *found.index[NETWORK]}
    for name, values in found.four.items():
        assert values.shape == (3,) and (name == ALL or values[2] > 0.8)
        assert -1 < found.turns[name] < 1


def test_the_turn_is_that_of_the_four_points(runs, monkeypatch):
    monkeypatch.setattr(pictures, "CROSS_ENTROPY", np.inf)
    D = distance.pairwise([run.parts[TRAINING] for run in runs])
    parts, progress = zip(*((run.parts[TRAINING], run.progress()) for run in runs))
    means = [tangents.kernel_mean(parts, progress, at) for at in (tangents.FIRST, tangents.LAST)]
    expected = tangents.turn(tangents.basis(parts[0].labels, *means))
    assert pictures.tangent(runs, D)[2][ALL] == pytest.approx(expected, abs=1e-9)


def test_models_that_are_surely_wrong_are_no_part_of_tangents(runs, monkeypatch):
    """They are counted, and what is explained is that of the others, as if these were all."""
    D = distance.pairwise([run.parts[TRAINING] for run in runs], precision="float64")
    entropy = np.concatenate([tangents.cross_entropy(run.parts[TRAINING]) for run in runs])
    bound = np.quantile(entropy, 0.8)
    monkeypatch.setattr(pictures, "CROSS_ENTROPY", bound)
    full, four, turns, wild, whole = pictures.tangent(runs, D)
    fine = np.flatnonzero(entropy < bound)
    assert wild == len(entropy) - len(fine) > 0
    part = D[np.ix_(fine, fine)]
    picture = inpca.fit(part)
    expected = tangents.explained(part, picture.coordinates, picture.imaginary)
    np.testing.assert_allclose(full[ALL], expected, atol=1e-9)
    monkeypatch.setattr(pictures, "CROSS_ENTROPY", np.inf)
    _, every, others, none, _ = pictures.tangent(runs, D)
    assert none == 0
    np.testing.assert_allclose(every[ALL], whole)
    assert np.abs(every[ALL] - four[ALL]).max() > 1e-3 and abs(turns[ALL] - others[ALL]) > 1e-6
