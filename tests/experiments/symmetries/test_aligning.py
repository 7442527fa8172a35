"""Stored lines between networks of two seeds: their ends, their barriers, and what is said of what cannot be stored."""

import hashlib
import json
import shutil

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from experiments.symmetries import aligning, anatomy, lines, matching, trained
from experiments.symmetries.choices import CORRECTIONS, MATCHINGS, LineChoices
from experiments.symmetries.elements import transform
from info_geometry import distance, predictions
from info_geometry.files import InputError
from learning import data
from learning.networks.recalibration import recalibrate
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.run import Folders
from tests.support import stages
from tests.support.runs import TINY, folder_of, main
from tests.support.stages import STORE, TRAIN, done, run

LINES = "experiments/symmetries/02_predicting/store_lines.py"
PLANTED = 5  # the seed of a copy of seed 0 with permuted channels


@pytest.fixture(scope="module")
def runs_there(tmp_path_factory):
    """A folder with two trained networks of digits, a planted copy, and networks that do not fit them."""
    folder = tmp_path_factory.mktemp("lines")
    done(TRAIN, folder, "digits", "--seed", 0, 1, epochs=8, checkpoints=3)
    done(STORE, folder, "digits_all", "--head")
    copy = shutil.copytree(folder_of(folder), folder_of(folder, seed=PLANTED))
    said = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**said, "seed": PLANTED}))
    changed = transform(trained.network("digits_all", folders=folders_of(folder)), 7, spread=0)
    weights.save(runs.read(copy).path(copy, said["schedule"][-1]), changed.state_dict())
    done(TRAIN, folder, "digits", "--seed", 2, **TINY, width=8)
    done(TRAIN, folder, "digits", "--seed", 3, **TINY, network="plain_cnn")
    done(TRAIN, folder, "digits", "--seed", 0, 1, "--variant", "larger", **TINY, evaluation_resolution=12)
    return folder


@pytest.fixture
def copied(runs_there, tmp_path):
    """A copy of the two trained networks, to be changed."""
    for seed in (0, 1):
        shutil.copytree(folder_of(runs_there, seed=seed), folder_of(tmp_path, seed=seed))
    return tmp_path


def folders_of(folder):
    return Folders(checkpoints=folder / "checkpoints", predictions=folder / "predictions")


def stored(folder, name, seed=0):
    return predictions.open_trajectory(folder / "predictions" / name / f"preds_{seed}.h5")


def kept(folder, seed=0, **chosen):
    """Store the line of digits_all with these choices, unless it is there, and return what was stored."""
    words = [word for key, value in chosen.items() for word in (f"--{key}", value)]
    done(LINES, folder, "digits_all", "--seed", seed, *words)
    return stored(folder, LineChoices(**chosen).name("digits_all"), seed)


def barrier(there):
    P = np.square(there.roots().astype(float))
    losses = -np.log(np.maximum(P[:, np.arange(len(there.labels)), there.labels], 1e-7)).mean(axis=1)
    return lines.barrier(there.t, losses)


@torch.no_grad()
def predicted(network, resolution=8):
    """Return the square roots of probabilities (N, C) of a network on test images."""
    pixels = (data.load("digits", "test", "").pixels.float() - 4.88) / 6.02
    if resolution != 8:
        pixels = F.interpolate(pixels, size=(resolution, resolution), mode="bilinear", antialias=True)
    return network(pixels).softmax(dim=1).sqrt().numpy()


def near(found, expected):
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_what_a_file_holds(runs_there):
    there = kept(runs_there)
    assert there.attributes["t_name"] == "alpha" and np.allclose(there.t, np.arange(11) / 10)
    assert there.shape == (11, 599, 10) and ": sound" in predictions.check(there.path)
    assert there.attributes["predicted_by"] == "head" and there.attributes["split"] == "test"
    assert there.attributes["choices"] == {
        "receiver": 1,
        "matching": "activations",
        "correction": "recalibration",
        "positions": [k / 10 for k in range(11)],
        "training_images": 2000,
    }
    for key, seed in (("sender", 0), ("receiver", 1)):
        path = folder_of(runs_there, seed=seed) / "ckpt" / "8_0.pth"
        expected = {"run": "digits_all", "seed": seed, "checkpoint": path.name}
        assert there.attributes[key] == {**expected, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert there.attributes["seed"] == 0
    moved = there.attributes["permuted"]
    assert list(moved) == ["body.2", "body.5", "body.8"] and all(0.5 < share <= 1 for share in moved.values())
    assert set(kept(runs_there, matching="none").attributes["permuted"].values()) == {0}


@pytest.mark.parametrize("correction", ["none", "repair"])
@pytest.mark.parametrize("how", MATCHINGS)
def test_ends_predict_like_the_two_networks(runs_there, how, correction):
    """As the stage that stores single networks has them; a permutation changes nothing."""
    there = kept(runs_there, matching=how, correction=correction)
    for end, seed in ((0, 0), (-1, 1)):
        near(there.roots()[end], stored(runs_there, "digits_all_head", seed).roots()[-1])


def test_networks_on_the_line_by_hand(runs_there):
    folders = folders_of(runs_there)
    pair = [trained.network("digits_all", seed, folders=folders) for seed in (0, 1)]
    images, _ = trained.images("digits_all", 2000, folders=folders)
    found = matching.activation_matching(*pair, [images])
    second = matching.apply(pair[1], found, images)
    there = kept(runs_there)
    for i in (0, 3, 10):
        near(there.roots()[i], predicted(recalibrate(lines.between(pair[0], second, i / 10), [images])))
    moved = {name: float((p != torch.arange(len(p))).double().mean()) for name, p in found.items()}
    assert there.attributes["permuted"] == pytest.approx(moved, abs=1e-6)


def test_alignment_lowers_the_barrier(runs_there):
    before = barrier(kept(runs_there, matching="none"))
    assert before > 0.5
    for how in ("weights", "activations"):
        assert barrier(kept(runs_there, matching=how)) < before / 2


@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize("how", ["weights", "activations"])
def test_a_planted_copy_is_found(runs_there, how, correction):
    """All networks on the line are the same function."""
    there = kept(runs_there, receiver=PLANTED, matching=how, correction=correction)
    assert abs(barrier(there)) < 1e-3 and distance.pairwise([there]).max() < 1e-4
    assert all(share > 0.5 for share in there.attributes["permuted"].values())


def test_a_planted_copy_that_is_not_aligned_is_far(runs_there):
    assert barrier(kept(runs_there, receiver=PLANTED, matching="none")) > 0.5


def test_lines_backwards(runs_there):
    done(LINES, runs_there, "digits_all", "--seed", 1, "--receiver", -1, "--positions", 0, 1, "--correction", "none")
    there = stored(runs_there, "digits_all_line_minus1_by_activations_uncorrected_head", 1)
    assert there.attributes["seed"] == 1 and there.attributes["receiver"]["seed"] == 0
    for end, seed in ((0, 1), (1, 0)):
        near(there.roots()[end], stored(runs_there, "digits_all_head", seed).roots()[-1])


def test_positions_lie_between_the_networks_wherever_they_begin(runs_there, copied):
    done(LINES, copied, "digits_all", "--seed", 0, "--positions", 0.3, 0.6)
    there = stored(copied, "digits_all_line_plus1_by_activations_head")
    assert there.t.tolist() == [0.3, 0.6]
    near(there.roots(), kept(runs_there).roots()[[3, 6]])


def test_images_are_as_large_as_the_run_evaluates_them(runs_there):
    folders = folders_of(runs_there)
    done(LINES, runs_there, "digits_all_larger", "--seed", 0, "--positions", 0, "--training-images", 200)
    images, _ = trained.images("digits_all_larger", 200, folders=folders)
    assert images.shape == (200, 1, 12, 12)
    network = recalibrate(trained.network("digits_all_larger", folders=folders), [images])
    near(stored(runs_there, "digits_all_larger_line_plus1_by_activations_head").roots()[0], predicted(network, 12))


def test_the_same_command_again_skips_and_other_choices_are_refused(copied):
    words = "digits_all", "--seed", 0, "--positions", 0, 1
    assert "predicting: 1 done, 0 skipped" in done(LINES, copied, *words)
    before = stages.times(copied / "predictions")
    assert "predicting: 0 done, 1 skipped (already complete), 0 failed" in done(LINES, copied, *words)
    code, text = run(LINES, copied, *words, 1, "--training-images", 100)
    assert code == 1 and "--positions: expected increasing numbers" in text
    code, text = run(LINES, copied, *words[:3], "--training-images", 100)
    said = "preds_0.h5 was stored with other choices (positions, training_images); delete it to store these"
    assert code == 1 and said in text
    assert stages.times(copied / "predictions") == before
    expected = stages.contents(copied, "predictions/*/*.h5")
    (path,) = copied.glob("predictions/*/*.h5")
    path.rename(path.with_name(f".{path.name}.0.tmp"))  # not a finished file
    assert "redoing (found an unfinished write)" in done(LINES, copied, *words)
    assert stages.contents(copied, "predictions/*/preds_0.h5") == dict.fromkeys(
        [str(path.relative_to(copied))], *expected.values()
    )


def test_files_of_other_settings_and_of_other_commands_are_refused(copied):
    words = "digits_all", "--seed", 0, "--positions", 0, 1
    done(LINES, copied, *words)
    (path,) = copied.glob("predictions/*/*.h5")
    rewritten(copied, 0, lambda said: said["config"].update(learning_rate=3.0))
    code, text = run(LINES, copied, *words)
    assert code == 1 and "was made from a run with other settings than" in text and "delete it" in text
    rewritten(copied, 0, lambda said: said["config"].update(learning_rate=0.01))
    done(STORE, copied, "digits_all", "--seed", 0, "--head")
    shutil.copy(copied / "predictions" / "digits_all_head" / "preds_0.h5", path)
    code, text = run(LINES, copied, *words)
    assert code == 1 and "preds_0.h5 was stored by another command; delete it" in text


def test_a_second_network_that_was_trained_anew_is_noticed(copied):
    words = "digits_all", "--seed", 0, "--positions", 0, 1
    done(LINES, copied, *words)
    path = folder_of(copied, seed=1) / "ckpt" / "8_0.pth"
    there = weights.load(path)
    weights.save(path, {**there, "head.bias": there["head.bias"] + 0.01})
    code, text = run(LINES, copied, *words)
    said = "preds_0.h5 is of other networks than those that are there now (receiver, seed 1); delete it to store"
    assert code == 1 and said in text
    (target,) = copied.glob("predictions/*/*.h5")
    with h5py.File(target, "r+") as file:  # as files were before
        del file.attrs["sender"], file.attrs["receiver"]
    code, text = run(LINES, copied, *words)
    assert code == 1 and "(sender, seed 0; receiver, seed 1); delete it to store" in text


# What is refused


def rewritten(folder, seed, change):
    path = folder_of(folder, seed=seed) / "run.json"
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("digits_all",), "--seed is missing: of the networks that lines begin at"),
        (("digits_all", "--seed", 0, "--receiver", 0), "--receiver is 0: a line from a network to itself; expected 1,"),
        (("digits_all", "--seed", 2, 0, "--receiver", -1), "--seed 0 with --receiver -1: there is no seed -1"),
        (("digits_all", "--seed", 0, "--positions", 1.5), "--positions 1.5: expected numbers from 0 to 1"),
        (("digits_all", "--seed", 0, "--positions", "nan"), "--positions nan: expected numbers from 0 to 1"),
        (("digits_all", "--seed", 0, "--positions", 0.5, 0.5), "--positions: expected increasing numbers"),
        (("digits_all", "--seed", 0, "--training-images", 1), "--training-images is 1, expected at least 2"),
        (("digits_al", "--seed", 0), "there is no run 'digits_al', nor a configuration; did you mean digits_all?"),
        (("digits_all", "--seed", 7), "seed_7 holds no run; train it with python -m supervised_imagenet.01_training"),
        (("digits_all", "--seed", 5), "seed_6 holds no run; train it with python -m supervised_imagenet.01_training"),
        (("digits_all", "--seed", 1), "in one network and "),  # of another width
        (
            ("digits_all", "--seed", 2),
            "seed 3 differ in their network; a line is between networks",
        ),
    ],
)
def test_what_no_line_is_of(runs_there, words, message):
    before = stages.times(runs_there / "predictions")
    code, text = run(LINES, runs_there, *words)
    assert code == 1 and message in text and text.count("error: ") == 1
    assert stages.times(runs_there / "predictions") == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda said: said["task"].update(name="even", classes=[0, 2, 4, 6, 8]),
            "of seed 0 and digits_all of seed 1 differ in their task; a line",
        ),
        (lambda said: said["config"].update(dataset="fashion"), "of seed 1 differ in their dataset; a line is"),
        (lambda said: said["config"].update(evaluation_resolution=12), "differ in their evaluation_resolution; a line"),
        (
            lambda said: said.update(stored_by="experiments.subspaces.02_sampling.sample_subspace"),
            "seed_1 holds no single networks; store its predictions with python -m experiments.subspaces.02_sampling.",
        ),
    ],
)
def test_second_runs_that_are_of_something_else(copied, change, message):
    rewritten(copied, 1, change)
    code, text = run(LINES, copied, "digits_all", "--seed", 0)
    assert code == 1 and message in text and not list(copied.glob("predictions/*/*.h5"))


def test_runs_that_are_not_complete(copied):
    next((folder_of(copied, seed=1) / "ckpt").glob("8_*.pth")).unlink()
    code, text = run(LINES, copied, "digits_all", "--seed", 0)
    assert code == 1 and "seed_1: 1 of 3 checkpoints missing (8_0.pth, ...)" in text and "go on with python -m" in text


def test_networks_that_are_not_known(copied, monkeypatch):
    others = {name: value for name, value in anatomy.SPECIFICATIONS.items() if name != "small_cnn"}
    monkeypatch.setattr(anatomy, "SPECIFICATIONS", others)
    code, _, error = main(monkeypatch, LINES, copied, "digits_all", "--seed", 0)
    assert code == 1 and "small_cnn has no specification of its symmetries; there are plain_cnn" in error


def test_one_line_that_fails_does_not_stop_the_others(copied):
    code, text = run(LINES, copied, "digits_all", "--seed", 1, 0, "--positions", 0)
    assert code == 1 and "predicting: 1 done, 0 skipped (already complete), 1 failed" in text
    assert "seed_2 holds no run" in text


def test_other_words_for_a_matching():
    with pytest.raises(InputError, match="matching is 'names', expected one of none, weights, activations"):
        aligning.aligned(None, None, torch.zeros(1), "names")


def test_names_of_files():
    names = {
        "r_line_plus1_by_activations_head": {},
        "r_line_minus2_by_weights_head": {"receiver": -2, "matching": "weights"},
        "r_line_plus1_head": {"matching": "none"},
        "r_line_plus3_uncorrected_head": {"receiver": 3, "matching": "none", "correction": "none"},
        "r_line_plus1_by_activations_repair_head": {"correction": "repair"},
    }
    assert [LineChoices(**choices).name("r") for choices in names.values()] == list(names)
    assert LineChoices(receiver=-2).other(5) == 3
