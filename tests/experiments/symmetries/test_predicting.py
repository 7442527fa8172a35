"""Predictions of stitched networks: those of networks that are put together by hand, and what files say of them."""

import json

import numpy as np
import pytest
import torch

from experiments.symmetries import predicting, stitches, stitching, trained
from info_geometry import distance, predictions
from learning import data
from learning.networks.recalibration import recalibrate
from learning.runs import run as runs
from learning.runs import weights
from learning.split import split
from tests.experiments.symmetries.stitch_runs import (
    STORE_STITCHED,
    TRAIN_STITCH,
    config,
    copy_of,
    evaluated,
    folders_of,
    stored,
)
from tests.support import stages
from tests.support.runs import folder_of, mtimes
from tests.support.stages import STORE, done, run

FULL, G_RELU, REST = "digits_all_plus1_full", "digits_all_plus1_g_relu", "digits_all_retrained_random_g_relu"
SELF, PLANTED = "digits_all_self_identity", "digits_all_planted_matched"
LAYERS = ("2", "5", "8")


@pytest.fixture(scope="module")
def folder(parents, tmp_path_factory):
    """A folder with runs of stitches and predictions of the networks; tests store what they like there."""
    folder = copy_of(parents, tmp_path_factory.mktemp("stitched") / "runs")
    done(STORE, folder, "digits_all", "--head")
    for config_name, words in {
        "digits_stitch": [(), ("--sender", "self", "--kind", "identity"), ("--sender", "planted", "--kind", "matched")],
        "digits_g_relu": [()],
        "digits_transformed": [("--epochs", 3, "--layers", "4,7")],
    }.items():
        for more in words:
            done(TRAIN_STITCH, folder, config_name, *more)
    return folder


def store(folder, *words):
    return done(STORE_STITCHED, folder, *words)


def pictures(indices):
    images = data.load("digits", "train", "")
    return next(images.batches([data.Batch(torch.from_numpy(indices), None)])).double()


def by_hand(folder, name, layer, number, soft=False, statistics="recalibrated"):
    """Return square roots of probabilities of a stitched network of a checkpoint, in float64."""
    folders, place = folders_of(folder), folder_of(folder, name)
    record = runs.read(place)
    path = record.path(place, record.schedule[number])
    state, at = weights.load(path), record.config["layers"].split(",").index(layer)
    sender, receiver = (trained.network("digits_all", seed, folders=folders) for seed in (0, 1))
    (front, _), (_, back) = (stitching.cut(network.double(), layer) for network in (sender, receiver))
    channels = len(state[f"{at}.weight" if f"{at}.weight" in state else f"{at}.M"])
    made = stitches.Full(channels, channels, 0) if name == FULL else stitches.Monomial(channels, 0)
    weights.fit({key[2:]: value for key, value in state.items() if key.startswith(f"{at}.")}, made, path)
    used = (made.soft() if soft else made.hard()).detach().double()
    under = made.soft().detach().double() if statistics == "soft" else used
    with torch.no_grad():
        if statistics != "receiver":
            own = split(data.load("digits", "train", "").labels, range(10), config(recalibration_images=600))
            given = [stitches.apply(under, front(part)) for part in pictures(own.recalibration).split(500)]
            recalibrate(back, given)
        return back(stitches.apply(used, front(evaluated().double()))).softmax(dim=1).sqrt().numpy()


def near(found, expected):
    np.testing.assert_allclose(found, expected, atol=2e-3)  # files hold float16


def accuracies(there):
    return [(roots.argmax(axis=1) == there.labels).mean() for roots in there.roots()]


# Which networks


def test_each_layer_is_taken_from_the_epoch_that_images_held_out_choose(folder):
    store(folder, FULL, G_RELU)
    for name in (FULL, G_RELU):
        there, log = stored(folder, f"{name}_head"), stages.log_lines(folder_of(folder, name))
        held = np.array([list(line["validation"].values()) for line in log])
        said = there.attributes
        assert there.t.tolist() == [1, 2, 3] and said["t_name"] == "layer" and said["layers"] == list(LAYERS)
        latest = [max(np.flatnonzero(column == column.max())) for column in held.T]  # of ties
        assert said["epochs"] == latest
        assert said["choices"] == {"soft": False, "statistics": "recalibrated", "epoch": "chosen", "path": False}
        assert said["predicted_by"] == "head" and set(said["start"]) == {"sender", "receiver"}
        assert there.shape == (3, 599, 10) and ": sound" in predictions.check(there.path)
        for number, layer in enumerate(LAYERS):
            near(there.roots()[number], by_hand(folder, name, layer, int(latest[number])))


def test_of_checkpoints_that_do_as_well_the_latest_is_taken(folder, tmp_path):
    place = folder_of(folder, FULL)
    held = np.array([[0.1, 0.9, 0.5], [0.4, 0.9, 0.5], [0.4, 0.2, 0.5], [0.3, 0.9, 0.5], [0.2, 0.1, 0.5]])
    lines = [dict(line, validation=dict(zip(LAYERS, x))) for line, x in zip(stages.log_lines(place), held.tolist())]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    record = runs.read(place)
    assert predicting.chosen_epochs(tmp_path, record, "chosen") == [2, 3, 4]
    assert predicting.chosen_epochs(tmp_path, record, "last") == [4, 4, 4]


@pytest.mark.parametrize(
    "words, ending, how",
    [
        (("--soft",), "soft_head", {"soft": True}),
        (("--statistics", "soft"), "soft_statistics_head", {"statistics": "soft"}),
        (("--statistics", "receiver"), "receiver_statistics_head", {"statistics": "receiver"}),
        (
            ("--soft", "--statistics", "receiver"),
            "soft_receiver_statistics_head",
            {"soft": True, "statistics": "receiver"},
        ),
    ],
)
def test_matrices_and_statistics_that_are_not_usual(folder, words, ending, how):
    store(folder, G_RELU, *words, "--epoch", "last")
    there = stored(folder, f"{G_RELU}_{ending.removesuffix('head')}last_head")
    assert there.attributes["epochs"] == [4, 4, 4]
    for number, layer in enumerate(LAYERS):
        near(there.roots()[number], by_hand(folder, G_RELU, layer, -1, **how))
    store(folder, G_RELU, "--epoch", "last")
    usual = stored(folder, f"{G_RELU}_last_head")
    assert not np.allclose(there.roots()[0], usual.roots()[0], atol=2e-2)


def test_all_checkpoints_of_each_layer(folder):
    store(folder, G_RELU, "--path")
    store(folder, G_RELU, "--epoch", "last")
    for layer in LAYERS:
        there = stored(folder, f"{G_RELU}_path_at_{layer}_head")
        assert there.t.tolist() == [0, 1, 2, 3, 4] and there.attributes["t_name"] == "epoch"
        assert there.attributes["layer"] == layer and "layers" not in there.attributes
        for number in (0, 2, 4):
            near(there.roots()[number], by_hand(folder, G_RELU, layer, number))
    last = stored(folder, f"{G_RELU}_last_head")
    assert np.array_equal(last.roots()[2], there.roots()[4])


def test_planted_and_self_are_the_receiver(folder):
    store(folder, SELF, PLANTED, "--statistics", "receiver")
    store(folder, SELF, PLANTED)
    receiver = stored(folder, "digits_all_head")
    last = receiver.roots()[-1]
    for name in (SELF, PLANTED):
        exact, usual = (stored(folder, f"{name}_{ending}head") for ending in ("receiver_statistics_", ""))
        assert accuracies(exact) == [accuracies(receiver)[-1]] * 3
        for roots in exact.roots():
            near(roots, last)
        D = distance.pairwise([exact, receiver])[:3, -1]
        assert D.max() < 1e-5
        assert accuracies(usual) == pytest.approx([accuracies(receiver)[-1]] * 3, abs=0.02)
        assert 1e-6 < distance.pairwise([usual, receiver])[:3, -1].max() < 0.02
    for one, other in zip(*(stored(folder, f"{name}_head").roots() for name in (SELF, PLANTED))):
        near(one, other)


def test_the_rest_of_a_network_has_statistics_of_its_own(folder):
    store(folder, REST)
    there, place = stored(folder, f"{REST}_head"), folder_of(folder, REST)
    record = runs.read(place)
    network = trained.network("digits_all", 0, folders=folders_of(folder)).double()
    for number, (layer, epoch) in enumerate(zip(("4", "7"), there.attributes["epochs"])):
        state = weights.load(record.path(place, record.schedule[int(epoch)]))
        front, back = stitching.cut(network, layer)
        weights.fit({k[8:]: v for k, v in state.items() if k.startswith(f"backs.{number}.")}, back, "")
        matrix = state[f"stitches.{number}.matrix"].double()
        with torch.no_grad():
            found = back.double()(stitches.apply(matrix, front(evaluated().double()))).softmax(dim=1).sqrt().numpy()
        near(there.roots()[number], found)
    for words in (("--soft",), ("--statistics", "receiver")):
        code, text = run(STORE_STITCHED, folder, REST, *words)
        assert code == 1 and "learned behind a fixed matrix, with statistics of its own; leave out --soft" in text
    store(folder, REST, "--path")
    assert stored(folder, f"{REST}_path_at_7_head").shape == (4, 599, 10)


# Again, and what is refused


def test_the_same_command_again_skips_and_other_choices_are_refused(folder):
    store(folder, FULL)
    before = mtimes(folder / "predictions")
    assert "storing: 0 done, 1 skipped (already complete), 0 failed" in store(folder, FULL)
    path = folder / "predictions" / f"{FULL}_head"
    (folder / "predictions" / f"{FULL}_last_head").mkdir()
    (folder / "predictions" / f"{FULL}_last_head" / "preds_0.h5").write_bytes((path / "preds_0.h5").read_bytes())
    code, text = run(STORE_STITCHED, folder, FULL, "--epoch", "last")
    assert code == 1 and "preds_0.h5 was stored with other choices (epoch); delete it to store these" in text
    after = mtimes(folder / "predictions")
    assert {key: after[key] for key in before} == before
    expected = (path / "preds_0.h5").read_bytes()
    (path / "preds_0.h5").unlink()
    assert "storing: 1 done" in store(folder, FULL)
    assert (path / "preds_0.h5").read_bytes() == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("digits_all", "--seed", "0"),
            "holds no stitches; store its predictions with python -m supervised_imagenet.02_imprinting."
            "store_predictions digits_all --seed 0 --checkpoints-folder",
        ),
        (
            ("digits_low_untrained_minus2_lasso",),
            "holds no run; train it with python -m experiments.symmetries.01_training.train_stitch digits_lasso "
            "--task low --sender untrained --receiver -2 --seed 0",
        ),
        ((FULL, "--seed", "4"), f"{FULL}/seed_4 holds no run; train it with python -m experiments.symmetries"),
        (
            ("digits_all_plus1_ful",),
            f"there is no run 'digits_all_plus1_ful', nor a configuration; did you mean {FULL}?",
        ),
        (("nothing_*",), "has no run 'nothing_*'; there are"),
        ((FULL, "--soft", "--statistics", "soft"), "--soft is recalibrated under the soft matrix; leave out"),
        ((FULL, "--soft"), f"{FULL}: a stitch of kind full is used as it was trained; leave out --soft, and --stat"),
        ((SELF, "--statistics", "soft"), f"{SELF}: a stitch of kind identity is used as it was trained; leave out --s"),
        ((FULL, "--path", "--epoch", "last"), "--path is of all epochs; leave out --epoch last"),
    ],
)
def test_what_cannot_be_stored(folder, words, message):
    code, text = run(STORE_STITCHED, folder, *words)
    assert code == 1 and text.count("error: ") == 1 and message in text, text


def test_store_predictions_says_which_command_stores_stitches(folder):
    code, text = run(STORE, folder, FULL)
    expected = "holds no single networks; store its predictions with python -m experiments.symmetries.02_predicting."
    assert code == 1 and f"{expected}store_stitched {FULL} --seed 0 --checkpoints-folder {folder}" in text


def test_runs_that_are_not_complete_or_damaged(folder, tmp_path):
    own = copy_of(folder, tmp_path / "runs")
    place = folder_of(own, FULL)
    log = (place / "log.jsonl").read_text()
    for lines in (log[: log.rindex('{"step"')], log[:-10], ""):
        (place / "log.jsonl").write_text(lines)
        code, text = run(STORE_STITCHED, own, FULL, "--statistics", "receiver")
        assert code == 1 and "log.jsonl does not say how well each checkpoint does; delete" in text
    last = place / "ckpt" / "4_0.pth"
    last.unlink()
    code, text = run(STORE_STITCHED, own, FULL, "--statistics", "receiver")
    assert code == 1 and "1 of 5 checkpoints missing (4_0.pth, ...); training did not finish" in text
    assert "go on with python -m experiments.symmetries.01_training.train_stitch digits_stitch --task all" in text
    done(TRAIN_STITCH, own, "digits_stitch")  # as it is told
    store(own, FULL, "--statistics", "receiver")
    assert [line["step"] for line in stages.log_lines(place)] == [0, 4, 8, 12, 16]
    last.write_bytes(b"nothing")
    code, text = run(STORE_STITCHED, own, FULL, "--path")
    assert code == 1 and "4_0.pth is not a complete checkpoint" in text
    assert not (own / "predictions" / f"{FULL}_path_at_2_head" / "preds_0.h5").exists()


def test_networks_that_were_trained_anew_or_are_gone(folder, tmp_path):
    own = copy_of(folder, tmp_path / "runs")
    path = folder_of(own, "digits_all", 1) / "ckpt" / "4_0.pth"
    there = weights.load(path)
    weights.save(path, {**there, "head.bias": there["head.bias"] + 1})
    code, text = run(STORE_STITCHED, own, FULL, "--statistics", "receiver")
    assert code == 1 and f"4_0.pth is not what {FULL} was stitched from; delete that run and train it again" in text
    path.unlink()
    code, text = run(STORE_STITCHED, own, FULL, "--statistics", "receiver")
    assert code == 1 and f"4_0.pth, which {FULL} was stitched from, is gone; delete that run and train it" in text
    weights.save(path, there)
    (folder_of(own, "digits_all", 1) / "run.json").unlink()
    code, text = run(STORE_STITCHED, own, FULL, "--statistics", "receiver")
    assert code == 1 and "digits_all/seed_1 holds no run; train it with python -m supervised_imagenet" in text


def test_one_run_that_fails_does_not_stop_the_others(folder, tmp_path):
    report = tmp_path / "report"
    code, text = run(STORE_STITCHED, folder, "digits_all", FULL, "--seed", 0, "--report", report)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert code == 1 and lines[0]["outcome"] == "failed" and len(lines) == 2
    assert lines[1]["outcome"] in ("done", "skipped (already complete)") and not text.strip()
