"""The picture of information in the weights, on made-up predictions."""

import numpy as np
import pytest

from experiments.weight_information import picture
from experiments.weight_information.picture import IGNORANCE, RANDOM, RIGHT, TRAINED_RANDOM, TRAINED_RIGHT, TRUTH
from experiments.weight_information.results import Results, Size
from info_geometry import predictions
from info_geometry.files import InputError
from learning.runs.run import Folders

N, C = 40, 4
LABELS = np.arange(N) % C
SIZE = Size(dataset="digits", betas=(0.01, 0.1, 1), ordinary=((0, 1), (50, 100)))
SEEDS = 10, 11


def models(targets, strengths, seed):
    """Return probabilities (T, N, C) that are the surer of targets (N,) the stronger."""
    noise = 0.1 * np.random.default_rng(seed).normal(size=(N, C))
    logits = np.array(strengths)[:, None, None] * (np.eye(C)[targets] + noise)
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)


def write(folder, run, seed, P, t):
    path = folder / "p" / f"digits_all_{run}_information" / f"preds_{seed}.h5"
    predictions.write(path, P, labels=LABELS, t=np.array(t, float), known={"kl": [0.0] * len(t)})


@pytest.fixture
def results(tmp_path):
    """Results of networks that know the less the larger beta is: of right labels, and of others."""
    for seed in SEEDS:
        for noise, targets in ((0, LABELS), (1, np.roll(LABELS, 1))):
            for beta, strength in zip(SIZE.betas, (4, 2, 0.5)):
                write(
                    tmp_path, f"variational_beta{beta:g}-ln{noise}", seed, models(targets, (0, strength), seed), (0, 9)
                )
            write(tmp_path, f"point_ti100-ln{noise}", seed, models(targets, (0, 1, 2, 3), seed), range(4))
    return Results(Folders(tmp_path / "data", tmp_path / "c", tmp_path / "p"), SEEDS, SIZE)


def test_every_model_is_in_the_picture_once(results):
    drawn = picture.draw(results)
    index = drawn.embedding.index
    assert len(index["run"]) == len(drawn.embedding.coordinates) == 2 * (3 + 3 + 4 + 4) + 2
    for run in (RIGHT, RANDOM):
        for seed in SEEDS:
            assert index["t"][drawn.where(run, seed)] == pytest.approx(np.log(SIZE.betas))
    assert index["t"][drawn.where(TRAINED_RANDOM, 10)].tolist() == [0, 1, 2, 3]
    assert index["accuracy"][drawn.where(RIGHT, 10)[0]] == 1 and index["accuracy"][drawn.where(RANDOM, 10)[0]] == 0
    assert index["accuracy"][drawn.where(TRUTH)] == 1 and len(drawn.where(TRAINED_RIGHT)) == 8
    assert {*index} == {"run", "seed", "checkpoint", "t", "accuracy"}


def test_arcs_end_near_ignorance(results):
    drawn = picture.draw(results)
    at = drawn.embedding.coordinates[drawn.where(IGNORANCE)[0]]
    for run in (RIGHT, RANDOM):
        far = np.linalg.norm(drawn.embedding.coordinates[drawn.where(run, 10)] - at, axis=1)
        assert far[0] > far[1] > far[2]


def test_the_angle_at_ignorance(results):
    """Labels that are never the same lead away from each other."""
    found = picture.draw(results).angle
    assert found.shape == (2,) and (found > 60).all() and (found <= 180).all()


@pytest.mark.parametrize("seeds", [SEEDS, (10,)])
def test_the_figure_is_written(tmp_path, results, seeds):
    some = Results(results.folders, seeds, SIZE)
    written = picture.figure(tmp_path / "plots", picture.draw(some))
    assert [path.name for path in written] == ["picture.png", "picture.pdf"] and all(x.exists() for x in written)


def test_what_is_missing_is_named(tmp_path, results):
    (tmp_path / "p" / "digits_all_point_ti100-ln1_information" / "preds_11.h5").unlink()
    with pytest.raises(InputError, match=r"point_ti100-ln1_information/preds_11\.h5 is missing"):
        picture.draw(results)
