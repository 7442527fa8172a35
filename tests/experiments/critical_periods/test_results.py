"""Files of predictions, brought into arrays; and the runs that they are of, which grids train."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from experiments.critical_periods import picture, results, training
from experiments.critical_periods.config import PeriodsConfig
from experiments.critical_periods.measured import NONE, Key
from experiments.critical_periods.results import FULL, QUICK, Results, Size
from info_geometry import predictions
from info_geometry.files import ROOT, InputError
from learning import grids
from learning.config import read
from learning.runs.run import Folders
from learning.tasks import load

FOLDER = ROOT / "experiments" / "critical_periods"
N, C, SEEDS = 40, 10, (10, 11, 12)
LABELS = np.arange(N) % C
SMALL = Size(
    "digits", ends=(2, 6), late=(6,), others=("noise",), later=((3, 6),), cnn=(4,), length=3, onsets=(0, 2),
    constant=(0,), factor=4, weak=2,
)  # fmt: skip
SIZES = [pytest.param("runs.yaml", FULL, id="full"), pytest.param("quick.yaml", QUICK, id="quick")]


def models(strengths, *key):
    """Return probabilities (T, N, C) that are the surer of the labels the stronger; a key decides the rest."""
    rng = np.random.default_rng(np.frombuffer(repr(key).encode(), np.uint8))
    noise = 0.5 * rng.normal(size=(N, C))
    logits = np.array(strengths)[:, None, None] * (np.eye(C)[LABELS] + noise)
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)


def times(key):
    return [0.0, float(key.end or 1), key.end + 2.0, key.end + 4.0]


def known(*key):
    """Return what is said to be known of 4 networks of 3 layers."""
    rng = np.random.default_rng(np.frombuffer(repr(key).encode(), np.uint8))
    parts = rng.uniform(1, 2, (4, 3))
    return {
        "trace": parts.sum(axis=1).tolist(),
        "trace_at_entropy": (2 * parts).sum(axis=1).tolist(),
        "layers": parts.tolist(),
        "layers_at_entropy": (2 * parts).tolist(),
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with all files of a small size."""
    place = tmp_path_factory.mktemp("periods")
    found = Folders(place / "data", place / "c", place / "p")
    written = Results(found, SEEDS, SMALL)
    for key in SMALL.every():
        for seed in SEEDS:
            P = models([0, 2, 3, 5 if key.deficit == NONE else 4.5], key.deficit, seed)
            path = found.file(written.name(key), seed)
            predictions.write(path, P, labels=LABELS, t=times(key), known=known(key, seed))
    return found


@pytest.fixture(scope="module")
def found(folders):
    return Results(folders, SEEDS, SMALL).measured()


def stored(folders, key, seed):
    """Return the probabilities (T, N, C) in a file."""
    path = folders.file(Results(folders, SEEDS, SMALL).name(key), seed)
    return np.square(predictions.open_trajectory(path).roots(dtype=np.float64))


def d_B(P, Q):
    """Return the distance of two models, sample by sample."""
    each = [-math.log(sum(math.sqrt(p * q) for p, q in zip(*rows))) for rows in zip(P, Q)]
    return sum(each) / len(each)


def entropy(P):
    return -(P * np.log(P)).sum(axis=1).mean()


def test_all_conditions_are_measured(found):
    keys = set(SMALL.every())
    assert found.conditions.keys() == keys and found.seeds == SEEDS
    assert found.ends.keys() == {key for key in keys if key.deficit != NONE}
    assert {key.deficit for key in found.tubes} == {"blur4", "flip", "noise"}
    assert all(key.control in keys for key in keys)


@pytest.mark.parametrize("key", [Key("restart", "flip", 0, 6), Key("window", NONE), Key("cnn", "blur4", 0, 4)])
def test_a_condition(folders, found, key):
    x = found.conditions[key]
    assert x.epochs.tolist() == times(key) and x.shares.shape == (3, 4, 3) and x.steps.shape == (3, 3)
    for s, seed in enumerate(SEEDS):
        P, said = stored(folders, key, seed), known(key, seed)
        assert x["trace"][s].tolist() == said["trace"]
        parts = np.array(said["layers_at_entropy"])
        assert x.shares[s] == pytest.approx(parts / parts.sum(axis=1, keepdims=True))
        assert x["accuracy"][s] == pytest.approx([(p.argmax(axis=1) == LABELS).mean() for p in P])
        assert x.steps[s] == pytest.approx([d_B(p, q) for p, q in itertools.pairwise(P)], rel=1e-3)
    assert (x.accuracy == x["accuracy"][:, -1]).all() and not any(what.startswith("layers") for what in x.known)


def test_progress_and_the_way_off_the_geodesic(folders, found):
    """Ignorance has no progress and is on the geodesic; others are no further from it than from both its ends."""
    key = Key("restart", "flip", 0, 6)
    x = found.conditions[key]
    assert x["progress"][:, 0] == pytest.approx(np.zeros(3), abs=0.02)
    assert x["off"][:, 0] == pytest.approx(np.zeros(3), abs=1e-3) and (np.diff(x["progress"], axis=1) > 0).all()
    P = stored(folders, key, 10)[-1]
    ends = d_B(P, np.full((N, C), 1 / C)), -np.log(np.sqrt(P[np.arange(N), LABELS])).mean()
    assert 0 < x["off"][0, -1] < min(ends)


def test_distances_between_ends(folders, found):
    key = Key("window", "blur4", 2, 5)
    for i, one in enumerate(SEEDS):
        for j, other in enumerate(SEEDS):
            P, Q, R = (
                stored(folders, k, seed)[-1] for k, seed in ((key, one), (key.control, other), (key.control, one))
            )
            assert found.ends[key].far[i, j] == pytest.approx(d_B(P, Q), rel=1e-6)
            assert found.ends[key].control[i, j] == pytest.approx(d_B(R, Q), abs=1e-9)


def test_ends_at_one_entropy(folders, found):
    key = Key("restart", "noise", 0, 6)
    cooled = []
    for which in (key, key.control):
        P = stored(folders, which, 10 if which == key else 11)[-1]
        powers = np.geomspace(0.02, 50, 20001)
        low, high = 0, len(powers) - 1
        while high - low > 1:  # entropy falls with the power
            middle = (low + high) // 2
            Q = P ** powers[middle]
            low, high = (middle, high) if entropy(Q / Q.sum(axis=1, keepdims=True)) > 0.5 else (low, middle)
        Q = P ** powers[low]
        cooled.append(Q / Q.sum(axis=1, keepdims=True))
    assert found.ends[key].cooled[0, 1] == pytest.approx(d_B(*cooled), rel=2e-2)


def test_controls_of_other_epochs(folders, found):
    one, other = Key("restart", NONE), Key("restart", NONE, 0, 6)
    P, Q = stored(folders, one, 10)[-1], stored(folders, other, 12)[-1]
    assert found.again.far[0, 2] == pytest.approx(d_B(P, Q), rel=1e-6)


def test_a_tube(folders, found):
    """Distances at equal progress to the mean of the controls of other seeds; of runs, after the deficit alone."""
    key = Key("restart", "flip", 0, 6)
    x = found.tubes[key]
    assert x.around.shape == x.deficit.shape == (3, len(results.TUBE)) and (x.progress == results.TUBE).all()
    progress = found.conditions[key]["progress"][0]
    inside = (x.progress >= progress[1]) & (x.progress <= progress[-1])
    assert np.isnan(x.deficit[0][~inside]).all() and np.isfinite(x.deficit[0][inside]).any()
    assert 0 < np.nanmax(x.around) < 1
    same = Results(folders, SEEDS, SMALL)
    first = same.tube(key.control)  # a control, from its own epoch on, is in the tube
    known_ = np.isfinite(first.deficit)
    assert first.deficit[known_] == pytest.approx(first.around[known_]) and known_.any()


def test_of_two_seeds_there_are_no_tubes(folders):
    found = Results(folders, SEEDS[:2], SMALL).measured()
    assert not found.tubes and np.isfinite(found.ends[Key("restart", "flip", 0, 6)].ratio).all()


def test_missing_files_are_named(folders, tmp_path):
    there = Results(Folders(tmp_path, tmp_path, tmp_path), (10,), SMALL)
    with pytest.raises(InputError, match=r"digits_all_clean_layers/preds_10.h5 is missing; `make periods-quick` makes"):
        there.measured()
    with pytest.raises(InputError, match=r"fashion_all_clean_layers/preds_10.h5 is missing; `make periods` makes it"):
        dataclasses.replace(there, size=FULL).measured()
    place = tmp_path / "digits_all_clean_layers" / "preds_10.h5"
    predictions.write(place, models([1, 2], 0), labels=LABELS, t=[0.0, 1.0], known={"trace": [1.0, 2.0]})
    with pytest.raises(InputError, match="does not say what the layers of its networks hold; delete it, and `make"):
        there.measured()


@pytest.mark.parametrize("name, size", SIZES)
def test_grids_train_what_is_measured(name, size):
    every = grids.read(FOLDER / name)
    configs = FOLDER / "01_training" / "configs"
    task, trained = load(size.dataset, "all"), []
    for grid in every:
        assert "--layers" in grid.imprint[0] and grid.store.endswith(
            "weight_information.02_predicting.store_information"
        )
        for words in grid.combinations():
            given = dict(zip(words[1::2], words[2::2]))
            variant = given.pop("--variant", "")
            pairs = [(key.removeprefix("--"), value) for key, value in given.items()]
            config = read(configs / f"{words[0]}.yaml", PeriodsConfig, pairs)
            assert config.dataset == size.dataset
            trained.append("_".join(filter(None, (training.name(task, config), variant))))
    written = Results(Folders(), (10,), size)
    assert sorted(f"{x}_layers" for x in trained) == sorted(written.name(key) for key in size.every())


@pytest.mark.parametrize("size", [FULL, QUICK, SMALL])
def test_what_rules_need_is_there(size):
    keys = size.every()
    assert len(set(keys)) == len(keys) and all(key.control in keys for key in keys)
    assert set(size.courses()) <= set(keys)


def test_the_picture(folders):
    there = Results(folders, SEEDS, SMALL)
    drawn = picture.draw(there)
    index = drawn.index
    assert len(drawn.coordinates) == 4 * 3 * 4 + 2 and set(index["run"]) >= {"no deficit", "blurred images"}
    blurred = index["run"] == "blurred images"
    assert index["lasts"][blurred].reshape(3, 4).tolist() == [[True, False, False, False]] * 3
    assert not index["lasts"][index["run"] == "no deficit"].any()
    assert index["accuracy"][index["run"] == picture.TRUTH] == 1
    at, to = (drawn.coordinates[index["run"] == name] for name in (picture.IGNORANCE, picture.TRUTH))
    starts = drawn.coordinates[(index["checkpoint"] == 0) & blurred]
    assert (np.linalg.norm(starts - at, axis=1) < np.linalg.norm(starts - to, axis=1)).all()
