"""Training networks of the manifold: which images are learned from and predicted, and where runs start from."""

import json
import signal

import numpy as np
import pytest
import torch

from experiments.manifold import training
from experiments.manifold.parts import part
from info_geometry import predictions
from learning import data, networks
from learning.imprinting import evenly
from learning.runs import run as runs
from learning.runs import weights
from tests.support.runs import folder_of, main, same_predictions
from tests.support.stages import Stage, done, log_lines, run, until

TRAIN = "experiments/manifold/01_training/train_manifold.py"
BOTH = "experiments/manifold/02_predicting/store_both.py"
SMALL = {"epochs": 2, "widths": "16", "training_images": 200, "checkpoints": 5, "predicted_images": 50}
SMALL |= {"evaluation_images": 30}


def file_of(folder, name="digits_all", seed=0):
    return predictions.open_trajectory(folder / "predictions" / name / f"preds_{seed}.h5")


def test_predictions_are_those_of_weights_on_fixed_clean_images(tmp_path):
    """Predicted as it goes, in augmented training, and afterwards from the weights that another run keeps."""
    kept = {**SMALL, "augmentation": "crop_flip"}
    done(TRAIN, tmp_path / "a", "digits_manifold", **kept)
    assert not list((folder_of(tmp_path / "a") / "ckpt").glob("*.pth"))
    done(TRAIN, tmp_path / "b", "digits_manifold", **kept, keep="weights")
    assert not list((tmp_path / "b").glob("predictions/*/*.h5"))
    assert "1 done" in done(BOTH, tmp_path / "b", "digits_all")
    same = [file_of(tmp_path / each) for each in "ab"]
    assert same[0].attributes["parts"] == {"training": 50, "evaluation": 30}
    np.testing.assert_array_equal(same[0].stored(), same[1].stored())
    images, others = (data.load("digits", split, "") for split in ("train", "test"))
    told = runs.read(folder_of(tmp_path / "b"))
    for which, own, count in (("training", images, 50), ("evaluation", others, 30)):
        own = own.part(evenly(own.labels, count))
        found = part(same[0], which)
        np.testing.assert_array_equal(found.labels, own.labels)
        network = networks.build("fc", 1, 8, 10, 0, widths="16")
        for k, step in enumerate(told.schedule):
            network.load_state_dict(weights.load(told.path(folder_of(tmp_path / "b"), step)))
            with torch.no_grad():
                pixels = (own.pixels.float() - 4.88) / 6.02
                p = torch.softmax(network.eval()(pixels), dim=1).numpy()
            np.testing.assert_allclose(found.roots()[k] ** 2, p, atol=2e-3)


def test_images_of_smaller_sets_are_among_those_of_larger(tmp_path, monkeypatch):
    """So few images learned from are looked at as well, and the same ones are predicted whatever is learned from."""
    for name, count in (("few", 50), ("many", 400)):
        main(monkeypatch, TRAIN, tmp_path, "digits_manifold", **{**SMALL, "training_images": count}, variant=name)
    few, many = (file_of(tmp_path, f"digits_all_{name}") for name in ("few", "many"))
    np.testing.assert_array_equal(few.labels, many.labels)
    logs = [json.loads((folder_of(tmp_path, f"digits_all_{n}") / "run.json").read_text()) for n in ("few", "many")]
    assert [log["samples"] for log in logs] == [50, 400]


def test_training_images_that_are_predicted_are_among_those_learned_from(tmp_path, monkeypatch):
    seen = {}
    train, part = training.supervise.train, training.Both.__init__

    def learn(job, network, indices, outputs):
        seen["learned"] = indices
        train(job, network, indices, outputs)

    def predict(self, images, *rest):
        seen["predicted"] = images
        part(self, images, *rest)

    monkeypatch.setattr(training.supervise, "train", learn)
    monkeypatch.setattr(training.Both, "__init__", predict)
    main(monkeypatch, TRAIN, tmp_path, "digits_manifold", **SMALL)
    pixels = data.load("digits", "train", "").pixels.flatten(1)
    learned = {bytes(x.numpy().tobytes()) for x in pixels[torch.from_numpy(seen["learned"])]}
    assert len(learned) == 200 and len(seen["predicted"].labels) == 50
    assert {bytes(x.numpy().tobytes()) for x in seen["predicted"].pixels.flatten(1)} < learned


def test_a_run_starts_from_the_last_weights_of_another(tmp_path, monkeypatch):
    """The first predictions are the last ones of that run; which weights these were is said."""
    first = {**SMALL, "label_noise": 1.0, "variant": "corner"}
    main(monkeypatch, TRAIN, tmp_path, "digits_manifold", **first)
    main(monkeypatch, TRAIN, tmp_path, "digits_manifold", **SMALL, start="digits_all_corner", variant="from")
    one, other = file_of(tmp_path, "digits_all_corner"), file_of(tmp_path, "digits_all_from")
    np.testing.assert_array_equal(one.stored()[-1], other.stored()[0])
    assert np.abs(one.roots()[-1] - other.roots()[-1]).max() > 0.01
    start = other.attributes["start"]
    assert start["run"] == "digits_all_corner" and len(start["sha256"]) == 64
    # once trained, it does not matter any more whether the other run is there
    (folder_of(tmp_path, "digits_all_corner") / "last.pth").unlink()
    main(monkeypatch, TRAIN, tmp_path, "digits_manifold", **SMALL, start="digits_all_corner", variant="from")
    code, text = run(TRAIN, tmp_path, "digits_manifold", **SMALL, start="digits_all_corner", variant="anew")
    assert code == 1 and "training did not finish; go on with python -m experiments.manifold" in text
    assert "error: digits_all_anew seed 0 starts from " in text
    code, text = run(TRAIN, tmp_path, "digits_manifold", **SMALL, start="digits_all_nothing", variant="anew")
    assert code == 1 and "holds no run to start from; train digits_all_nothing with seed 0 first" in text


def test_labels_are_drawn_anew_for_each_draw(tmp_path, monkeypatch):
    """Of the same images and initial weights; the images that are predicted keep their labels."""
    changes = ({}, {"label_noise": 1.0}, {"label_noise": 1.0, "label_seed": 1})
    for k, change in enumerate(changes):
        main(monkeypatch, TRAIN, tmp_path, "digits_manifold", **SMALL, **change, variant=f"v{k}")
    found = [file_of(tmp_path, f"digits_all_v{k}") for k in range(3)]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].stored()[0], other.stored()[0])
        np.testing.assert_array_equal(found[0].labels, other.labels)
    last = [x.roots()[-1] for x in found]
    assert min(np.abs(a - b).max() for a, b in ((last[0], last[1]), (last[1], last[2]))) > 0.01


def test_an_interrupted_run_goes_on_exactly(tmp_path):
    changes = {**SMALL, "epochs": 30, "batch_size": 4, "checkpoints": 12, "augmentation": "crop_flip"}
    done(TRAIN, tmp_path / "whole", "digits_manifold", **changes)
    stage = Stage(TRAIN, tmp_path / "parts", "digits_manifold", **changes)
    until(lambda: len(log_lines(folder_of(tmp_path / "parts"))) >= 6)
    stage.send(signal.SIGTERM)
    assert stage.wait()[0] == 75
    done(TRAIN, tmp_path / "parts", "digits_manifold", **changes)
    same_predictions(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"depth": 3}, "depth is 3, but fc has only its own"),
        ({"training_images": 2000}, "training_images is 2000"),
        ({"network": "fcc"}, "unknown network 'fcc'"),
    ],
)
def test_mistakes_are_named(tmp_path, changes, message):
    code, text = run(TRAIN, tmp_path, "digits_manifold", **{**SMALL, **changes})
    assert code == 1 and message in text


def test_tasks_that_lack_classes_are_refused(tmp_path):
    code, text = run(TRAIN, tmp_path, "digits_manifold", "--task", "even", **SMALL)
    assert code == 1 and "task even: it has 5 of 10 classes" in text and "leave --task out" in text


def test_tasks_of_random_labels_are_refused(tmp_path):
    code, text = run(TRAIN, tmp_path, "digits_manifold", "--task", "randomlab", **SMALL)
    assert code == 1 and "say --label_noise 1 of a task that has labels" in text
