"""inpca.py: what it writes and prints, of our predictions and of a published embedding."""

import pickle
import re

import numpy as np
import pytest

from info_geometry import distance, predictions
from info_geometry import inpca as inpca_geometry
from info_geometry.commands import inpca, picture
from info_geometry.embedding import landmarks
from info_geometry.trajectory import summarise
from tests.support.commands import INPCA_FIGURES, figures
from tests.support.synthetic import labels_of, training, write_runs


@pytest.mark.usefixtures("undrawn")
def test_inpca(tmp_path, folder, command):
    labels = write_runs(folder, seeds=(0, 3), tasks=("all", "even", "odd"), T=4)
    code, out, _ = command(inpca)
    assert code == 0 and "24 models, 60 samples, 5 classes" in out
    embedding = inpca_geometry.load(folder / "embedding" / "toy.npz")
    assert embedding.coordinates.shape == (24, 10)
    index = embedding.index
    assert index["run"].tolist() == ["toy_all"] * 8 + ["toy_even"] * 8 + ["toy_odd"] * 8
    assert index["seed"].tolist() == ([0] * 4 + [3] * 4) * 3 and index["checkpoint"].tolist() == [0, 1, 2, 3] * 6
    assert index["t"].tolist() == [1, 2, 4, 8] * 6
    opened = predictions.open_trajectory(folder / "toy_all" / "preds_3.h5")
    summary = summarise(opened, labels)
    np.testing.assert_allclose(index["progress"][4:8], summary.progress)
    np.testing.assert_allclose(index["accuracy"][4:8], summary.accuracy)
    printed = re.search(r"explained stress of 1\.\.5 axes: ([\d. ]+)", out)[1].split()
    assert printed == [f"{s:.4f}" for s in embedding.explained_stress()[:5]]
    assert all((tmp_path / "plots" / "toy" / name).exists() and name in out for name in figures(*INPCA_FIGURES))
    again = command(inpca)
    assert again[0] == 0 and "skipped (already complete" in again[1] and printed[0] in again[1]


def test_bootstrap_and_landmarks(folder, command):
    write_runs(folder)
    code, _, err = command(inpca, "--bootstrap", "--landmarks", 12)
    assert code == 1 and "--bootstrap needs all distances" in err


@pytest.mark.usefixtures("undrawn")
def test_models_of_different_seeds_that_coincide_are_reported(folder, command):
    """Not copies of files, but equal models all the same: say, a seed that did not reach the initial weights."""
    labels = labels_of(60, 5)
    for seed in (0, 1):
        models = training(np.random.default_rng(seed), labels, 5, T=6)
        models[:5] = training(np.random.default_rng(9), labels, 5, T=6)[:5]
        predictions.write(folder / "toy_all" / f"preds_{seed}.h5", models, labels=labels)
    code, _, err = command(inpca)
    assert code == 0 and "warning: toy_all: seeds 0 and 1 coincide at checkpoints 0 and 0 (distance 0)" in err
    assert "... and 2 more pairs of models of different seeds" in err


def test_models_that_are_near_are_not_taken_for_equal(caplog):
    """As float32 might: at a distance of 1e-8, which it may say is 0."""
    a = np.full((1, 50, 4), 0.25)
    b = a + 2e-4 * np.array([1, -1, 1, -1]) * (np.arange(50) % 10 == 0)[:, None]
    exact = distance.pairwise([np.concatenate([a, b])])[0, 1]
    assert 1e-9 < exact < 3e-8
    index = {"run": np.array(["toy"] * 3), "seed": np.array([0, 1, 2]), "checkpoint": np.array([0, 0, 0])}
    picture.report_coincidences([a, b, a], np.arange(3), np.zeros((3, 3)), index)
    assert [record.getMessage() for record in caplog.records] == [
        "warning: toy: seeds 0 and 2 coincide at checkpoints 0 and 0 (distance 0)"
    ]


@pytest.fixture
def embedding(tmp_path):
    """The path of an embedding in the published layout: three tasks, two seeds, five checkpoints."""
    rng, path = np.random.default_rng(0), tmp_path / "their_inpca.pkl"
    values = rng.normal(size=30)
    values = values[np.argsort(-abs(values))]
    path.write_bytes(
        pickle.dumps(
            {
                "eigen_values": values,
                "imaginary": values < 0,
                "inpca_embedding": [rng.normal(size=(2, 5, 3)) for _ in range(3)],
            }
        )
    )
    return path


@pytest.mark.usefixtures("undrawn")
def test_published_embedding(tmp_path, command, embedding):
    names = ["imagenet_all", "imagenet_3rd", "imagenet_instr"]
    code, out, _ = command(inpca, "--published", embedding, "--names", *names)
    assert code == 0 and re.search(r"^30 models\nexplained stress of 1\.\.5 axes: ", out)
    written = {path.name for path in (tmp_path / "plots" / "their_inpca").iterdir()}
    assert written >= {"inpca.html", *figures("inpca_3d", "inpca_axes", "spectrum")}
    text = (tmp_path / "plots" / "their_inpca" / "inpca.html").read_text(encoding="utf-8")
    assert '"name":"all"' in text and '"name":"instr"' in text and "task_" not in text
    assert "skipped" in command(inpca, "--published", embedding, "--names", *names)[1]
    code, out, _ = command(inpca, "--published", embedding, "--name", "theirs")
    assert code == 0 and (tmp_path / "plots" / "theirs" / "inpca.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--published", "missing.pkl"], "missing.pkl: no such file"),
        (["--published", "EMBEDDING", "toy_all"], "leave out runs and --seeds"),
        (["--published", "EMBEDDING", "--seeds", "0"], "leave out runs and --seeds"),
        (["--published", "EMBEDDING", "--names", "a", "b", "c", "d"], "holds 3 tasks, but 4 names were given"),
        (["--names", "a"], "give that file as well"),
    ],
)
def test_published_embedding_and_what_does_not_go_with_it(command, embedding, arguments, message):
    code, _, err = command(inpca, *[embedding if x == "EMBEDDING" else x for x in arguments])
    assert code == 1 and message in err


@pytest.mark.usefixtures("undrawn")
def test_landmarks(tmp_path, command):
    write_runs(tmp_path / "predictions", T=12)
    code, out, err = command(inpca, "--landmarks", 20)
    assert code == 0, err
    assert "48 models, 60 samples, 5 classes; 20 landmarks" in out
    line = re.search("estimated explained stress of 1..5 axes: .*", out)[0]
    pairs = re.findall(r"(\d\.\d{4}) \+- (0\.\d+|0|\de-\d+)[ ,]", line)
    assert len(pairs) == 5
    embedding = inpca_geometry.load(tmp_path / "predictions" / "embedding" / "toy.npz")
    assert embedding.coordinates.shape == (48, 10) and len(embedding.index["run"]) == 48
    np.testing.assert_array_equal(embedding.landmarks, landmarks.choose(20, 48))
    assert [f"{s:.4f}" for s in embedding.explained_stress()[:5]] == [stress for stress, _ in pairs]
    written = {path.name for path in (tmp_path / "plots" / "toy").glob("*.png")}
    assert written == {"distances.png", "inpca_3d.png", "inpca_axes.png", "spectrum.png"}
    assert "skipped (already complete" in command(inpca, "--landmarks", 20)[1]
    assert "skipped" not in command(inpca, "--landmarks", 21)[1] and "skipped" not in command(inpca)[1]


def test_each_run_of_each_seed_has_its_share_of_landmarks(tmp_path, command):
    write_runs(tmp_path / "predictions", T=12, seeds=(0, 1, 2))
    assert command(inpca, "--landmarks", 20)[0] == 0
    code, out, err = command(inpca, "--landmarks", 20, "--by-run")
    assert code == 0 and "skipped" not in out, err
    embedding = inpca_geometry.load(tmp_path / "predictions" / "embedding" / "toy.npz")
    assert sorted(np.bincount(embedding.landmarks // 12)) == [3, 3, 3, 3, 4, 4]
    assert "skipped" in command(inpca, "--landmarks", 20, "--by-run")[1]
    assert "say how many with --landmarks M" in command(inpca, "--by-run")[2]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--landmarks", 49], "49 landmarks among 48 models: expected 2 to 48"),
        (["--landmarks", 1], "expected 2 to 48"),
        (["--landmarks", "few"], "invalid int value"),
    ],
)
def test_bad_numbers_of_landmarks(tmp_path, command, arguments, message):
    write_runs(tmp_path / "predictions", T=12)
    code, _, err = command(inpca, *arguments)
    assert code and message in err
