"""The picture of subspaces, and what it says of a line, on made-up predictions."""

import numpy as np
import pytest

from experiments.subspaces import measures, picture
from experiments.subspaces.kinds import MIDDLE, NEAR_ENDS, SINGLE, TWO
from info_geometry import distance, geodesic
from tests.experiments.subspaces.made_up import LABELS, C, N, guesses, results, write

T = [0.0, 0.1, 0.5, 0.9, 1.0]


def great_circle(seed):
    """Return models (5, N, C) on the great circle between two networks."""
    P, Q = guesses(50, 1.0, seed), guesses(40, 2.0, seed + 10)
    return np.array([geodesic.interpolate(P, Q, s) for s in T])


def single(seed):
    """Return models (3, N, C) on the way of a single network."""
    return [np.full((N, C), 1 / C), guesses(30, 1.0, seed), guesses(55, 3.0, seed)]


def files(folder, line=great_circle, middle=None):
    for seed in (1, 2):
        models = line(seed)
        write(folder, "line_ln0_head", seed, models, T, epoch=40.0)
        write(folder, "line_ln0_middle_head", seed, middle(seed) if middle else [models[2]] * 3, [0, 1, 40])
        write(folder, "point_ln0_head", seed, single(seed), [0, 1, 40])
        write(folder, "point_ln0_validation_head", seed, single(seed), [0, 1, 40])
        for run in ("swa", "swag"):
            write(folder, f"point_constant-ln0_{run}_head", seed, [guesses(50, 2.0, seed)], [0])
        for number in picture.SURFACE:
            write(folder, f"line_ln0_at_{number}_head", seed, models, T, epoch=float(number))


def test_a_great_circle_is_no_longer_than_its_chord_and_does_not_bow(tmp_path):
    files(tmp_path)
    found = picture.answers(results(tmp_path), "ln0")
    assert found["middle"] == pytest.approx(found["circle"], abs=1e-4)
    # 2 sqrt(d_B) is a length only of small steps: of one large step it is a little more than of its parts
    assert found["length"] / found["chord"] == pytest.approx(1, abs=0.03)


def test_a_detour_is_longer(tmp_path):
    def detour(seed):
        models = great_circle(seed)
        models[2] = guesses(10, 4.0, seed + 20)
        return models

    files(tmp_path, detour)
    found = picture.answers(results(tmp_path), "ln0")
    assert (found["length"] / found["chord"] > 2).all() and (found["middle"] > found["circle"]).all()


def test_distances_to_networks_trained_apart(tmp_path):
    files(tmp_path, middle=single)
    found = picture.answers(results(tmp_path), "ln0")
    last = [results(tmp_path).last("point_ln0_head", s) for s in (1, 2)]
    middle = results(tmp_path).P("line_ln0_head", 1, [2])[0]
    assert found["cloud"] == pytest.approx(distance.bhattacharyya(*last))
    assert found["to_cloud"][0] == pytest.approx(distance.bhattacharyya(middle, last[1]), rel=1e-5)  # of other seeds
    assert found["stopped_to_cloud"] == pytest.approx(found["cloud"], rel=1e-5)  # the last model is the best one
    assert found["off"] == pytest.approx(found["off_null"])  # the middle goes the way of the single network itself
    assert found["single"] == pytest.approx([measures.nll(P, LABELS) for P in last])


def test_the_picture_holds_every_model_once(tmp_path):
    files(tmp_path)
    drawn = picture.draw(results(tmp_path))
    index = drawn.embedding.index
    count = {run: int((index["run"] == run).sum()) for run in dict.fromkeys(index["run"])}
    assert count[SINGLE] == 6 and count[MIDDLE] == 6 and count[picture.TRUTH] == count[picture.IGNORANCE] == 1
    assert count[f"ensemble: {TWO}"] == 2 and count["SWA"] == 2
    assert drawn.surface == [f"line at epoch {k}" for k in (*picture.SURFACE, 40)]
    assert all(count[run] == 10 for run in drawn.surface) and len(drawn.embedding.coordinates) == sum(count.values())
    where = drawn.where("line at epoch 40", 2)
    assert index["t"][where].tolist() == T and set(index["seed"][where]) == {2}
    truth, first = drawn.where(picture.TRUTH)[0], drawn.where(picture.IGNORANCE)[0]
    assert index["accuracy"][truth] == 1
    gap = np.square(drawn.embedding.coordinates[truth] - drawn.embedding.coordinates[first])
    assert (gap * np.where(drawn.embedding.imaginary[:3], -1, 1)).sum() == pytest.approx(np.log(C) / 2, rel=0.1)
    assert NEAR_ENDS == (0.1, 0.9)
