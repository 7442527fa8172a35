"""The commands inpca.py and trajectory.py: what they write and print, and one sentence for each bad input."""

import ast
import csv
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from info_geometry import files, predictions
from info_geometry import inpca as inpca_geometry
from info_geometry.commands import arguments as shared
from info_geometry.commands import inpca, trajectory
from info_geometry.figures import provenance
from info_geometry.files import ROOT
from info_geometry.storage import runs
from info_geometry.trajectory import summarise
from tests.support.synthetic import labels_of, random_models, training, write_runs

PACKAGE = ROOT / "info_geometry"
INPCA_FIGURES = ["distances", "inpca_3d", "inpca_axes", "spectrum"]
TRAJECTORY_FIGURES = ["lengths", "progress", "trajectories"]


@pytest.fixture(autouse=True)
def no_handlers_left(monkeypatch):
    """Let commands that run in this process set up their log for the one test only."""
    monkeypatch.setattr(files.log, "handlers", [])
    monkeypatch.setattr(files.log, "level", files.log.level)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "predictions"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Return a function that runs a command in this process: (exit code, stdout, stderr)."""

    def run(module, *arguments):
        places = ["--predictions", tmp_path / "predictions", "--plots", tmp_path / "plots"]
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, [*arguments, *places])])
        with pytest.raises(SystemExit) as raised:
            files.command(module.main)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return raised.value.code, captured.out, captured.err

    return run


@pytest.fixture
def undrawn(monkeypatch):
    """Do all but draw: figures take most of the time, and have tests of their own."""
    monkeypatch.setattr(Figure, "savefig", lambda self, target, **options: Path(target).write_text("a figure"))


def subprocess_run(arguments, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def names(path):
    return sorted(p.name for p in path.iterdir())


def figures(*stems):
    return [f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png")]


# --- what they write and print --------------------------------------------------------------------------------------


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
    assert re.search(r"^toy_all +2( +\d\.\d{3} \+- +\d\.\d{3}){3}$", result.stdout, re.M)
    for name in figures(*INPCA_FIGURES, *TRAJECTORY_FIGURES):
        assert (tmp_path / "plots" / "toy" / name).stat().st_size > 1000
    assert names(folder) == ["embedding", "toy_all", "toy_even"] and names(folder / "embedding") == ["toy.npz"]


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


@pytest.mark.usefixtures("undrawn")
def test_trajectory(tmp_path, folder, command):
    labels = write_runs(folder)
    code, out, _ = command(trajectory)
    assert code == 0
    with open(tmp_path / "plots" / "toy" / "lengths.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["seed"], row["checkpoints"]) for row in rows] == [
        ("toy_all", "0", "6"),
        ("toy_all", "1", "6"),
        ("toy_even", "0", "6"),
        ("toy_even", "1", "6"),
    ]
    opened = predictions.open_trajectory(folder / "toy_even" / "preds_1.h5")
    summary = summarise(opened, labels)
    assert float(rows[3]["riemann_length"]) == pytest.approx(summary.length, rel=1e-6)
    assert float(rows[3]["final_progress"]) == pytest.approx(summary.progress[-1], rel=1e-6)
    assert float(rows[3]["final_accuracy"]) == pytest.approx(summary.accuracy[-1])
    mean = np.mean([float(row["riemann_length"]) for row in rows[2:]])
    assert re.search(rf"^toy_even +2 .* {mean:.3f} \+- ", out, re.M)
    with open(tmp_path / "plots" / "toy" / "trajectories.csv", newline="", encoding="utf-8") as file:
        curve = list(csv.DictReader(file))
    assert {(row["run_a"], row["run_b"]) for row in curve} == {("toy_all", "toy_even")}
    assert all(float(row["distance"]) > 0 for row in curve)
    assert all((tmp_path / "plots" / "toy" / name).exists() and name in out for name in figures(*TRAJECTORY_FIGURES))
    other = command(trajectory, "--objective", "bhattacharyya")
    assert other[0] == 0 and "skipped" not in other[1]


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


# --- errors of what they print --------------------------------------------------------------------------------------


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


def test_bootstrap_and_landmarks(folder, command):
    write_runs(folder)
    code, _, err = command(inpca, "--bootstrap", "--landmarks", 12)
    assert code == 1 and "--bootstrap needs all distances" in err


# --- published embeddings -------------------------------------------------------------------------------------------


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


# --- where figures come from ----------------------------------------------------------------------------------------


def test_figures_say_where_they_come_from(tmp_path, folder, command):
    write_runs(folder, T=3)
    assert command(inpca)[0] == command(trajectory)[0] == 0
    plots, fingerprints = tmp_path / "plots" / "toy", set()
    assert len(list(plots.glob("*.png"))) == 7
    for path in plots.glob("*.png"):
        with Image.open(path) as image:
            said = image.text
        assert said["Software"] == provenance.version() and "info_geometry" in said["Description"]
        fingerprints.add(said["Source"])
        pdf = path.with_suffix(".pdf").read_bytes()
        assert said["Source"].encode() in pdf and provenance.version().split(" (")[0].encode() in pdf
    page = (plots / "inpca.html").read_text(encoding="utf-8")
    assert len(fingerprints) == 1 and fingerprints.pop() in page
    same = tmp_path / "elsewhere"  # the fingerprint is of the contents, wherever they lie
    shutil.copytree(folder, same)
    opened = [predictions.open_trajectory(path) for path in sorted(same.glob("toy_*/preds_*.h5"))]
    with provenance.of(runs.identity(opened)):
        assert provenance.current()["inputs"] in page
    predictions.write(
        same / "toy_all" / "preds_0.h5", random_models(np.random.default_rng(9), 3, 60, 5), labels=opened[0].labels
    )
    opened[0] = predictions.open_trajectory(same / "toy_all" / "preds_0.h5")
    with provenance.of(runs.identity(opened)):
        assert provenance.current()["inputs"] not in page


# --- published files ------------------------------------------------------------------------------------------------


@pytest.fixture
def published(folder):
    """Write two runs in the published layout, with labels in the published place; return the labels."""
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed (pip install hdf5plugin)")
    labels = np.repeat(np.arange(10), 8)
    for i, task in enumerate(("all", "vert")):
        (folder / f"imagenet_{task}").mkdir(parents=True)
        models = np.round(training(np.random.default_rng(i), labels, 10, T=5), 5).astype(np.float16)
        with h5py.File(folder / f"imagenet_{task}" / "preds_0.h5", "w") as file:
            file.create_dataset("data", data=models, chunks=(1, 80, 10), **hdf5plugin.LZ4())
    (folder / "labels").mkdir()
    np.save(folder / "labels" / "imagenet_val_labels.npy", labels)
    return labels


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
    assert code == 0 and f"the last model of {path} has accuracy 0.0000, which is chance" in err
    assert f"are its samples in the order of {labels}?" in err
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
        (np.arange(79), r"expected 80 labels, one for each sample of .*preds_0\.h5, found an array \(79,\) of int64"),
        (np.full(80, 0.5), "expected 80 labels"),
        (np.full(80, np.nan), "expected 80 labels"),
        (np.full(80, "a"), "expected 80 labels"),
        (np.full(80, 10), r"labels reach from 10 to 10, expected 0\.\.9"),
        (b"text", "is not an array of labels"),
        (b"", "is not an array of labels"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_bad_labels_of_published_files(folder, command, published, content, message):
    path = folder / "labels" / "imagenet_val_labels.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
    code, _, err = command(trajectory)
    assert code == 1 and re.search(f"^error: .*{message}", err, re.M), err


# --- files that do not belong together ------------------------------------------------------------------------------


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
    refused(command, f"{folder} holds runs of several data sets; choose one with --name, or name runs: digits, toy")


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
    prints = [predictions.fingerprint(x)[:8] for x in (labels, np.roll(labels, 1))]
    refused(
        command,
        rf"labels fingerprint {prints[0]} \({folder}/toy_all/preds_0\.h5\) but {prints[1]} "
        rf"\({folder}/toy_odd/preds_0\.h5\): samples are different or in a different order",
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


# --- rules about the source -----------------------------------------------------------------------------------------


METHODS = {
    "claims",
    "contrastive",
    "fine_tuning",
    "meta_learning",
    "semi_supervised",
    "supervised_imagenet",
    "task_tree",
}
SOURCES = sorted(
    path for folder in ("info_geometry", "learning", *sorted(METHODS)) for path in (ROOT / folder).rglob("*.py")
)


def imports(path):
    """Yield the absolute names a file imports, as `package.module` or `package.module.name`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_in_one_direction(path):
    """info_geometry knows no networks; learning only prediction files and how files are read; methods no methods."""
    found, package = set(imports(path)), path.relative_to(ROOT).parts[0]
    heads = {name.split(".")[0] for name in found}
    if package == "info_geometry":
        assert not heads & {"learning", "torchvision", "sklearn", *METHODS}
    if package == "learning":
        ours = {".".join(name.split(".")[:2]) for name in found if name.startswith("info_geometry")}
        assert ours <= {f"info_geometry.{module}" for module in ("predictions", "files", "hdf5")}
        assert not heads & METHODS
    if package in METHODS:
        assert not heads & (METHODS - {package}), "what a script needs of another belongs into learning"
    assert "pickle" not in heads or path == PACKAGE / "storage" / "embeddings.py", "nothing executable is loaded"
    assert not heads & {"dill", "joblib", "marshal", "shelve", "cloudpickle"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_executable_is_loaded(path):
    text = path.read_text(encoding="utf-8")
    for word in (
        "yaml.load(",
        "yaml.unsafe_load",
        "weights_only=False",
        "shell=True",
        "sys.path",
        "allow_pickle=True",
        "os.system",
        "os.chdir",
    ):
        assert word not in text, word
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"eval", "exec"}


def test_stages_hold_no_modules():
    for method in METHODS:
        assert not list((ROOT / method).rglob("__init__.py"))
