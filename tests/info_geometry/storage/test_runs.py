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


def write_named(folder, *names, **attributes):
    for i, name in enumerate(names):
        models = random_models(np.random.default_rng(i), 2, 20, 4)
        predictions.write(folder / name / "preds_0.h5", models, labels=labels_of(20, 4), **attributes)


def named(folder, *patterns, **options):
    found, name = runs.find(folder, patterns, **options)
    return [x.run for x in found], name


def test_runs_of_peoples_own_names_are_one_picture(tmp_path, caplog):
    caplog.set_level("INFO")
    write_named(tmp_path, "resnet_18_lr_0.1", "vit_b_16")
    assert named(tmp_path) == (["resnet_18_lr_0.1", "vit_b_16"], "picture")
    assert "all runs in" in caplog.text and "are one picture (resnet_18_lr_0.1, vit_b_16)" in caplog.text
    assert named(tmp_path, name="resnet") == (["resnet_18_lr_0.1"], "resnet")
    assert named(tmp_path, "*", name="mine") == (["resnet_18_lr_0.1", "vit_b_16"], "mine")
    with pytest.raises(
        InputError, match=r"no run of data set 'mine'; .*resnet_18_lr_0.1, vit_b_16\) .*--name mine; '\*'"
    ):
        runs.find(tmp_path, name="mine")
    with pytest.raises(InputError, match=r"no run 'resnet'; there are resnet_18_lr_0.1, vit_b_16$"):
        runs.find(tmp_path, ["resnet"])


def test_runs_that_say_no_data_set_beside_those_that_do(tmp_path):
    write_named(tmp_path, "toy_all", "toy_even", dataset="toy")
    with h5py.File(tmp_path / "toy_even" / "preds_0.h5", "r+") as file:
        del file.attrs["dataset"]
    assert named(tmp_path) == (["toy_all", "toy_even"], "toy")
    write_named(tmp_path, "resnet_18")
    several = r"several data sets; .*: runs that say none \(resnet_18\); toy \(toy_all, toy_even\)"
    with pytest.raises(InputError, match=several):
        runs.find(tmp_path)
    assert named(tmp_path, name="toy") == (["toy_all", "toy_even"], "toy")


def test_files_of_other_names_are_named(tmp_path, caplog):
    write_named(tmp_path / "a", "mine_a")
    (tmp_path / "a" / "mine_b").mkdir()
    (tmp_path / "a" / "mine_a" / "preds_0.h5").rename(tmp_path / "a" / "mine_b" / "model.h5")
    with pytest.raises(InputError, match=r"holds no <run>/preds_<seed>.h5, but mine_b/model.h5; store"):
        runs.find(tmp_path / "a")
    with pytest.raises(InputError, match=r"holds no <run>/preds_<seed>.h5, but model.h5; store"):
        runs.find(tmp_path / "a" / "mine_b")
    write_named(tmp_path / "a", "mine_a")
    assert named(tmp_path / "a") == (["mine_a"], "mine")
    assert f"no file in {tmp_path}/a/mine_b is called preds_<seed>.h5" in caplog.text
    with pytest.raises(InputError, match=rf"it is a run, so say --predictions {tmp_path}/a mine_a"):
        runs.find(tmp_path / "a" / "mine_a")


@pytest.mark.parametrize("change", ["t", "labels", "t_name", "attribute"])
def test_identity_is_of_all_that_a_file_holds(tmp_path, change):
    models, labels = random_models(np.random.default_rng(0), 2, 20, 4), labels_of(20, 4)
    old = {"t": [0, 1], "labels": labels, "t_name": "step", "optimiser": "sgd"}
    other = {"t": {"t": [0, 2]}, "labels": {"labels": (labels + 1) % 4}, "t_name": {"t_name": "epoch"}}
    found = []
    for i, given in enumerate((old, old, {**old, **other.get(change, {"optimiser": "adam"})})):
        predictions.write(tmp_path / str(i) / "mine_a" / "preds_0.h5", models, **given)
        found.append(runs.identity(runs.find(tmp_path / str(i))[0]))
    assert found[0] == found[1] != found[2]


def test_an_exact_name_is_no_pattern(tmp_path):
    models = random_models(np.random.default_rng(0), 2, 20, 4)
    for i, run in enumerate(("mine_layers=[2,2]", "mine_layers=2", "mine_b")):
        predictions.write(tmp_path / run / "preds_0.h5", models[:, ::-1] if i else models, labels=labels_of(20, 4))
    assert [x.run for x in runs.find(tmp_path, ["mine_layers=[2,2]"])[0]] == ["mine_layers=[2,2]"]
    assert [x.run for x in runs.find(tmp_path, ["mine_layers=[2]"])[0]] == ["mine_layers=2"]
