"""For the tests: what runs leave, compared; processes that train together; stages in the process of a test."""

import contextlib
import io
import signal
import socket
import sys

import numpy as np
import torch

from info_geometry import predictions
from info_geometry.files import InputError
from learning import data, networks
from learning.runs import weights
from tests.support import stages
from tests.support.stages import SMALL, TRAIN, Stage, until

TINY = {"epochs": 1, "warmup_epochs": 0, "batch_size": 400, "checkpoints": 3}  # 2 steps
AS_YOU_GO = "--imprint-as-you-go"
EPOCHS = {
    "epochs": 5,
    "warmup_epochs": 1,
    "batch_size": 100,
    "schedule": "epochs",
    "dense_epochs": 1,
    "per_epoch": 2,
    "augmentation": "crop_flip",
    "learning_rate": 0.2,
}


def folder_of(folder, name="digits_all", seed=0):
    return folder / "checkpoints" / name / f"seed_{seed}"


def module(script):
    return script.removesuffix(".py").replace("/", ".")


def mtimes(folder):
    return {path: time for path, time in stages.times(folder).items() if not path.startswith("output_")}


def options(settings):
    return [word for key, value in settings.items() for word in (f"--{key}", value)]


def same_runs(one, other):
    """Assert that two folders hold the same runs: checkpoints, states, logs and predictions, bit for bit."""
    assert stages.contents(one, "**/ckpt/*.pth") == stages.contents(other, "**/ckpt/*.pth") != {}
    assert stages.contents(one, "**/*.h5") == stages.contents(other, "**/*.h5")
    for path in one.glob("checkpoints/*/seed_*"):
        twin = other / path.relative_to(one)
        assert stages.log_lines(path) == stages.log_lines(twin)
        states = [weights.load(x / "last.pth") for x in (path, twin)]
        assert states[0]["step"] == states[1]["step"] and torch.equal(states[0]["since"], states[1]["since"])
        equal(states[0]["network"], states[1]["network"])
        for group, other_group in zip(states[0]["optimiser"]["param_groups"], states[1]["optimiser"]["param_groups"]):
            assert group == other_group
        for one_state, other_state in zip(
            states[0]["optimiser"]["state"].values(), states[1]["optimiser"]["state"].values()
        ):
            equal(one_state, other_state)


def same_predictions(one, other):
    """Assert that two folders hold the same predictions, in files that are sound, whatever way they were made."""
    there = {path.relative_to(folder) for folder in (one, other) for path in folder.glob("predictions/*/*.h5")}
    assert there
    for path in there:
        a, b = (predictions.open_trajectory(folder / path) for folder in (one, other))
        assert a.attributes == b.attributes and a.shape == b.shape  # data_sha256 among them
        assert np.array_equal(a.t, b.t) and np.array_equal(a.labels, b.labels)
        for trajectory in (a, b):
            assert ": sound" in predictions.check(trajectory.path)


def load_weights(path, network):
    """Put the weights in a file into a network."""
    weights.fit(weights.load(path), network, path)


def equal(one, other):
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def parts(folder):
    return sorted(path.name for path in (folder_of(folder) / "ckpt").glob("*"))


def interrupted(folder, *arguments, lines=4, number=signal.SIGTERM):
    """Train until the log has so many more lines, and stop."""
    before = len(stages.log_lines(folder_of(folder)))
    stage = Stage(TRAIN, folder, "digits", *arguments, **SMALL)
    until(lambda: len(stages.log_lines(folder_of(folder))) >= before + lines)
    stage.send(number)
    return stage.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def together_environments(world):
    """Return what torchrun would tell its processes."""
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(world)]


def together(folder, *arguments, world=2, script=TRAIN, **overrides):
    """Start the processes that torchrun would."""
    return [
        Stage(script, folder, *arguments, environment=environment, **overrides)
        for environment in together_environments(world)
    ]


def all_done(group):
    """Return the outputs of processes that must succeed."""
    outcomes = [stage.wait() for stage in group]
    assert [code for code, _ in outcomes] == [0] * len(group), outcomes
    return [text for _, text in outcomes]


def main(monkeypatch, script, folder, *arguments, images=None, **overrides):
    """Run a stage in this process, on given images {split: images} where a split has some.

    Returns (exit code, stdout, stderr).
    """
    load = data.load
    words = ["--checkpoints-folder", folder / "checkpoints", "--predictions", folder / "predictions", *arguments]
    words += options(overrides)
    out, error, threads = io.StringIO(), io.StringIO(), torch.get_num_threads()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    with monkeypatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        torch.set_num_threads(1)
        if images:
            patch.setattr(data, "load", lambda dataset, split, place: images.get(split) or load(dataset, split, place))
        try:
            code = stages.script(script).main(list(map(str, words)))
        except InputError as failure:
            code, _ = 1, print(f"error: {failure}", file=sys.stderr)
        finally:
            torch.set_num_threads(threads)
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return code, out.getvalue(), error.getvalue()


def shades(labels, seed=0):
    """Return images of 8 x 8 pixels that are noise around a brightness of their class, of 10."""
    rng = np.random.default_rng(seed)
    pixels = 20 + 23 * labels[:, None, None, None] + rng.integers(-8, 9, (len(labels), 1, 8, 8))
    return data.TensorImages(torch.from_numpy(pixels.astype(np.uint8)), labels, 10, [128.0], [70.0])


def direct_accuracy(path, classes):
    """Return the accuracy of the weights in a file on the test digits of some classes, in float64."""
    digits, network = data.load("digits", "test", ""), networks.build("small_cnn", 1, 8, len(classes), 0).eval()
    load_weights(path, network)
    chosen = np.isin(digits.labels, classes)
    pixels = (digits.pixels[torch.from_numpy(chosen)].double() - 4.88) / 6.02
    with torch.inference_mode():
        logits = network.double()(pixels) + network(pixels.flip(3))
    return np.mean(np.array(classes)[logits.argmax(dim=1)] == digits.labels[chosen])
