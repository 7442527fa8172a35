"""inpca.py and trajectory.py on the same runs: which ones, their errors, and one sentence for each bad input."""

import csv
import os
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from info_geometry import inpca as inpca_geometry
from info_geometry import predictions
from info_geometry.commands import arguments as shared
from info_geometry.commands import inpca, trajectory
from info_geometry.files import ROOT
from tests.support.commands import INPCA_FIGURES, PACKAGE, TRAJECTORY_FIGURES, figures, names, subprocess_run
from tests.support.synthetic import labels_of, random_models, write_runs


@pytest.mark.slow
def test_the_two_commands_in_their_folder(tmp_path, folder):
    """As the README says: `cd info_geometry && python inpca.py`, then `python trajectory.py`."""
    write_runs(folder)
    places = ["--predictions", folder, "--plots", tmp_path / "plots", "--name", "toy"]
    result = subprocess_run(["inpca.py", *places], cwd=PACKAGE)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    assert "24 models, 60 samples, 5 classes" in result.stdout
    stress = re.search(r"explained stress of 1\.\.5 axes: ([\d. ]+)", result.stdout)[1].split()
    assert len(stress) == 5 and stress == sorted(stress)
    result = subprocess_run(["trajectory.py", *places], cwd=PACKAGE)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    number = r" +\d\.\d{3} \+- +\d\.\d{3}"
    assert re.search(rf"^toy_all +2({number}){{2}} \(\d\.\d{{3}}\){number}$", result.stdout, re.M)
    for name in figures(*INPCA_FIGURES, *TRAJECTORY_FIGURES):
        assert (tmp_path / "plots" / "toy" / name).stat().st_size > 1000
    assert names(folder) == ["embedding", "toy_all", "toy_even"] and names(folder / "embedding") == ["toy.npz"]


def test_one_run_of_one_seed_and_few_models(tmp_path, folder, command):
    write_runs(folder, tasks=("all",), seeds=(0,), T=2)
    for module in (inpca, trajectory):
        code, _, err = command(module, "toy_all", "--name", "small")
        assert code == 0, err
    assert not (tmp_path / "plots" / "small" / "trajectories.png").exists()
    assert len(inpca_geometry.load(folder / "embedding" / "small.npz").eigenvalues) == 2


@pytest.mark.usefixtures("undrawn")
def test_unequal_numbers_of_checkpoints(folder, command):
    write_runs(folder, tasks=("all",), T=5)
    write_runs(folder, tasks=("odd",), seeds=(4,), T=9)
    for module in (inpca, trajectory):
        code, _, err = command(module)
        assert code == 0, err
    index = inpca_geometry.load(folder / "embedding" / "toy.npz").index
    assert [np.sum(index["run"] == run) for run in ("toy_all", "toy_odd")] == [10, 9]


def test_arguments_choose_runs_and_seeds(folder):
    write_runs(folder, tasks=("all", "even", "odd"), T=2)
    write_runs(folder, "other", tasks=("all",), T=2)

    def found(*arguments):
        trajectories, name = shared.find(shared.options("").parse_args([*arguments, "--predictions", str(folder)]))
        return [(x.run, x.seed) for x in trajectories], name

    assert found("toy_all") == ([("toy_all", 0), ("toy_all", 1)], "toy")
    assert found("toy_e*", "toy_all", "--seeds", "1") == ([("toy_even", 1), ("toy_all", 1)], "toy")
    assert found("--name", "toy", "--seeds", "0") == ([("toy_all", 0), ("toy_even", 0), ("toy_odd", 0)], "toy")
    both = [("toy_all", 0), ("other_all", 0)], "picture"
    assert found(str(folder / "toy_all"), "other_all", "--seeds", "0") == both
    (folder / "toy_all" / ".preds_2.h5.123.tmp").write_bytes(b"half")
    assert found("toy_all", "--name", "mine") == ([("toy_all", 0), ("toy_all", 1)], "mine")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, cwd",
    [
        (["inpca.py"], PACKAGE),
        (["trajectory.py"], PACKAGE),
        (["-m", "info_geometry.inpca"], ROOT),
        (["-m", "info_geometry.trajectory"], ROOT),
        (["-m", "info_geometry.predictions"], ROOT),
    ],
)
def test_help_is_quick(arguments, cwd):
    result = subprocess.run([sys.executable, *arguments, "--help"], cwd=cwd, capture_output=True, text=True, timeout=5)
    assert result.returncode == 0 and "usage:" in result.stdout and result.stderr == ""


def test_imports_warn_of_nothing_deprecated():
    code = "import info_geometry.inpca, info_geometry.trajectory"
    result = subprocess_run(["-W", "error::DeprecationWarning", "-c", code])
    assert result.returncode == 0 and result.stderr == "", result.stderr


@pytest.mark.usefixtures("undrawn")
def test_bootstrap(tmp_path, folder, command):
    write_runs(folder, tasks=("all", "even", "odd"), N=80)
    code, out, _ = command(inpca, "--bootstrap")
    assert code == 0
    errors = {
        cause: np.array(text.split(), float)
        for cause, text in re.findall(r"^ +\+- for other (seeds|samples) +([\d. ]+)$", out, re.M)
    }
    assert set(errors) == {"seeds", "samples"} and all(len(e) == 5 and (e > 0).all() for e in errors.values())
    stress = re.search(r"explained stress of 1\.\.5 axes: ([\d. ]+)", out)[1]
    code, out, _ = command(inpca)
    assert code == 0 and stress in out and "other seeds" in out and "samples  " not in out
    code, out, _ = command(trajectory, "--bootstrap")
    assert code == 0 and re.search(r"^toy_all .* \(\+- \d\.\d{3}\)$", out, re.M)
    for name in ("integrals", "trajectories", "lengths"):
        with open(tmp_path / "plots" / "toy" / f"{name}.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert all(float(row["error_for_other_samples"]) > 0 for row in rows)
        if name != "lengths":
            known = [float(row["error_for_other_seeds"]) for row in rows if row["error_for_other_seeds"]]
            assert known and min(known) > 0


@pytest.mark.usefixtures("undrawn")
def test_one_seed_has_no_error_for_other_seeds(tmp_path, folder, command):
    write_runs(folder, seeds=(0,))
    code, out, _ = command(inpca)
    assert code == 0 and "other seeds" not in out
    assert command(trajectory)[0] == 0
    with open(tmp_path / "plots" / "toy" / "integrals.csv", newline="", encoding="utf-8") as file:
        assert [row["error_for_other_seeds"] for row in csv.DictReader(file)] == [""]


@pytest.mark.usefixtures("undrawn")
def test_published_files_through_both_commands(tmp_path, folder, command, published):
    code, out, err = command(inpca)
    assert code == 0 and "10 models, 80 samples, 10 classes" in out and "warning" not in err
    assert "progress" in inpca_geometry.load(folder / "embedding" / "imagenet.npz").index
    code, out, err = command(trajectory)
    assert code == 0 and "warning" not in err and re.search(r"^imagenet_vert +1 ", out, re.M)
    assert "lengths.csv" in names(tmp_path / "plots" / "imagenet")


@pytest.mark.usefixtures("undrawn")
def test_published_files_with_labels_in_another_order(folder, command, published):
    np.save(folder / "labels" / "imagenet_val_labels.npy", (published + 1) % 10)
    code, out, err = command(trajectory)
    path, labels = folder / "imagenet_all" / "preds_0.h5", folder / "labels" / "imagenet_val_labels.npy"
    assert code == 0 and f"the last model of {path} has accuracy 0.0000 where chance gives 0.1" in err
    assert f"are its samples in the order of the labels in {labels}?" in err
    np.save(labels, published)
    code, out, err = command(trajectory)
    assert code == 0 and "skipped" not in out and "warning" not in err, "other labels, another result"


@pytest.mark.usefixtures("undrawn")
def test_published_files_without_labels(folder, command, published):
    shutil.rmtree(folder / "labels")
    code, _, err = command(inpca)
    assert code == 0 and "progress" not in inpca_geometry.load(folder / "embedding" / "imagenet.npz").index
    code, _, err = command(trajectory)
    assert (
        code == 1
        and (
            f"error: {folder}/imagenet_all/preds_0.h5 holds no labels, and progress needs them: "
            f"put them at {folder}/labels/imagenet_val_labels.npy\n"
        )
        in err
    )


@pytest.mark.parametrize(
    "content, message",
    [
        (
            np.arange(79),
            r"labels of .*preds_0\.h5: expected 80 labels, whole numbers, .* not .*\(79,\)",
        ),
        (np.full(80, 0.5), "expected 80 labels"),
        (np.full(80, np.nan), "expected 80 labels"),
        (np.full(80, "a"), "expected 80 labels"),
        (np.full(80, 10), r"labels reach from 10 to 10, expected 0 to 9"),
        (b"text", "holds no labels: expected one whole number for each sample"),
        (b"", "expected 80 labels, whole numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_bad_labels_of_published_files(folder, command, published, content, message):
    path = folder / "labels" / "imagenet_val_labels.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
    code, _, err = command(trajectory)
    assert code == 1 and re.search(f"^error: .*{message}", err, re.M), err


def refused(command, message, *arguments):
    """Assert that both commands refuse, with the same sentence, a non-zero exit code and nothing on stdout."""
    for module in (inpca, trajectory):
        code, out, err = command(module, *arguments)
        assert code == 1 and out == "" and re.search(f"^error: {message}", err, re.M), err


def write(path, N=60, C=5, labels=None, seed=0):
    models = random_models(np.random.default_rng(seed), 3, N, C)
    predictions.write(path, models, labels=labels_of(N, C) if labels is None else labels)


def test_nothing_there(folder, command):
    refused(command, rf"{folder} holds no <run>/preds_<seed>\.h5; store predictions there")
    write_runs(folder, T=2)
    refused(command, rf"{folder} has no run 'toy_odd'; there are toy_all, toy_even", "toy_odd")
    refused(command, rf"{folder} has no run of data set 'digits'; there are toy", "--name", "digits")
    refused(command, rf"{folder}/toy_all has no seed 7, 8; there are 0, 1", "--seeds", "8", "7", "0")
    refused(command, r"--name '\.\./x': only letters", "toy_all", "--name", "../x")


def test_several_data_sets(folder, command):
    write_runs(folder, T=2)
    write_runs(folder, "digits", T=2)
    said = r"choose one with --name, or name runs: digits \(digits_all, digits_even\); toy \(toy_all, toy_even\)$"
    refused(command, f"{folder} holds runs of several data sets; {said}")


def test_shapes_differ(folder, command):
    write(folder / "imagenet_vert" / "preds_0.h5")
    write(folder / "imagenet_mine" / "preds_0.h5", C=4)
    refused(
        command,
        rf"{folder}/imagenet_mine/preds_0\.h5 has 60 samples x 4 classes, "
        rf"{folder}/imagenet_vert/preds_0\.h5 has 60 x 5\. Trajectories must be predictions of the same ",
    )


def test_labels_differ(folder, command):
    labels = labels_of(60, 5)
    write(folder / "toy_all" / "preds_0.h5", labels=labels)
    write(folder / "toy_odd" / "preds_0.h5", labels=np.roll(labels, 1), seed=1)
    refused(
        command,
        rf"{folder}/toy_all/preds_0\.h5 and {folder}/toy_odd/preds_0\.h5 have other labels at 42 of 60 samples "
        r"\(first: sample 0, 4 and 2\): samples are in a different order",
    )


def test_seeds_that_are_the_same_or_no_numbers(folder, command):
    write(folder / "toy_all" / "preds_0.h5")
    write(folder / "toy_all" / "preds_00.h5", seed=1)
    refused(command, rf"{folder}/toy_all/preds_0\.h5 and preds_00\.h5 both say seed 0; remove one")
    for name in ("preds_last.h5", "preds_².h5", "preds_-1.h5"):
        (folder / "toy_all" / "preds_00.h5").rename(folder / "toy_all" / name)
        refused(command, rf"{folder}/toy_all/{re.escape(name)}: expected preds_<seed>\.h5 with a number for the seed")
        (folder / "toy_all" / name).rename(folder / "toy_all" / "preds_00.h5")


def test_copies(folder, command):
    write(folder / "toy_all" / "preds_0.h5")
    shutil.copy(folder / "toy_all" / "preds_0.h5", folder / "toy_all" / "preds_1.h5")
    refused(command, rf"{folder}/toy_all/preds_0\.h5 and {folder}/toy_all/preds_1\.h5 hold identical predictions")


def test_damaged_files(folder, command):
    write_runs(folder, T=3)
    path = folder / "toy_even" / "preds_1.h5"
    content = path.read_bytes()
    path.write_bytes(content[:5000])
    refused(command, rf"{path} is not a complete trajectory file \(HDF5: .*\)\. Delete it and store its predictions")
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        file["data"][1, 7, 2] = np.nan
    refused(command, rf"{path}: checkpoint 1 \(t = 2\): 1 of 60 rows are not finite; the first is sample 7")
    assert not (folder / "embedding").exists()


@pytest.mark.skipif(os.name != "posix", reason="a file is no folder anywhere, but says so differently")
def test_plots_that_cannot_be_written(tmp_path, folder, command):
    write_runs(folder, T=3)
    (tmp_path / "plots").write_text("a file")
    for module in (inpca, trajectory):
        code, _, err = command(module)
        message = rf"^error: cannot write {tmp_path}/plots/toy/.*: Not a directory"
        assert code == 1 and re.search(message, err, re.M), err
