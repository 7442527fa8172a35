"""Stage 2 of any run: what files say of its networks, computed directly from checkpoints."""

import itertools
import json
import math
import shutil
import signal

import numpy as np
import pytest
import torch

from experiments.weight_information import bounds, invariance
from experiments.weight_information.config import of_run
from info_geometry import predictions
from learning import data, fisher, networks
from learning.noise import noisy
from learning.runs import run as runs
from learning.runs import weights
from learning.split import split
from learning.variational import Variational
from tests.support import stages
from tests.support.runs import folder_of
from tests.support.stages import STORE, Stage, done, run, until
from tests.support.stages import TRAIN as SUPERVISED

VARIATIONAL = "experiments/weight_information/01_training/train_variational.py"
POINT = "experiments/subspaces/01_training/train_subspace.py"
CONTRASTIVE = "experiments/contrastive/01_training/train_contrastive.py"
INSPECT = "experiments/weight_information/02_predicting/store_information.py"
PREDICT = "experiments/weight_information/02_predicting/store_variational.py"
FEW = ("--images", 20, "--determinant", 4)
ALL = 100  # images that are learned
FAST = {"epochs": 4, "training_images": ALL, "batch_size": 20, "checkpoints": 4, "width": 8}
DRAWN = {**FAST, "kl_warmup": 2, "draws": 3}
ORDINARY = {**FAST, "warmup_epochs": 0.5, "validation_images": 20, "recalibration_images": 10}
NAME, NOISY, STRIPES = (f"digits_all_variational{end}" for end in ("", "_noisy", "_stripes"))
MLP, CNN, PLAIN = "digits_all_point", "digits_all_point_cnn", "digits_all"
TOLD = {"entropy", "trace", "trace_error", "trace_held_out", "trace_at_entropy", "norm", "determinant", "noise", "bits"}
TOLD |= {"determinant_wider", "determinant_narrower", "log_determinant", "cross_entropy", "training_accuracy"}
TOLD |= {"moved", "input_information"}
DRAWS = {"kl", "kl_of_fixed_priors", "cross_entropy_of_draws", "clipped", "test_loss", "test_loss_clipped"}
PLANTED = {"nuisance_distance", "nuisance_distance_at_entropy", "nuisance_entropy"}
PLANTED |= {"nuisance_decoded", "nuisance_decoded_with_noise"}
SAID = {
    NAME: TOLD | DRAWS,
    NOISY: TOLD | DRAWS,
    STRIPES: TOLD | DRAWS | PLANTED,
    MLP: TOLD,
    CNN: TOLD,
    PLAIN: TOLD,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with runs of each kind, of which all is stored; for reading only."""
    found = tmp_path_factory.mktemp("inspected")
    done(VARIATIONAL, found, "digits_variational", "--task", "odd", **{**DRAWN, "epochs": 2})
    done(VARIATIONAL, found, "digits_variational", beta=0.1, **DRAWN)
    settings = {**DRAWN, "learning_rate": 0.01, "initial_log_variance": -5}
    done(VARIATIONAL, found, "digits_variational", "--variant", "noisy", label_noise=0.6, beta=0.01, **settings)
    done(VARIATIONAL, found, "digits_variational", "--variant", "stripes", nuisance="stripes", **DRAWN)
    done(POINT, found, "digits_point", network="mlp_small", label_noise=0.5, **ORDINARY)
    done(POINT, found, "digits_point", "--variant", "cnn", **ORDINARY)
    done(SUPERVISED, found, "digits", epochs=1, warmup_epochs=0, batch_size=400, checkpoints=2, width=4)
    assert "inspecting: 7 done, 0 skipped" in done(INSPECT, found, "*", *FEW)
    return found


@pytest.fixture
def copied(folder, tmp_path):
    """A copy, without what stage 2 stored."""
    return shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))


def stored(folder, name, end="_information"):
    return predictions.open_trajectory(folder / "predictions" / f"{name}{end}" / "preds_0.h5")


def known(folder, name):
    return stored(folder, name).attributes["known"]


def read(folder, name):
    """Return the run of a name, and the paths of its checkpoints."""
    there = runs.read(folder_of(folder, name))
    return there, [there.path(folder_of(folder, name), step) for step in there.schedule]


def variational(folder, name, number):
    there, paths = read(folder, name)
    model = Variational(networks.build("mlp_small", 1, 8, there.classes, 9, 8))
    weights.fit(weights.load(paths[number]), model, paths[number])
    return model


def mean_network(folder, name, number):
    """Return the network of mean weights, or the ordinary one, of a checkpoint."""
    there, paths = read(folder, name)
    network = networks.build(there.config["network"], 1, 8, there.classes, 9, there.config["width"])
    if "variational" in name:
        network.load_state_dict(variational(folder, name, number).mean_network())
    else:
        weights.fit(weights.load(paths[number]), network, paths[number])
    return network.eval()


def draws(folder, name, number, pixels, count=3):
    """Return log probabilities (draws, N, C) of draws of the weights in a checkpoint."""
    model, network, found = variational(folder, name, number), mean_network(folder, name, number), []
    for i in range(count):
        network.load_state_dict(model.draw(int(np.random.SeedSequence([0, 1905, i]).generate_state(1)[0])))
        with torch.no_grad():
            found.append(network(pixels).double().log_softmax(dim=1))
    return torch.stack(found)


def other_images():
    images = data.load("digits", "test", "")
    return (images.pixels.float() - 4.88) / 6.02, torch.from_numpy(images.labels)


def learned(folder, name, validation=0):
    """Return the images that a run of all digits learned, and their outputs."""
    images, said = data.load("digits", "train", ""), read(folder, name)[0].config
    wanted = type("Config", (), {"training_images": ALL, "validation_images": validation, "recalibration_images": 0})
    own = split(images.labels, range(10), wanted)
    outputs = noisy(images.labels, own, 10, said.get("label_noise", 0.0))[own.training]
    return (images.pixels[torch.from_numpy(own.training)].float() - 4.88) / 6.02, torch.from_numpy(outputs)


def direct(network, pixels, outputs):
    with torch.no_grad():
        logs = network(pixels).double().log_softmax(dim=1)
    right = logs[torch.arange(len(outputs)), outputs]
    return -right.mean().item(), (logs.argmax(dim=1) == outputs).double().mean().item()


@pytest.mark.parametrize("name", SAID)
def test_what_is_in_a_file(folder, name):
    there, (of, _) = stored(folder, name), read(folder, name)
    said = there.attributes
    assert there.shape == (len(of.schedule), 599, 10) and ": sound" in predictions.check(there.path)
    assert there.t.tolist() == [of.time(step) for step in of.schedule] and said["t_name"] == "epoch"
    assert said["split"] == "test" and said["predicted_by"] == "head" and said["config"] == of.config
    assert said["choices"] == {"images": 20, "determinant": 4} and said["samples"] == (1198 if name == PLAIN else ALL)
    assert said["known"].keys() == SAID[name]
    for key, values in said["known"].items():
        assert len(values) == len(of.schedule), key
        assert np.isfinite(values[1:] if key == "moved" else values).all(), key
    assert math.isnan(said["known"]["moved"][0])


@pytest.mark.parametrize("name", SAID)
def test_how_far_weights_moved(folder, name):
    count = len(read(folder, name)[1])
    every = [mean_network(folder, name, k).parameters() for k in range(count)]
    flat = [torch.nn.utils.parameters_to_vector(each).detach() for each in every]
    expected = [float((b.double() - a.double()).square().sum()) for a, b in itertools.pairwise(flat)]
    assert known(folder, name)["moved"][1:] == pytest.approx(expected, rel=1e-10) and min(expected) > 0


@pytest.mark.parametrize("name", [NAME, NOISY, MLP, CNN])
def test_images_that_are_learned(folder, name):
    pixels, outputs = learned(folder, name, 20 if name in (MLP, CNN) else 0)
    found = known(folder, name)
    for number in range(4):
        cross_entropy, accuracy = direct(mean_network(folder, name, number), pixels, outputs)
        assert found["cross_entropy"][number] == pytest.approx(cross_entropy, rel=1e-6)
        if name in (NAME, NOISY):  # of the mean prediction
            mean = draws(folder, name, number, pixels).exp().mean(dim=0)
            accuracy = (mean.argmax(dim=1) == outputs).double().mean().item()
        assert found["training_accuracy"][number] == pytest.approx(accuracy)


@pytest.mark.parametrize("name", [NAME, STRIPES])
def test_kl_of_priors(folder, name):
    for number in (0, -1):
        model, kl = variational(folder, name, number), 0.0
        state = {key: w.double() for key, w in model.state_dict().items()}
        for key, w in state.items():
            if ".mean." in key:
                layer, own = key.split(".mean.")
                log_prior, log_variance = state[f"{layer}.log_prior"], state[f"{layer}.log_variance.{own}"]
                squares = (w.square() + log_variance.exp()) / log_prior.exp()
                kl += 0.5 * float((squares - 1 + log_prior - log_variance).sum())
        assert known(folder, name)["kl"][number] == pytest.approx(kl, rel=1e-5)
        assert known(folder, name)["kl_of_fixed_priors"][number] == bounds.kl_of_fixed_priors(model)
        assert kl < bounds.kl_of_fixed_priors(model) < kl + 2 * math.log(len(bounds.GRID)) + 5


@pytest.mark.parametrize("name", [NAME, NOISY])
def test_losses_of_draws(folder, name):
    (pixels, outputs), (others, labels) = learned(folder, name), other_images()
    found, share = known(folder, name), read(folder, name)[0].config["label_noise"]
    for number in (0, 2, -1):
        losses = -draws(folder, name, number, pixels)[:, torch.arange(ALL), outputs]
        assert found["cross_entropy_of_draws"][number] == pytest.approx(losses.mean().item(), rel=1e-5)
        more = -draws(folder, name, number, pixels, bounds.DRAWS)[:, torch.arange(ALL), outputs]
        assert found["clipped"][number] == pytest.approx(more.clamp(max=math.log(10)).mean().item(), rel=1e-5)
        every = -draws(folder, name, number, others)
        right = every[:, torch.arange(len(labels)), labels]
        for key, most in (("test_loss", math.inf), ("test_loss_clipped", math.log(10))):
            # each label is as likely, where it is random
            expected = (1 - share) * right.clamp(max=most).mean() + share / 10 * every.clamp(max=most).sum(2).mean()
            assert found[key][number] == pytest.approx(expected.item(), rel=1e-5)
        assert found["test_loss_clipped"][number] < found["test_loss"][number]


def test_losses_of_a_task_are_of_images_of_its_classes(folder):
    others, labels = other_images()
    chosen = labels % 2 == 1
    found, name = known(folder, "digits_odd_variational"), "digits_odd_variational"
    every = -draws(folder, name, -1, others[chosen])
    expected = every[:, torch.arange(int(chosen.sum())), labels[chosen] // 2].mean().item()
    assert found["test_loss"][-1] == pytest.approx(expected, rel=1e-5)
    assert every.shape[2] == 5 and not stored(folder, name).roots()[:, :, ::2].any()


@pytest.mark.parametrize("name", [NOISY, MLP, CNN])
def test_the_fisher_information_of_all_images(copied, name):
    """With as many images as there are, which of them are taken plays no part."""
    done(INSPECT, copied, name, "--images", 599, "--determinant", 2)
    found, (pixels, outputs) = known(copied, name), learned(copied, name, 20 if name in (MLP, CNN) else 0)
    others, _ = other_images()
    for number in (0, -1):
        network = mean_network(copied, name, number)
        assert found["trace"][number] == pytest.approx(fisher.trace(network, pixels).value, rel=1e-4)
        assert found["trace_held_out"][number] == pytest.approx(fisher.trace(network, others).value, rel=1e-4)
        assert found["input_information"][number] == pytest.approx(
            invariance.input_information(network, others), rel=1e-4
        )
        beta = 0.01 if name == NOISY else 1.0
        if name == NOISY:
            prior = variational(copied, name, number).variances()
        else:
            prior = fisher.prior_variances(mean_network(copied, name, 0))  # of initial weights, at each checkpoint
        expected = fisher.information(network, fisher.diagonal(network, pixels), ALL, prior, beta)
        assert found["norm"][number] == pytest.approx(expected.norm, rel=1e-6)
        assert found["determinant"][number] == pytest.approx(expected.determinant, rel=1e-4)
        assert found["noise"][number] == pytest.approx(fisher.noise_curve(network, pixels, outputs).sigma, rel=2e-3)


def test_nuisances(folder):
    images, there = data.load("digits", "test", ""), read(folder, STRIPES)[0]
    model, network = variational(folder, STRIPES, -1), mean_network(folder, STRIPES, -1)
    expected = invariance.told(model, network, images, of_run(there.config), 0)
    assert {key: known(folder, STRIPES)[key][-1] for key in expected} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", [NAME, STRIPES, MLP, CNN, PLAIN])
def test_predictions_are_those_of_the_other_stages(copied, folder, name):
    done(*((PREDICT, copied, name) if "variational" in name else (STORE, copied, name, "--head")))
    found, other = stored(folder, name), stored(copied, name, "_head")
    assert np.array_equal(found.roots(), other.roots()) and np.array_equal(found.labels, other.labels)
    assert found.t.tolist() == other.t.tolist()


def test_networks_that_know_nothing(tmp_path):
    settings = {**DRAWN, "epochs": 60, "checkpoints": 2, "learning_rate": 0.02, "variance_rate": 0.2}
    done(VARIATIONAL, tmp_path, "digits_variational", beta=1000, **settings)
    done(INSPECT, tmp_path, NAME, *FEW)
    found = known(tmp_path, NAME)
    assert found["cross_entropy_of_draws"][-1] == pytest.approx(math.log(10), abs=0.02)
    temperature = found.pop("trace_at_entropy")[-1]
    assert math.isnan(temperature) or temperature > 0
    assert all(math.isfinite(values[-1]) for values in found.values())


# The same command again


def test_it_is_skipped_the_second_time(copied):
    assert "inspecting: 1 done, 0 skipped" in done(INSPECT, copied, MLP, *FEW)
    before = stages.times(copied / "predictions")
    assert "inspecting: 0 done, 1 skipped" in done(INSPECT, copied, MLP, *FEW)
    assert stages.times(copied / "predictions") == before
    for words, differ in (
        ((), "images, determinant"),
        (("--images", 20), "determinant"),
        ((*FEW, "--images", 9), "images"),
    ):
        code, text = run(INSPECT, copied, MLP, *words)
        assert code == 1 and f"preds_0.h5 was stored with other choices ({differ}); delete it to store these" in text
    assert stages.times(copied / "predictions") == before


@pytest.mark.parametrize("name", [NOISY, MLP])
def test_what_was_not_finished_is_done_again(copied, folder, name):
    target = copied / "predictions" / f"{name}_information" / "preds_0.h5"
    target.parent.mkdir(parents=True)
    (target.parent / ".preds_0.h5.99.tmp").write_text("half")
    assert f"{name}_information seed 0: redoing (found an unfinished write)" in done(INSPECT, copied, name, *FEW)
    assert not list(copied.glob("**/*.tmp"))
    assert target.read_bytes() == stored(folder, name).path.read_bytes()  # the same bits


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_interrupted_goes_on(copied, folder, number):
    stage = Stage(INSPECT, copied, MLP, NAME, *FEW)
    until(lambda: list(copied.glob(f"predictions/{NAME}_information/.preds_0.h5.*.tmp")))
    stage.send(number)
    assert stage.wait()[0] != 0
    assert "inspecting: 1 done, 1 skipped" in done(INSPECT, copied, MLP, NAME, *FEW)
    assert not list(copied.glob("**/*.tmp"))
    for name in (NAME, MLP):
        assert stored(copied, name).path.read_bytes() == stored(folder, name).path.read_bytes()


# What is refused


def test_runs_of_another_kind(tmp_path):
    quick = {"epochs": 1, "warmup_epochs": 0, "checkpoints": 2, "batch_size": 400}
    done(POINT, tmp_path, "digits_line", **quick)
    done(CONTRASTIVE, tmp_path, "digits_simclr", **quick)
    done(SUPERVISED, tmp_path, "digits", "--task", "randomlab", **quick)
    code, text = run(INSPECT, tmp_path, "*")
    assert code == 1 and "0 done, 0 skipped (already complete), 3 failed" in text and text.count("error: ") == 3
    line = "digits_all_line/seed_0 holds no single networks; store its predictions with python -m experiments.subspaces"
    assert line in text
    assert "digits_all_simclr/seed_0: its networks have no head; expected a run that learned to classify\n" in text
    random = "digits_randomlab/seed_0: its networks learned labels that are all random, which are not kept; expected a"
    assert f"{random} run with label_noise: 1" in text
    assert not list(tmp_path.glob("predictions/*/*.h5"))


@pytest.mark.parametrize(
    "words, message",
    [
        (
            (MLP, "--seed", 7),
            "seed_7 holds no run; train it with python -m experiments.subspaces.01_training.train",
        ),
        (
            (NAME, "--seed", 7),
            "seed_7 holds no run; train it with python -m experiments.weight_information.01_training",
        ),
        ((f"{NAME}x",), f"there is no run '{NAME}x', nor a configuration; did you mean {NAME}"),
        (("digits_nothing*",), "has no run 'digits_nothing*'; there are digits_all, digits_all_point"),
        ((MLP, "--images", 0), "--images is 0, expected at least 1"),
        ((MLP, "--determinant", -3), "--determinant is -3, expected at least 1"),
        ((MLP, "--determinant", 3, "--layers"), "--determinant is 3, but --layers computes none; leave out one of"),
    ],
)
def test_what_is_not_there(folder, words, message):
    code, text = run(INSPECT, folder, *words)
    assert code == 1 and message in text and text.count("error: ") == 1


@pytest.mark.parametrize("name", [NOISY, CNN])
def test_a_run_that_is_not_complete(copied, name):
    (folder_of(copied, name) / "ckpt" / "0_1.pth").unlink()
    code, text = run(INSPECT, copied, name, *FEW)
    assert code == 1 and "1 of 4 checkpoints missing (0_1.pth, ...); training did not finish (it is at epoch 4)" in text
    assert "go on with python -m experiments." in text and not list(copied.glob("predictions/*/*.h5"))


def test_files_of_another_run_of_the_same_name(copied):
    done(INSPECT, copied, MLP, *FEW)
    shutil.rmtree(folder_of(copied, MLP))
    done(POINT, copied, "digits_point", network="mlp_small", label_noise=0.25, **ORDINARY)
    code, text = run(INSPECT, copied, MLP, *FEW)
    assert code == 1 and f"{MLP}_information/preds_0.h5 was made from a run with other settings than" in text


def test_checkpoints_that_do_not_fit(copied):
    record = folder_of(copied, NOISY) / "run.json"
    content = json.loads(record.read_text())
    content["config"] |= {"posterior": "isotropic"}
    record.write_text(json.dumps(content))
    code, text = run(INSPECT, copied, NOISY, *FEW)
    assert code == 1 and "0_0.pth holds diagonal, expected the posterior isotropic, which its run has" in text
    assert not list(copied.glob("predictions/*/*.h5"))
    path = folder_of(copied, MLP) / "ckpt" / "0_1.pth"
    shutil.copy(folder_of(copied, CNN) / "ckpt" / "0_1.pth", path)
    code, text = run(INSPECT, copied, MLP, *FEW)
    assert code == 1 and f"{path}" in text and text.count("error: ") == 1


@pytest.mark.parametrize("name", [NAME, MLP, CNN])
def test_layers_alone(copied, name):
    """`--layers`: the parts of tr F, of images learned from and others, and at half a nat; all else is left out."""
    text = done(INSPECT, copied, name, "--layers", "--images", 20)
    assert "1 done" in text and "1 skipped" in done(INSPECT, copied, name, "--layers", "--images", 20)
    there, pixels = stored(copied, name, "_layers"), learned(copied, name, 20 if name in (MLP, CNN) else 0)[0]
    said, found = there.attributes, there.attributes["known"]
    more = {f"{what}{end}" for what in ("trace", "layers") for end in ("", "_held_out", "_at_entropy")}
    assert found.keys() == more | {"entropy", "cross_entropy", "training_accuracy", "moved"}
    assert said["choices"] == {"images": 20} and ": sound" in predictions.check(there.path)
    chosen = torch.from_numpy(np.random.default_rng(0).permutation(ALL)[:20])
    for number in (0, -1):
        network = mean_network(copied, name, number)
        assert said["layers"] == list(fisher.layers(network))
        expected = fisher.trace(network, pixels[chosen], layers=said["layers"])
        assert found["layers"][number] == pytest.approx([x.value for x in expected.values()], rel=1e-4)
        temperature = fisher.temperature_for(network, pixels[chosen], 0.5)
        cooled = fisher.trace(fisher.at_temperature(network, temperature), pixels[chosen])
        assert found["trace_at_entropy"][number] == pytest.approx(cooled.value, rel=1e-4)
        for end in ("", "_held_out", "_at_entropy"):
            assert sum(found[f"layers{end}"][number]) == pytest.approx(found[f"trace{end}"][number], rel=1e-9)
    code, text = run(INSPECT, copied, name, "--layers", "--images", 10)
    assert code == 1 and "was stored with other choices (images)" in text
