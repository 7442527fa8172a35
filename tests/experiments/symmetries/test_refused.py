"""What cannot be stitched: each mistake is answered in one sentence."""

import json

import pytest

from tests.experiments.symmetries.stitch_runs import TRAIN_STITCH, copy_of
from tests.support.runs import folder_of
from tests.support.stages import done, run

G_RELU = "which does not act at layer 4; it does at 2, 5, 8"
IDENTITY = "digits_all_plus1_identity"
SUPERVISED = "python -m supervised_imagenet.01_training.train_imagenet digits --task"


@pytest.fixture(scope="module")
def folder(parents, tmp_path_factory):
    return copy_of(parents, tmp_path_factory.mktemp("refused") / "runs")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--networks", "wide", "--kind", "g_relu"),
            "is between as many channels, not 16 and 24; take networks of one",
        ),
        (("--networks", "wide", "--kind", "matched"), "is between as many channels, not 16 and 24; take networks of"),
        (("--networks", "wide", "--kind", "identity"), "is between as many channels, not 16 and 24; take networks of"),
        (("--layers", "relu1"), "there is no layer 'relu1' to stitch at; there are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (("--kind", "g_relu", "--layers", "4"), G_RELU),
        (("--kind", "gumbel_sinkhorn", "--layers", "4"), G_RELU),
        (("--networks", "cct"), "the body of small_cct is no sequence that could be cut"),
        (("--networks", "cct", "--kind", "g_relu"), "the body of small_cct is no sequence that could be cut"),
        (("--receiver", "2"), f"digits_all/seed_2 holds no run to start from; train it with {SUPERVISED} all --seed 2"),
        (
            ("--seed", "5", "--receiver", "-4"),
            f"seed_5 holds no run to start from; train it with {SUPERVISED} all --se",
        ),
        (("--task", "low"), f"digits_low/seed_1 holds no run to start from; train it with {SUPERVISED} low --seed 1"),
        (
            ("--networks", "slim"),
            f"all_slim/seed_1 holds no run to start from; train it with {SUPERVISED} all --variant",
        ),
        (
            ("--sender", "random_labels", "--seed", "1", "--receiver", "-1"),
            f"digits_randomlab/seed_1 holds no run to start from; train it with {SUPERVISED} randomlab --seed 1",
        ),
        (
            ("--sender", "random_labels", "--networks", "wide"),
            f"digits_randomlab_wide/seed_0 holds no run to start from; train it with {SUPERVISED} randomlab --variant",
        ),
        (("--task", "randomlab"), "task randomlab: say --sender random_labels of a task that has labels"),
        (("--kind", "fulll"), "kind is 'fulll', expected one of full, low_rank"),
        (("--kind", "low_rank", "--rank", "0"), "rank is 0, expected a positive number"),
        (("--kind", "low_rank", "--rank", "17"), "rank is 17, expected 1 to 16 for 16 and 16 channels"),
        (("--alpha", "0.5"), "alpha is 0.5, but the kind is full, and the sender trained; leave it out"),
        (("--kind", "lasso", "--strength", "-1"), "strength is -1.0, expected a finite number that is not negative"),
        (
            ("--kind", "lasso"),
            "optimiser is adam, but the proximal steps of lasso follow steps along the gradient; take",
        ),
        (("--receiver", "0"), "--receiver 0: a network is stitched into itself with --sender self"),
        (("--receiver", "-1"), "--receiver -1: there is no seed -1"),
        (
            ("--receiver", "2", "--sender", "self"),
            "--receiver 2: the sender is self, of the same network; leave it out",
        ),
        (("--epochs", "0"), "epochs is 0, expected a positive number"),
        (("--network", "wrn_16_4"), "network is 'wrn_16_4', but these are those of the networks that are stitched"),
        (("--resolution", "16"), "resolution is 16, but these are those of the networks that are stitched"),
        (("--training_images", "999"), "training_images is 999 and validation_images 200, but the task has 1198"),
        (("--kindd", "full"), "unknown key --kindd; did you mean --kind?"),
        (
            ("--imprint-as-you-go",),
            "--imprint-as-you-go: stage 2 puts stitched networks together; leave it out",
        ),
    ],
)
def test_what_cannot_be_trained(folder, words, message):
    code, text = run(TRAIN_STITCH, folder, "digits_stitch", *words)
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    assert code == 1 and len(errors) == 1 and message in errors[0], text
    assert {path.parent.parent.name for path in folder.glob("checkpoints/*plus*/*/run.json")} <= {IDENTITY}


def test_one_pair_that_fails_does_not_stop_the_others(folder):
    words = ("digits_stitch", "--seed", 0, 1, "--kind", "identity")
    code, text = run(TRAIN_STITCH, folder, *words)
    assert code == 1 and "training: 1 done, 0 skipped (already complete), 1 failed" in text
    assert "digits_all/seed_2 holds no run to start from" in text
    assert (folder_of(folder, IDENTITY) / "run.json").exists()


def test_runs_that_hold_no_single_networks(folder):
    done(TRAIN_STITCH, folder, "digits_stitch", "--seed", 0, "--kind", "identity")
    words = ("--networks", "plus1_identity", "--kind", "procrustes", "--sender", "self")
    code, text = run(TRAIN_STITCH, folder, "digits_stitch", *words)
    expected = "plus1_identity/seed_0 holds no single networks; it is of experiments.symmetries.02_predicting"
    assert code == 1 and expected in text


def test_networks_of_different_widths_take_kinds_that_are_not_square(parents, tmp_path):
    folder = copy_of(parents, tmp_path / "runs")
    code, text = run(TRAIN_STITCH, folder, "digits_stitch", "--networks", "wide", kind="low_rank", rank=3)
    assert code == 0 and "digits_all_wide_plus1_low_rank seed 0: trained" in text


@pytest.mark.parametrize(
    "change, message",
    [
        ({"evaluation_resolution": 12}, "differ in their evaluation_resolution; a stitch is between networks"),
        ({"network": "plain_cnn"}, "differ in their network; a stitch is between networks of one architecture"),
    ],
)
def test_networks_that_saw_something_else(folder, change, message):
    path = folder / "checkpoints" / "digits_all" / "seed_0" / "run.json"
    there = json.loads(path.read_text())
    path.write_text(json.dumps({**there, "config": {**there["config"], **change}}))
    code, text = run(TRAIN_STITCH, folder, "digits_stitch")
    assert code == 1 and message in text, text
    path.write_text(json.dumps(there))
