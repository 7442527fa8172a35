"""Networks taken from subspaces: stored predictions are those of networks that are put together by hand."""

import copy
import json
import shutil

import numpy as np
import pytest
import torch

from experiments.subspaces import coefficients, measures
from experiments.subspaces.choices import Choices
from experiments.subspaces.config import SubspaceConfig
from experiments.subspaces.corruptions import corrupted
from info_geometry import distance, predictions
from info_geometry.files import InputError
from learning import data, imprint, networks
from learning.networks.recalibration import recalibrate
from learning.noise import noisy
from learning.runs import run as runs
from learning.runs import weights
from learning.split import split
from tests.support import stages
from tests.support.runs import folder_of
from tests.support.stages import STORE, done, run
from tests.support.stages import TRAIN as SUPERVISED

TRAIN = "experiments/subspaces/01_training/train_subspace.py"
SAMPLE = "experiments/subspaces/02_sampling/sample_subspace.py"
FAST = {"epochs": 2, "batch_size": 64, "checkpoints": 4, "recalibration_images": 300, "learning_rate": 0.2}
SWA = {"rate": "swa_constant", "schedule": "epochs", "epochs": 4, "dense_epochs": 0, "averaged_from": 0.5}
FILE = "digits_all_{}_head"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with runs of each kind, trained a little."""
    folder = tmp_path_factory.mktemp("trained")
    done(TRAIN, folder, "digits_line", "--task", "all", "low", label_noise=0.4, **FAST)
    done(TRAIN, folder, "digits_curve", **FAST)
    done(TRAIN, folder, "digits_simplex", **FAST)
    done(TRAIN, folder, "digits_point", "--seed", 0, 1, 2, label_noise=0.4, **{**FAST, **SWA})
    done(TRAIN, folder, "digits_point", "--variant", "clean", **FAST)
    done(SUPERVISED, folder, "digits", epochs=2, warmup_epochs=1, batch_size=64, checkpoints=3)
    return folder


def sample(folder, *words):
    return done(SAMPLE, folder, *words)


def stored(folder, name, seed=0):
    return predictions.open_trajectory(folder / "predictions" / name / f"preds_{seed}.h5")


class Hand:
    """A run and its networks, taken by hand."""

    def __init__(self, folder, name, seed=0):
        self.folder = folder_of(folder, name, seed)
        self.run = runs.read(self.folder)
        self.config, self.train = SubspaceConfig(**self.run.config), data.load("digits", "train", "")
        self.own = split(self.train.labels, self.run.task.classes, self.config)
        self.test = data.load("digits", "test", "")

    def vertex(self, i, number=-1):
        """Return a network with the weights of a vertex in a checkpoint; None: of a single network."""
        network = networks.build("small_cnn", 1, 8, self.run.classes, 0)
        found = weights.load(self.run.path(self.folder, self.run.schedule[number]))
        start = "" if i is None else f"vertices.{i}."
        network.load_state_dict({key[len(start) :]: w for key, w in found.items() if key.startswith(start)})
        return network

    def mean(self, several, shares=None):
        found = copy.deepcopy(several[0])
        with torch.no_grad():
            for name, parameter in found.named_parameters():
                own = zip([1 / len(several)] * len(several) if shares is None else shares, several)
                parameter.copy_(sum(share * x.get_parameter(name) for share, x in own))
        return found

    def recalibrated(self, network):
        part = self.train.part(self.own.recalibration)
        return recalibrate(network, list(part.batches(data.evaluation_plan(300, 500))))

    @torch.inference_mode()
    def predicted(self, network, images=None):
        """Return square roots of probabilities (N, C) of the images, by default those of evaluation."""
        images = self.test if images is None else images
        pixels = next(images.batches(data.evaluation_plan(len(images.labels), len(images.labels))))
        found = torch.zeros(len(pixels), 10)
        found[:, list(self.run.task.classes)] = network.eval()(pixels).softmax(dim=1)
        return found.sqrt().numpy()

    def labels(self, indices):
        """Return the labels that the run learns."""
        classes = np.array(self.run.task.classes)
        outputs = np.searchsorted(classes, self.train.labels)
        return classes[noisy(outputs, self.own, len(classes), self.config.label_noise)[indices]]


def near(found, expected):
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_networks_along_a_line(trained):
    assert "sampling: 1 done, 0 skipped" in sample(trained, "digits_all_line")
    there, hand = stored(trained, FILE.format("line")), Hand(trained, "digits_all_line")
    assert there.attributes["t_name"] == "alpha" and np.allclose(there.t, np.arange(11) / 10)
    assert there.shape == (11, 599, 10) and ": sound" in predictions.check(there.path)
    assert there.attributes["split"] == "test" and np.array_equal(there.labels, hand.test.labels)
    assert there.attributes["epoch"] == 2 and there.attributes["predicted_by"] == "head"
    ends = [hand.vertex(0), hand.vertex(1)]
    for i, network in ((0, ends[0]), (10, ends[1]), (3, hand.mean(ends, (0.7, 0.3)))):
        near(there.roots()[i], hand.predicted(hand.recalibrated(network)))
    assert abs(there.roots()[0] - there.roots()[10]).max() > 0.05
    np.testing.assert_allclose(there.attributes["coefficients"], coefficients.along("line", there.t), atol=1e-9)


def test_features_of_networks_are_compared(trained):
    sample(trained, "digits_all_line")
    hand = Hand(trained, "digits_all_line")
    cosines = np.array(stored(trained, FILE.format("line")).attributes["feature_cosines"])
    features = []
    for i in (0, 1):
        body = hand.recalibrated(hand.vertex(i)).body
        features.append(imprint.features(body, hand.test.batches(data.evaluation_plan(599, 599))).numpy())
    assert cosines.shape == (11, 11) and np.allclose(np.diag(cosines), 1) and np.allclose(cosines, cosines.T)
    assert cosines[0, 10] == pytest.approx(measures.feature_cosine(*features), abs=1e-4) and cosines[0, 10] < 0.99


def test_networks_along_a_curve(trained):
    sample(trained, "digits_all_curve", "--positions", 0, 0.5, 1)
    there, hand = stored(trained, FILE.format("curve")), Hand(trained, "digits_all_curve")
    vertices = [hand.vertex(i) for i in range(3)]
    assert there.t.tolist() == [0, 0.5, 1]
    for i, network in enumerate((vertices[0], hand.mean(vertices, (0.25, 0.5, 0.25)), vertices[2])):
        near(there.roots()[i], hand.predicted(hand.recalibrated(network)))


def test_networks_of_a_simplex(trained):
    sample(trained, "digits_all_simplex3", "--steps", 3)
    there, hand = stored(trained, FILE.format("simplex3")), Hand(trained, "digits_all_simplex3")
    expected = coefficients.points(3, 3, random=6)
    np.testing.assert_allclose(there.attributes["coefficients"], expected, atol=1e-9)
    assert there.attributes["t_name"] == "point" and there.t.tolist() == list(range(len(expected)))
    vertices = [hand.vertex(i) for i in range(3)]
    for i in (0, 1, 2, 3, 5, -1):
        near(there.roots()[i], hand.predicted(hand.recalibrated(hand.mean(vertices, expected[i]))))


def test_a_single_network_over_its_training(trained):
    sample(trained, "digits_all_point", "--seed", 0)
    there, hand = stored(trained, FILE.format("point")), Hand(trained, "digits_all_point")
    assert there.attributes["t_name"] == "epoch" and there.t.tolist() == [0, 1, 2, 3, 4]
    for i in (0, 2, 4):
        near(there.roots()[i], hand.predicted(hand.recalibrated(hand.vertex(None, i))))
    sample(trained, "digits_all_point", "--seed", 1, "--checkpoint", 1, "last")
    assert stored(trained, FILE.format("point"), seed=1).t.tolist() == [1, 4]


def test_statistics_of_training(trained):
    """Those of the first vertex, which are a mixture over the line."""
    sample(trained, "digits_all_line", "--as-trained", "--positions", 0, 1)
    there, hand = stored(trained, FILE.format("line_as_trained")), Hand(trained, "digits_all_line")
    first, last = hand.vertex(0), hand.vertex(1)
    last.load_state_dict({**last.state_dict(), **dict(first.named_buffers())})
    for i, network in enumerate((first, last)):
        near(there.roots()[i], hand.predicted(network))
        assert abs(there.roots()[i] - hand.predicted(hand.recalibrated(network))).max() > 0.02


def test_networks_of_other_checkpoints_are_a_surface(trained):
    words = "--positions", 0, 1, "--checkpoint", 0, 2
    sample(trained, "digits_all_line", *words)
    hand = Hand(trained, "digits_all_line")
    for number in (0, 2):
        there = stored(trained, FILE.format(f"line_at_{number}"))
        assert there.attributes["epoch"] == pytest.approx(hand.run.time(hand.run.schedule[number]))
        for i in (0, 1):
            near(there.roots()[i], hand.predicted(hand.recalibrated(hand.vertex(i, number))))


def test_the_middle_over_training(trained):
    sample(trained, "digits_all_line", "--middle")
    sample(trained, "digits_all_line")
    there, line = stored(trained, FILE.format("line_middle")), stored(trained, FILE.format("line"))
    hand = Hand(trained, "digits_all_line")
    assert there.attributes["t_name"] == "epoch"
    np.testing.assert_allclose(there.t, [hand.run.time(step) for step in hand.run.schedule])
    assert np.array_equal(there.roots()[-1], line.roots()[5])
    near(there.roots()[0], hand.predicted(hand.recalibrated(hand.mean([hand.vertex(i, 0) for i in (0, 1)]))))


def test_imprinted_predictions_join_those_of_other_tasks(trained):
    sample(trained, "digits_low_line", "--imprint", "--positions", 0, 0.5, 1)
    sample(trained, "digits_low_line", "--positions", 0, 0.5, 1)
    done(STORE, trained, "digits_all")
    there, other, hand = (
        stored(trained, "digits_low_line"),
        stored(trained, "digits_all"),
        Hand(trained, "digits_low_line"),
    )
    body = hand.recalibrated(hand.vertex(1)).body
    labels = torch.from_numpy(hand.test.labels)
    batches = hand.test.batches(data.evaluation_plan(599, 599))
    near(there.roots()[2], imprint.imprint(body, batches, labels, 10).sqrt().numpy())
    assert (np.square(there.roots()).mean(axis=(0, 1)) > 0.01).all()  # over all classes
    D = distance.pairwise([there, other])
    assert D.shape == (6, 6) and np.isfinite(D).all() and (D[:3, 3:] > 0).all() and np.allclose(D, D.T)
    head = stored(trained, "digits_low_line_head").roots()
    assert (head[..., 5:] == 0).all() and (head[..., :5] > 0).mean() > 0.99
    near(head[2], hand.predicted(hand.recalibrated(hand.vertex(1))))


@pytest.mark.parametrize("name, words", [("line", ("--positions", 0, 1)), ("point", ("--checkpoint", "last"))])
@pytest.mark.parametrize("images", ["training", "validation"])
def test_images_of_training_have_the_labels_that_are_learned(trained, name, words, images):
    run_name = f"digits_all_{name}"
    sample(trained, run_name, "--seed", 0, "--images", images, *words)
    there, hand = stored(trained, FILE.format(f"{name}_{images}")), Hand(trained, run_name)
    indices = hand.own.training if images == "training" else hand.own.validation
    assert there.shape[1] == len(indices) == {"training": 998, "validation": 200}[images]
    assert np.array_equal(there.labels, hand.labels(indices)) and there.attributes["split"] == images
    wrong = (there.labels != hand.train.labels[indices]).mean()
    assert wrong == pytest.approx(0.36, abs=0.08)
    network = hand.recalibrated(hand.vertex(0 if name == "line" else None))
    near(there.roots()[0], hand.predicted(network, hand.train.part(indices)))


def test_runs_with_other_labels_in_one_command(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    sample(folder, "digits_all_point", "digits_all_point_clean", "--seed", 0, "--images", "validation")
    for name in ("point", "point_clean"):
        hand = Hand(folder, f"digits_all_{name}")
        found = stored(folder, FILE.format(f"{name}_validation")).labels
        assert np.array_equal(found, hand.labels(hand.own.validation))
    assert np.array_equal(found, hand.train.labels[hand.own.validation])


@pytest.mark.parametrize("images", ["evaluation", "training", "validation"])
def test_so_many_images_of_each_class_as_many(trained, images):
    words = "digits_all_point_clean", "--checkpoint", "last", "--images", images
    sample(trained, *words)
    sample(trained, *words, "--samples", 50)
    part = "" if images == "evaluation" else f"_{images}"
    whole, few = (stored(trained, FILE.format(f"point_clean{part}{more}")) for more in ("", "_n50"))
    assert np.bincount(few.labels).tolist() == [5] * 10 and few.attributes["split"] == whole.attributes["split"]
    rows = [row.tobytes() for row in whole.roots()[0]]
    places = [rows.index(row.tobytes()) for row in few.roots()[0]]
    assert places == sorted(places) and np.array_equal(whole.labels[places], few.labels)


def test_corrupted_images(trained):
    sample(trained, "digits_all_line", "--positions", 0, 1, "--corruption", "noise", "--severity", 1, 5)
    hand, found = Hand(trained, "digits_all_line"), {}
    network = hand.recalibrated(hand.vertex(1))  # on clean images
    for severity in (1, 5):
        there = stored(trained, FILE.format(f"line_noise{severity}"))
        images = hand.test.with_pixels(corrupted(hand.test.pixels, "noise", severity))
        near(there.roots()[1], hand.predicted(network, images))
        assert np.array_equal(there.labels, hand.test.labels)
        found[severity] = measures.nll(np.square(there.roots()[1].astype(float)), there.labels)
    clean = measures.nll(np.square(hand.predicted(network).astype(float)), hand.test.labels)
    assert clean < found[1] < found[5]


# Averages of weights


def test_mean_of_the_last_networks(trained):
    sample(trained, "digits_all_point", "--seed", 0, "--average", "swa")
    there, hand = stored(trained, FILE.format("point_swa")), Hand(trained, "digits_all_point")
    assert there.shape[0] == 1 and there.attributes["averaged"] == 3  # after epochs 2, 3 and 4
    expected = hand.mean([hand.vertex(None, i) for i in (2, 3, 4)])
    near(there.roots()[0], hand.predicted(hand.recalibrated(expected)))


def test_draws_around_the_mean(trained):
    sample(trained, "digits_all_point", "--seed", 0, "--average", "swag", "--draws", 5)
    sample(trained, "digits_all_point", "--seed", 0, "--average", "swa")
    there, mean = (stored(trained, FILE.format(f"point_{name}")) for name in ("swag", "swa"))
    assert there.attributes["t_name"] == "draw" and there.t.tolist() == [0, 1, 2, 3, 4]
    D = distance.pairwise([there, mean])
    assert (D[~np.eye(6, dtype=bool)] > 1e-5).all() and np.isfinite(D).all()
    assert D[:5, 5].mean() < D[:5, :5].sum() / 20  # the mean is nearer than they are to each other


def test_greedy_soup(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    paths = [folder_of(folder, "digits_all_point", seed) / "ckpt" / "4_0.pth" for seed in (0, 1, 2)]
    good = weights.load(paths[0])
    zeros = {"head.bias": good["head.bias"] + 100 * torch.eye(10)[0]}  # always class 0
    nearly = {"head.weight": good["head.weight"] * 1.00001}
    for path, changed in zip(paths, (zeros, nearly, {})):
        weights.save(path, {**good, **changed})
    sample(folder, "digits_all_point", "--average", "soup")
    assert [path.name for path in (folder / "predictions" / FILE.format("point_soup")).glob("*.h5")] == ["preds_0.h5"]
    there = stored(folder, FILE.format("point_soup"))
    hands = [Hand(folder, "digits_all_point", seed) for seed in (0, 1, 2)]
    hand, single = hands[0], [each.vertex(None) for each in hands]
    held_out, labels = hand.train.part(hand.own.validation), hand.labels(hand.own.validation)

    def score(members):
        network = hand.recalibrated(hand.mean([single[i] for i in members]))
        return (hand.predicted(network, held_out).argmax(axis=1) == labels).mean()

    order = sorted(range(3), key=lambda i: -score([i]))
    members = order[:1]
    for i in order[1:]:
        members += [i] if score([*members, i]) >= score(members) else []
    assert 0 not in members and len(members) == 2
    assert there.attributes["members"] == members
    network = hand.recalibrated(hand.mean([single[i] for i in members]))
    near(there.roots()[0], hand.predicted(network))


def test_between_the_networks_of_two_seeds(trained):
    sample(trained, "digits_all_point", "--seed", 0, 1, "--average", "between", "--positions", 0, 0.5, 1)
    hands = [Hand(trained, "digits_all_point", seed) for seed in (0, 1)]
    single = [each.vertex(None) for each in hands]
    for seed, ends in ((0, single), (1, single[::-1])):
        there = stored(trained, FILE.format("point_between"), seed)
        assert there.attributes["other_seed"] == 1 - seed and there.attributes["t_name"] == "alpha"
        for i, network in enumerate((ends[0], hands[0].mean(ends), ends[1])):
            near(there.roots()[i], hands[0].predicted(hands[0].recalibrated(copy.deepcopy(network))))


# Again, and with other choices


def test_the_same_command_again_skips_and_other_choices_are_refused(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    words = "digits_all_line", "--positions", 0, 1
    sample(folder, *words)
    before = stages.times(folder / "predictions")
    assert "sampling: 0 done, 1 skipped (already complete), 0 failed" in sample(folder, *words)
    code, text = run(SAMPLE, folder, "digits_all_line")
    assert code == 1 and "preds_0.h5 was stored with other choices (positions); delete it to store these" in text
    assert stages.times(folder / "predictions") == before
    expected = stages.contents(folder, "predictions/*/*.h5")
    (path,) = folder.glob("predictions/*/*.h5")
    path.unlink()
    sample(folder, *words)
    assert stages.contents(folder, "predictions/*/*.h5") == expected


def test_predictions_of_a_run_that_was_trained_anew_are_noticed(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    sample(folder, "digits_all_line", "--positions", 0, 1)
    path = folder_of(folder, "digits_all_line") / "run.json"
    record = json.loads(path.read_text())
    record["config"]["beta"] = 3.0
    path.write_text(json.dumps(record))
    code, text = run(SAMPLE, folder, "digits_all_line", "--positions", 0, 1)
    assert code == 1 and "was made from a run with other settings than" in text and "delete it" in text


# What is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("digits_all",), "was not trained by experiments.subspaces; store its predictions with python -m supervised_"),
        (("digits_all_line", "--positions", 1.5), "--positions 1.5: expected numbers from 0 to 1"),
        (("digits_all_line", "--positions", "nan"), "--positions nan: expected numbers from 0 to 1"),
        (("digits_all_line", "--positions", 1, 0), "--positions: expected increasing numbers"),
        (("digits_all_line", "--checkpoint", 9), "--checkpoint 9: "),
        (("digits_all_line", "--checkpoint", 9), "digits_all_line/seed_0 has the checkpoints 0 to 3"),
        (("digits_all_line", "--checkpoint", "first"), "--checkpoint 'first': expected numbers from 0, or last"),
        (("digits_all_line", "--checkpoint", "-1"), "--checkpoint '-1': expected numbers from 0, or last"),
        (("digits_all_line", "--average", "swa"), "digits_all_line is a line; --average swa is of kind point"),
        (("digits_all_simplex3", "--average", "soup"), "digits_all_simplex3 is a simplex; --average soup is of kind"),
        (("digits_all_line", "--corruption", "fog", "--severity", 1), "unknown corruption 'fog'"),
        (("digits_all_line", "--corruption", "noise", "--severity", 6), "severity 6 of noise: expected 1, 2, 3, 4, 5"),
        (("digits_all_line", "--corruption", "noise"), "--corruption and --severity belong together"),
        (("digits_all_line", "--severity", 3), "--corruption and --severity belong together"),
        (
            ("digits_all_line", "--corruption", "noise", "--severity", 1, "--images", "training"),
            "--corruption is of evaluation images; leave out --images training",
        ),
        (
            ("digits_all_line", "--imprint", "--images", "validation"),
            "--imprint is of evaluation images; leave out --images validation",
        ),
        (("digits_all_line", "--middle", "--checkpoint", 1), "--middle takes all checkpoints of a run; leave out"),
        (("digits_all_simplex3", "--steps", 1), "--steps is 1, expected at least 2"),
        (
            ("digits_all_point", "--seed", 0, "--average", "swag", "--draws", 1),
            "--draws is 1, expected at least 2",
        ),
        (
            ("digits_all_point", "--average", "swa", "--as-trained"),
            "--as-trained: an average of weights has no statistics of its own; leave it out",
        ),
        (
            ("digits_all_point", "--average", "swa", "--checkpoint", 1),
            "--average swa knows which checkpoints it takes; leave out --checkpoint",
        ),
        (
            ("digits_all_point_clean", "--average", "swag"),
            "digits_all_point_clean: its rate is cosine and its schedule geometric; averages of weights are of",
        ),
        (("digits_all_line", "--seed", 7), "digits_all_line/seed_7 holds no run; train it with python -m "),
        (("digits_all_lime",), "there is no run 'digits_all_lime', nor a configuration; did you mean digits_all_line?"),
    ],
)
def test_what_cannot_be_sampled(trained, words, message):
    code, text = run(SAMPLE, trained, *words)
    assert code == 1 and message in text


def test_runs_that_are_not_complete_or_damaged(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    line, simplex = (folder_of(folder, f"digits_all_{name}") for name in ("line", "simplex3"))
    shutil.copy(line / "ckpt" / "2_0.pth", simplex / "ckpt" / "2_0.pth")
    code, text = run(SAMPLE, folder, "digits_all_simplex3")
    assert code == 1 and "2_0.pth does not fit the network: missing ['vertices.2." in text
    (line / "ckpt" / "2_0.pth").unlink()
    code, text = run(SAMPLE, folder, "digits_all_line")
    assert code == 1 and "1 of 4 checkpoints missing (2_0.pth, ...)" in text
    assert "go on with python -m experiments.subspaces.01_training.train_subspace digits_line" in text
    (simplex / "ckpt" / "2_0.pth").write_bytes(b"nothing")
    code, text = run(SAMPLE, folder, "digits_all_simplex3")
    assert code == 1 and "2_0.pth is not a complete checkpoint" in text
    assert not list(folder.glob("predictions/*/*.h5"))


@pytest.mark.parametrize("average", ["soup", "between"])
def test_what_is_of_several_seeds(trained, tmp_path, average):
    folder = shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    code, text = run(SAMPLE, folder, "digits_all_point", "--seed", 0, "--average", average)
    assert code == 1 and f"digits_all_point: --average {average} takes several seeds; there is one" in text
    words = "digits_all_point", "--average", average
    sample(folder, *words, "--seed", 0, 1)
    assert "0 done" in sample(folder, *words, "--seed", 0, 1)
    code, text = run(SAMPLE, folder, *words)  # of three
    assert code == 1 and "preds_0.h5 was stored with other choices (seeds); delete it to store these" in text


def test_draws_around_a_single_network(tmp_path):
    done(TRAIN, tmp_path, "digits_point", **{**FAST, **SWA, "averaged_from": 0.9})
    code, text = run(SAMPLE, tmp_path, "digits_all_point", "--average", "swag")
    assert code == 1 and "digits_all_point: --average swag takes several checkpoints; its average is of one" in text
    sample(tmp_path, "digits_all_point", "--average", "swa")


def test_runs_without_images_held_out(tmp_path):
    done(
        TRAIN, tmp_path, "digits_point", "--seed", 0, 1, validation_images=0, epochs=1, warmup_epochs=0, batch_size=400
    )
    for words in (("--average", "soup"), ("--images", "validation")):
        code, text = run(SAMPLE, tmp_path, "digits_all_point", *words)
        assert code == 1 and "digits_all_point: " in text and "--validation_images" in text


def test_one_run_that_fails_does_not_stop_the_others(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    code, text = run(SAMPLE, folder, "digits_all", "digits_all_line", "--positions", 0, 1)
    assert code == 1 and "sampling: 1 done, 0 skipped (already complete), 1 failed" in text


@pytest.mark.parametrize("name", ["line", "simplex3"])
def test_store_predictions_says_which_command_stores_a_subspace(trained, name):
    code, text = run(STORE, trained, f"digits_all_{name}")
    assert (
        code == 1
        and (
            f"holds no single networks; store its predictions with python -m experiments.subspaces.02_sampling."
            f"sample_subspace digits_all_{name} --seed 0 --checkpoints-folder {trained}/checkpoints"
        )
        in text
    )


def test_names_of_files():
    names = {
        "r_head": {},
        "r": {"imprint": True},
        "r_middle_head": {"middle": True},
        "r_swa_head": {"average": "swa"},
        "r_as_trained_head": {"as_trained": True},
        "r_validation_head": {"images": "validation"},
        "r_blur3_head": {"corruption": "blur", "severity": 3},
        "r_as_trained_blur3": {"corruption": "blur", "severity": 3, "as_trained": True, "imprint": True},
    }
    assert [Choices(**choices).name("r") for choices in names.values()] == list(names)
    assert Choices().name("r", 4) == "r_at_4_head" and Choices(imprint=True).name("r", 0) == "r_at_0"
    with pytest.raises(InputError, match="--positions -1"):
        Choices(positions=(-1.0, 1.0))
