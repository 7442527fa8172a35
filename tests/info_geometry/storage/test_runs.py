"""Which files a picture is made of: their data set, their labels, and what says which model is which."""

import shutil

import h5py
import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.files import InputError
from info_geometry.storage import names, runs
from tests.support.synthetic import labels_of, random_models, write_runs


@pytest.fixture
def published(tmp_path):
    """Write two runs in the published layout, which hold no labels; return their folder."""
    for i, task in enumerate(("all", "vert")):
        (tmp_path / f"imagenet_{task}").mkdir()
        with h5py.File(tmp_path / f"imagenet_{task}" / "preds_0.h5", "w") as file:
            models = random_models(np.random.default_rng(i), 3, 20, 4).astype(np.float16)
            file.create_dataset("data", data=models)
    return tmp_path


def test_the_data_set_is_what_files_say_and_else_what_the_name_begins_with():
    assert names.dataset("imagenet_vert") == names.dataset("imagenet_vert", {}) == "imagenet"
    assert names.dataset("all") == "all"
    assert names.dataset("mine_all", {"dataset": "fashion"}) == "fashion"


def test_runs_of_a_data_set_are_found_by_what_their_files_say(tmp_path):
    write_runs(tmp_path, T=2)
    write_runs(tmp_path, "digits", T=2)
    (tmp_path / "toy_even").rename(tmp_path / "smaller_even")
    found, name = runs.find(tmp_path, name="toy")
    assert name == "toy" and [x.run for x in found] == ["smaller_even"] * 2 + ["toy_all"] * 2
    found, name = runs.find(tmp_path, ["smaller*", "toy*"])
    assert name == "toy" and len(found) == 4


def test_a_damaged_file_of_another_run_is_none_of_ours(tmp_path):
    write_runs(tmp_path, T=2)
    (tmp_path / "digits_all").mkdir()
    (tmp_path / "digits_all" / "preds_0.h5").write_bytes(b"damaged")
    assert len(runs.find(tmp_path, name="toy")[0]) == 4
    with pytest.raises(InputError, match="is not a complete trajectory file"):
        runs.find(tmp_path, name="digits")


def test_trajectories_come_with_the_labels_in_their_files(tmp_path):
    labels = write_runs(tmp_path, T=2)
    for x in runs.find(tmp_path)[0]:
        assert x.labels.tolist() == labels.tolist() and x.labels_path is None


def test_labels_beside_files_are_attached_and_say_where_they_lie(published):
    path = published / "labels" / "imagenet_val_labels.npy"
    found = runs.find(published)[0]
    assert all(x.labels is None and x.labels_path == path for x in found)
    without = runs.identity(found)
    path.parent.mkdir()
    np.save(path, labels_of(20, 4).astype(np.float32))
    found = runs.find(published)[0]
    assert all(x.labels.tolist() == labels_of(20, 4).tolist() and x.labels_path == path for x in found)
    assert all(x.select([0]).labels is x.labels for x in found)
    assert runs.identity(found) != without, "other labels, another picture"
    np.save(path, labels_of(19, 4))
    with pytest.raises(InputError, match=r"val_labels.npy, labels of .*all.*: expected 20 labels, whole"):
        runs.find(published)


def test_identity_is_of_the_contents(tmp_path):
    write_runs(tmp_path / "a", T=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    one, same = (runs.identity(runs.find(tmp_path / folder)[0]) for folder in "ab")
    assert one == same
    path = tmp_path / "b" / "toy_all" / "preds_0.h5"
    predictions.write(path, random_models(np.random.default_rng(9), 2, 60, 5), labels=labels_of(60, 5))
    assert runs.identity(runs.find(tmp_path / "b")[0]) != one


def test_the_index_says_which_model_is_which(tmp_path):
    write_runs(tmp_path, T=3)
    index = runs.index(runs.find(tmp_path, seeds=[1])[0])
    assert index["run"].tolist() == ["toy_all"] * 3 + ["toy_even"] * 3 and index["seed"].tolist() == [1] * 6
    assert index["checkpoint"].tolist() == [0, 1, 2] * 2 and index["t"].tolist() == [1, 2, 4] * 2


def test_an_exact_name_is_no_pattern(tmp_path):
    models = random_models(np.random.default_rng(0), 2, 20, 4)
    for i, run in enumerate(("mine_layers=[2,2]", "mine_layers=2", "mine_b")):
        predictions.write(tmp_path / run / "preds_0.h5", models[:, ::-1] if i else models, labels=labels_of(20, 4))
    assert [x.run for x in runs.find(tmp_path, ["mine_layers=[2,2]"])[0]] == ["mine_layers=[2,2]"]
    assert [x.run for x in runs.find(tmp_path, ["mine_layers=[2]"])[0]] == ["mine_layers=2"]
