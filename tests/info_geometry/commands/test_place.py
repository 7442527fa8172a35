"""inpca.py RUN ... --into NAME: runs placed in a picture that is there."""

import numpy as np
import pytest

from info_geometry import distance, predictions
from info_geometry import inpca as inpca_geometry
from info_geometry.commands import inpca
from tests.support.synthetic import random_models, write_runs

pytestmark = pytest.mark.usefixtures("undrawn")


def trajectories(folder, *runs):
    return [predictions.open_trajectory(folder / run / f"preds_{seed}.h5") for run in runs for seed in (0, 1)]


@pytest.fixture(params=[[], ["--landmarks", 16]], ids=["all", "landmarks"])
def picture(request, folder, command):
    """Make a picture of two of four runs; return its embedding and the path of it."""
    write_runs(folder, tasks=("all", "even", "odd", "low"), T=5)
    assert command(inpca, "toy_all", "toy_even", "--name", "two", *request.param)[0] == 0
    path = folder / "embedding" / "two.npz"
    return inpca_geometry.load(path), path


def test_placed_runs_are_where_transform_puts_them(tmp_path, folder, command, picture):
    embedding, path = picture
    before = path.read_bytes()
    code, out, err = command(inpca, "toy_odd", "--into", "two")
    assert code == 0, err
    assert "10 models of 2 trajectories placed among 20, which stay where they are" in out
    assert path.read_bytes() == before and (tmp_path / "plots" / "two_placed" / "inpca.html").exists()
    both = inpca_geometry.load(folder / "embedding" / "two_placed.npz")
    there, new = trajectories(folder, "toy_all", "toy_even"), trajectories(folder, "toy_odd")
    D = distance.cross(new, there)
    D = D if embedding.landmarks is None else D[:, embedding.landmarks]
    assert np.array_equal(both.coordinates[:20], embedding.coordinates)
    np.testing.assert_allclose(both.coordinates[20:], embedding.transform(D), atol=1e-12)
    assert both.index["run"].tolist() == ["toy_all"] * 10 + ["toy_even"] * 10 + ["toy_odd"] * 10
    np.testing.assert_allclose(both.transform(D), embedding.transform(D), atol=1e-12)
    assert both.explained_stress(2) == pytest.approx(embedding.explained_stress(2))
    assert "skipped" in command(inpca, "toy_odd", "--into", "two")[1]


def test_runs_are_placed_in_a_picture_with_placed_runs(folder, command, picture):
    assert command(inpca, "toy_odd", "--into", "two")[0] == 0
    assert command(inpca, "toy_low", "--into", "two_placed", "--name", "four")[0] == 0
    assert command(inpca, "toy_low", "--into", "two", "--name", "three")[0] == 0
    four, three = (inpca_geometry.load(folder / "embedding" / f"{name}.npz") for name in ("four", "three"))
    np.testing.assert_allclose(four.coordinates[30:], three.coordinates[20:], atol=1e-9)


def test_the_stress_of_placed_models_is_that_of_their_rows():
    D = distance.pairwise([random_models(np.random.default_rng(0), 12, 40, 5)])
    embedding = inpca_geometry.fit(D, 11)
    W = inpca_geometry.Centred(D).rows()
    signs = np.where(embedding.imaginary[:11], -1, 1)
    for k in (1, 3, 11):
        x = embedding.coordinates[:, :k]
        rest = W - x * signs[:k] @ x.T
        assert embedding.placed_stress(D, 11)[k - 1] == pytest.approx(
            1 - np.sqrt((rest**2).sum() / (W**2).sum()), abs=1e-6
        )
    np.testing.assert_allclose(embedding.placed_stress(D, 5), embedding.explained_stress()[:5], atol=1e-9)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["toy_odd", "--into", "three"], "embedding/three.npz: no such file; make it with: "),
        (["toy_even", "--into", "two"], "toy_even is in the picture two; place other runs"),
        (["--into", "two"], "--into two: say which runs to place in it: inpca.py RUN ... --into NAME"),
        (["toy_odd", "--into", "two", "--name", "two"], "--name two is that of the picture which stays as it is"),
        (["toy_odd", "--into", "two", "--landmarks", "9"], "leave --published, --landmarks, "),
        (["toy_odd", "--into", "two", "--by-run"], "leave --published, --landmarks, --by-run, "),
        (["toy_none", "--into", "two"], "has no run 'toy_none'"),
    ],
)
def test_bad_input(command, picture, arguments, message):
    code, out, err = command(inpca, *arguments)
    assert code == 1 and out == "" and message in err


def test_a_picture_whose_files_have_changed(folder, command, picture):
    file = folder / "toy_even" / "preds_1.h5"
    old = predictions.open_trajectory(file)
    models = random_models(np.random.default_rng(9), 5, 60, 5)
    predictions.write(file, models, labels=old.labels, t=old.t, overwrite=True, dataset="toy")
    code, _, err = command(inpca, "toy_odd", "--into", "two")
    assert code == 1 and "has no longer the predictions that" in err
    predictions.write(file, models[:4], labels=old.labels, overwrite=True, dataset="toy")
    code, _, err = command(inpca, "toy_odd", "--into", "two")
    assert code == 1 and f"{file} holds other checkpoints than" in err
    file.unlink()
    code, _, err = command(inpca, "toy_odd", "--into", "two")
    assert code == 1 and "has no seed 1, which" in err
