"""The command tree.py: its figure, table and tests on small predictions, and a sentence for bad input."""

import csv
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiments.task_tree import tree
from info_geometry import files
from info_geometry.figures import style as plot
from info_geometry.figures import tree as plot_tree
from info_geometry.files import ROOT
from info_geometry.storage import embeddings
from info_geometry.uncertainty.mantel import mantel
from learning import tasks
from learning.tasks import wordnet
from tests.support.synthetic import write_runs

SCRIPT = ROOT / "experiments" / "task_tree" / "tree.py"
FASHION = "all", "clothing", "garment", "footwear", "shirt", "shoe", "3rd", "randomlab"
PLACED = FASHION[:6]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Let commands set up their log for one test only, and nothing warn."""
    monkeypatch.setattr(files.log, "handlers", [])
    monkeypatch.setattr(files.log, "level", files.log.level)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Do all but draw: figures take most of the time, and have tests of their own."""
    monkeypatch.setattr(Figure, "savefig", lambda self, target, **options: Path(target).write_text("a figure"))


@pytest.fixture
def command(capsys, tmp_path):
    """Return a function that runs the command in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        places = ["--predictions", tmp_path / "predictions", "--plots", tmp_path / "plots"]
        with pytest.raises(SystemExit) as raised:
            files.command(lambda: tree.main([str(each) for each in (*arguments, *places)]))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return raised.value.code, captured.out, captured.err

    return run


def write(folder, runs, name="fashion", lengths=None, distance=None, steps=6):
    """Write an embedding and the tables of trajectory.py, as if of these runs; return {(run, run): mean distance}.

    lengths: {run: progress that it reached}, by default 0.9.  distance(a, b): of a pair where progress is 1.
    """
    rng, lengths = np.random.default_rng(0), dict.fromkeys(runs, 0.9) | (lengths or {})
    index = {
        "run": np.repeat(runs, 2 * steps),
        "seed": np.tile(np.repeat([0, 1], steps), len(runs)),
        "checkpoint": np.tile(np.arange(steps), 2 * len(runs)),
        "t": np.tile(np.arange(steps), 2 * len(runs)),
    }
    points = index["checkpoint"][:, None] * np.repeat(rng.normal(size=(len(runs), 3)), 2 * steps, axis=0)
    points += 0.1 * rng.normal(size=points.shape)
    embeddings.write(
        folder / "predictions" / "embedding" / f"{name}.npz",
        {
            **dict.fromkeys(embeddings.PARAMETERS),
            "coordinates": points,
            "eigenvalues": np.ones(len(points)),
            "imaginary": np.zeros(len(points), bool),
            "index": index,
        },
    )
    distance = distance or (lambda a, b: rng.random())
    integrals, curves, means = [], [], {}
    for k, a in enumerate(runs):
        for b in runs[k + 1 :]:
            grid = np.round(np.arange(0.01, min(lengths[a], lengths[b]) + 1e-9, 0.01), 2)
            curve = distance(a, b) * grid
            known = len(grid) > 1
            means[a, b] = curve.mean() if known else np.nan
            integrals.append(
                {
                    "run_a": a,
                    "run_b": b,
                    "from_progress": min(grid, default=np.inf),
                    "to_progress": max(grid, default=-np.inf),
                    "integral": curve.mean() * (grid[-1] - grid[0]) if known else np.nan,
                    "error": 0.1,
                }
            )
            curves += [{"distance": d, "run_b": b, "run_a": a, "progress": s} for s, d in zip(grid, curve)]
    (folder / "plots" / name).mkdir(parents=True, exist_ok=True)
    for table, rows in ("integrals", integrals), ("trajectories", curves):
        with open(folder / "plots" / name / f"{table}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["run_a", "run_b"])
            writer.writeheader()
            writer.writerows(rows)
    return means


def runs_of(names, dataset="fashion"):
    return [f"{dataset}_{name}" for name in names]


def read_table(folder, name="fashion"):
    with open(folder / "plots" / name / "tree.csv", newline="") as file:
        return list(csv.DictReader(file))


def matrix(names, values):
    full = np.zeros((len(names), len(names)))
    for (a, b), value in values.items():
        i, j = names.index(a), names.index(b)
        full[i, j] = full[j, i] = value
    return full


# --- what it writes and prints --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_after_the_two_commands_in_three_ways(tmp_path):
    write_runs(tmp_path / "predictions", "fashion", FASHION[:4], C=10)
    places = ["--predictions", tmp_path / "predictions", "--plots", tmp_path / "plots", "--name", "fashion"]
    for each in (["info_geometry/inpca.py"], ["info_geometry/trajectory.py"]):
        subprocess.run([sys.executable, *each, *places], cwd=ROOT, check=True, capture_output=True)
    for arguments, cwd in (
        (["-m", "experiments.task_tree.tree"], ROOT),
        ([SCRIPT], tmp_path),
        (["tree.py"], SCRIPT.parent),
    ):
        result = subprocess.run([sys.executable, *arguments, *places], cwd=cwd, capture_output=True, text=True)
        assert result.returncode == 0 and result.stderr == "", result.stderr
        assert "WordNet path length: Spearman" in result.stdout and "(4 tasks, all 24 permutations)" in result.stdout
    assert "skipped (already complete" in result.stdout
    assert (tmp_path / "plots" / "fashion" / "tree.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.usefixtures("undrawn")
def test_table_and_tests_are_those_of_the_distances(tmp_path, command):
    means = write(tmp_path, runs_of(FASHION), lengths={"fashion_shirt": 0.3})
    code, out, err = command("--name", "fashion")
    assert code == 0 and err == ""
    rows = {(row["run_a"], row["run_b"]): row for row in read_table(tmp_path)}
    assert rows.keys() == means.keys()
    placed = runs_of(PLACED)
    synsets = {run: tasks.place(tasks.load("fashion", run[8:])) for run in placed}
    lengths = {pair: wordnet.path_length(*(synsets[run] for run in pair)) for pair in means if set(pair) <= set(placed)}
    for pair, row in rows.items():
        assert float(row["trajectory_distance"]) == pytest.approx(means[pair], rel=1e-6)
        assert row["wordnet_path_length"] == (str(lengths[pair]) if pair in lengths else "")
        a, b = (set(tasks.load("fashion", run[8:]).classes) for run in pair)
        assert row["jaccard_distance"] == ("" if "fashion_randomlab" in pair else f"{1 - len(a & b) / len(a | b):.8g}")
    found = mantel(matrix(placed, {pair: means[pair] for pair in lengths}), matrix(placed, lengths))
    first, second = re.findall(r"WordNet path length: Spearman (\S+), p = (\S+) \(6 tasks, all 720 permutations", out)
    assert first == (f"{found.statistic:.3f}", f"{found.p:.2g}")
    same = {pair: float(rows[pair]["same_range_distance"]) for pair in lengths}
    found = mantel(matrix(placed, same), matrix(placed, lengths))
    assert second == (f"{found.statistic:.3f}", f"{found.p:.2g}")
    assert "over the progress that all tasks reached, 0.01 to 0.3" in out
    assert out.count("(7 tasks, all 5,040 permutations)") == 2, "3rd has classes, but no synset"
    assert "so p is at least 0.0014." in out and "tasks are permuted, not pairs" in out
    assert re.search("fashion_3rd +4 classes; not in the tree: no synset holds just these\n", out)
    assert re.search("fashion_randomlab +in neither test: its labels are random", out)
    assert re.search("fashion_all +10 classes, n00021939 artifact\n", out)


@pytest.mark.usefixtures("undrawn")
def test_distances_that_follow_the_tree_are_found(tmp_path, command):
    def distance(a, b):
        return wordnet.path_length(*(tasks.place(tasks.load("fashion", run[8:])) for run in (a, b)))

    write(tmp_path, runs_of(PLACED), distance=distance)
    out = command("--name", "fashion")[1]
    assert out.count("WordNet path length: Spearman 1.000, p = 0.0014 (6 tasks") == 2, out
    write(tmp_path, runs_of(PLACED), distance=distance, lengths={"fashion_garment": 0.05})
    out = command("--name", "fashion")[1]
    assert out.count("WordNet path length: Spearman 1.000") == 1, "of those over the range that all reached"


@pytest.mark.usefixtures("undrawn")
def test_what_is_complete_is_skipped_and_other_tasks_are_not(tmp_path, command):
    write(tmp_path, runs_of(FASHION[:4]))
    assert "skipped" not in command("--name", "fashion")[1]
    assert "skipped" in command("--name", "fashion")[1]
    assert "skipped" not in command("--name", "fashion", "--task", "fashion_all=n03122748")[1]
    write(tmp_path, runs_of(FASHION[:4]), lengths={"fashion_all": 0.5})
    assert "skipped" not in command("--name", "fashion")[1]
    assert "skipped" not in command("--name", "fashion", "--redo")[1]


@pytest.mark.usefixtures("undrawn")
def test_tasks_that_names_do_not_say(tmp_path, command):
    write(tmp_path, ["mine_a", "mine_b", "mine_c", "mine_d"], name="mine")
    code, out, err = command(
        "--name",
        "mine",
        "--dataset",
        "imagenet",
        "--task",
        "mine_a=dog",
        "--task",
        "mine_b=n01503061",
        "--task",
        "mine_c=all",
    )
    assert code == 0, err
    assert re.search("mine_b +59 classes, n01503061 bird\n", out) and "(3 tasks, all 6 permutations)" in out
    assert "mine_d  in neither test: its name says no task of imagenet (--task mine_d=TASK says it)" in out


@pytest.mark.usefixtures("undrawn")
def test_two_runs_of_one_task(tmp_path, command):
    write(tmp_path, ["fashion_all", "fashion_shoe", "fashion_shoe_again", "fashion_shirt"])
    code, out, err = command("--name", "fashion", "--task", "fashion_shoe_again=shoe")
    assert code == 0 and "(4 tasks, all 24 permutations)" in out, err
    assert [row["wordnet_path_length"] for row in read_table(tmp_path) if row["run_b"].endswith("again")] == ["3", "0"]


@pytest.mark.usefixtures("undrawn")
def test_data_set_without_synsets(tmp_path, command):
    write(tmp_path, runs_of(("all", "even", "odd", "randomlab"), "digits"), name="digits")
    code, out, _ = command("--name", "digits")
    assert code == 0 and "digits_even       5 classes; not in the tree: no synset is stated by digits" in out
    assert "WordNet path length: no test, which needs at least 3 tasks; there are 0" in out
    assert "Jaccard distance of classes: Spearman" in out and "tasks.png" in out and "tree.png" not in out


@pytest.mark.usefixtures("undrawn")
def test_few_tasks(tmp_path, command):
    write(tmp_path, runs_of(("all", "shoe")))
    code, out, _ = command("--name", "fashion")
    assert code == 0 and out.count("no test, which needs at least 3 tasks; there are 2") == 2 and "Spearman" not in out
    write(tmp_path, ["fashion_shoe"])
    code, out, _ = command("--name", "fashion")
    assert code == 0 and out.count("there is 1") == 2 and "tree.png" in out


@pytest.mark.usefixtures("undrawn")
def test_equal_distances(tmp_path, command):
    write(tmp_path, runs_of(("all", "shirt", "shoe")), distance=lambda a, b: 1.0)
    code, out, _ = command("--name", "fashion")
    assert code == 0 and "WordNet path length: no correlation: all distances of the first are equal" in out


@pytest.mark.usefixtures("undrawn")
def test_tasks_without_common_progress_are_left_out(tmp_path, command):
    write(tmp_path, runs_of(FASHION), lengths={"fashion_footwear": 0.01, "fashion_randomlab": 0.0})
    code, out, err = command("--name", "fashion")
    assert code == 0 and err == ""
    assert "fashion_footwear is left out of the tests: it shares less than two values of progress with fashion_" in out
    assert "fashion_randomlab is left out" not in out, "it is in no test anyway"
    assert "(5 tasks, all 120 permutations)" in out and "(6 tasks, all 720 permutations)" in out


@pytest.mark.usefixtures("undrawn")
def test_published_embedding(tmp_path, command):
    rng = np.random.default_rng(0)
    content = {
        "eigen_values": np.ones(48),
        "imaginary": np.zeros(48, bool),
        "inpca_embedding": [rng.normal(size=(2, 6, 3)) for _ in range(4)],
    }
    (tmp_path / "them.pkl").write_bytes(pickle.dumps(content))
    code, out, err = command(
        "--published", tmp_path / "them.pkl", "--runs", *runs_of(("all", "3rd", "instr", "vert"), "imagenet")
    )
    assert code == 0 and "nothing is tested" in out and "plots/them/tree.png" in out, err
    assert not (tmp_path / "plots" / "them" / "tree.csv").exists()
    code, _, err = command("--published", tmp_path / "them.pkl")
    assert code == 1 and "of no run the task is known; of task_0: its name begins with no data set" in err


# --- the figure -----------------------------------------------------------------------------------------------------


IMAGENET = *tasks.facts("imagenet").named_tasks, "3rd", "all"


@pytest.mark.parametrize(
    "dataset, names",
    [
        ("fashion", FASHION),
        pytest.param("imagenet", IMAGENET, marks=pytest.mark.slow),
        pytest.param("cifar10", ("animal", "mammal", "vehicle"), marks=pytest.mark.slow),
        pytest.param("digits", ("all", "even", "odd"), marks=pytest.mark.slow),
        pytest.param("fashion", ("shoe",), marks=pytest.mark.slow),
    ],
)
def test_figure_shows_every_run(tmp_path, command, dataset, names):
    write(tmp_path, runs_of(names, dataset), name=dataset)
    code, _, err = command("--name", dataset)
    assert code == 0, err
    red, green, blue = np.moveaxis(
        np.rint(imread(next((tmp_path / "plots" / dataset).glob("t[ra][es]*.png")))[..., :3] * 255), -1, 0
    )
    image = (red * 65536 + green * 256 + blue).astype(int)
    for run, style in plot.colours(runs_of(names, dataset)).items():
        aside = run.endswith(("3rd", "randomlab"))
        assert (image == int((plot_tree.ASIDE if aside else style["color"])[1:], 16)).sum() > 10, run


def test_labels_of_the_tree_do_not_overlap_and_are_whole(tmp_path, command, monkeypatch):
    """On the drawn page: no label on another one or beyond the edge, for the most tasks there are."""
    drawn = []
    monkeypatch.setattr(plot, "save", lambda figure, folder, name: drawn.append(figure) or [])
    write(tmp_path, runs_of(IMAGENET, "imagenet"), name="imagenet")
    assert command("--name", "imagenet")[0] == 0
    figure = drawn[0]
    figure.draw_without_rendering()
    outline = figure.subfigs[0].axes[1]
    boxes = [text.get_window_extent() for text in outline.texts if text.get_text()]
    assert len(boxes) >= 12 and all(figure.bbox.containsx(box.x1) and figure.bbox.containsy(box.y1) for box in boxes)
    for k, one in enumerate(boxes):
        assert not any(one.padded(-1).overlaps(other.padded(-1)) for other in boxes[k + 1 :])
    texts = {text.get_text() for text in outline.texts}
    assert {"dog (118)", "vert (337)", "all (1000)", "animal (398)"} <= texts


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "embedding/fashion.npz: no such file; make it with: python -m info_geometry.inpca --name fashion"),
        (
            ("--task", "fashion_all"),
            "--task fashion_all=: expected RUN=TASK, RUN being one of fashion_all, fashion_shoe",
        ),
        (("--task", "shoe=shoe"), "--task shoe=shoe: expected RUN=TASK"),
        (("--task", "fashion_all=dog"), "fashion has no task 'dog'"),
        (("--task", "fashion_all=n02084071"), "n02084071 (dog) holds no class of fashion"),
        (("--dataset", "mnist"), "unknown data set 'mnist'"),
        (("--name", "../x"), "--name '../x': only letters"),
        (("--permutations", "0"), "expected at least 1 permutation, found 0"),
    ],
)
def test_bad_arguments(tmp_path, command, arguments, message):
    if arguments:
        write(tmp_path, runs_of(("all", "shoe", "shirt")))
    code, out, err = command("--name", "fashion", *arguments)
    assert code == 1 and out == "" and err.startswith("error: ") and message in err, err


@pytest.mark.parametrize("table", ["integrals", "trajectories"])
@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no such file; make it with: python -m info_geometry.trajectory --name fashion"),
        ("a,b\n1,2\n", "is not a table of distances of runs with the columns run_a, run_b, "),
        (b"\xff\xfe\x00", "is not a table"),
        (
            "run_a,run_b,from_progress,to_progress,integral,progress,distance\nfashion_all,fashion_shoe,0,x,1,x,1\n",
            "could not convert string to float: 'x'",
        ),
        ("run_a,run_b,from_progress,to_progress,integral,progress,distance\nfashion_all\n", "is not a table"),
    ],
)
def test_bad_tables(tmp_path, command, table, content, message):
    write(tmp_path, runs_of(("all", "shoe", "shirt")))
    path = tmp_path / "plots" / "fashion" / f"{table}.csv"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, out, err = command("--name", "fashion")
    assert code == 1 and out == "" and err.startswith(f"error: {path}") and message in err, err


@pytest.mark.usefixtures("undrawn")
def test_tables_and_embedding_of_other_runs(tmp_path, command):
    write(tmp_path, runs_of(("all", "shoe", "shirt")))
    kept = (tmp_path / "predictions" / "embedding" / "fashion.npz").read_bytes()
    write(tmp_path, runs_of(("all", "shoe")))
    (tmp_path / "predictions" / "embedding" / "fashion.npz").write_bytes(kept)
    code, _, err = command("--name", "fashion")
    assert code == 1 and "integrals.csv does not compare fashion_all and fashion_shirt" in err
    write(tmp_path, ["fashion_all", "imagenet_dog"])
    code, _, err = command("--name", "fashion")
    assert code == 1 and "the tasks are of fashion and imagenet, whose classes do not compare; say --dataset" in err
    write(tmp_path, ["mine_a", "mine_b"])
    code, _, err = command("--name", "fashion", "--task", "mine_a=shoe")
    assert code == 1 and "--task mine_a=shoe: mine_a begins with no data set; say --dataset" in err
    write(tmp_path, ["mine_a", "mine_b"])
    code, _, err = command("--name", "fashion")
    assert code == 1 and "error: of no run the task is known; of mine_a: its name begins with no data set" in err


@pytest.mark.parametrize("content, message", [(b"", "is not an embedding"), (b"PK", "is not an embedding")])
def test_bad_embeddings(tmp_path, command, content, message):
    write(tmp_path, runs_of(("all", "shoe")))
    path = tmp_path / "predictions" / "embedding" / "fashion.npz"
    path.write_bytes(content)
    code, _, err = command("--name", "fashion")
    assert code == 1 and err.startswith(f"error: {path} {message}")


def test_embedding_that_does_not_say_its_runs(tmp_path, command):
    write(tmp_path, runs_of(("all", "shoe")))
    path = tmp_path / "predictions" / "embedding" / "fashion.npz"
    with np.load(path) as arrays:
        rest = {key: arrays[key] for key in arrays.files if not key.startswith("index_")}
    np.savez(path, **rest)
    code, _, err = command("--name", "fashion")
    assert code == 1 and "does not say of which runs it is; make it again with: python -m info_geometry.inpca" in err


def test_no_name(command, capsys):
    code, _, err = command()
    assert code == 2 and "say --name NAME, as to inpca.py and trajectory.py, or --published FILE" in err


@pytest.mark.skipif(os.name != "posix", reason="a file is no folder anywhere, but says so differently")
def test_help_is_quick_and_without_torch(tmp_path):
    code = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code, SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0 and "usage: " in result.stdout and result.stderr == ""
