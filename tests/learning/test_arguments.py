"""Command lines: what is asked for, and mistakes, which are answered at once and in words."""

import dataclasses
import os
import re
import subprocess
import sys
import time

import pytest

from info_geometry.files import ROOT, InputError
from learning import arguments, config
from tests.learning.test_config import CONFIGS, written
from tests.support.runs import module
from tests.support.stages import STORE, TRAIN

SCRIPTS = [
    TRAIN,
    STORE,
    "info_geometry/inpca.py",
    "info_geometry/trajectory.py",
    "info_geometry/predictions.py",
    "learning/sweep.py",
    "learning/tasks/__main__.py",
    "learning/tasks/make_wordnet.py",
    "experiments/task_tree/tree.py",
    "experiments/fine_tuning/01_training/train_fine_tuned.py",
    "experiments/meta_learning/01_training/train_prototypical.py",
    "experiments/contrastive/01_training/train_contrastive.py",
    "experiments/semi_supervised/01_training/train_fixmatch.py",
    "experiments/subspaces/01_training/train_subspace.py",
    "experiments/subspaces/02_sampling/sample_subspace.py",
    "experiments/symmetries/01_training/train_stitch.py",
    "experiments/symmetries/02_predicting/store_lines.py",
    "experiments/symmetries/02_predicting/store_stitched.py",
    "experiments/claims/verdicts.py",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_quick(script, tmp_path):
    code = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)"
    )
    begin = time.monotonic()
    command = [sys.executable, "-W", "error::DeprecationWarning:info_geometry", "-c", code, ROOT / script]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0 and "usage: " in process.stdout and process.stderr == ""
    assert time.monotonic() - begin < 5


def test_modules_run_from_the_root_without_installing(tmp_path):
    for script in (TRAIN, STORE):
        code = (
            "import os, runpy, sys\n"  # an editable install has its clone on the path
            "sys.path = [x for x in sys.path if not x or not os.path.isdir(os.path.join(x, 'supervised_imagenet'))]\n"
            f"sys.argv = ['it', '--help']; runpy.run_module({module(script)!r}, run_name='__main__')"
        )
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [sys.executable, "-c", code]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        outside = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert "No module named 'supervised_imagenet'" in outside.stderr  # so it was found from the root


def parse(*words, **options):
    return arguments.training("What it does.", ROOT / TRAIN, list(map(str, words)), **options)


def test_command_line(tmp_path):
    options = parse(
        "digits",
        "--task",
        "all",
        "even",
        "--epochs",
        "3",
        "--seed",
        "0",
        "4",
        "--learning-rate=0.5",
        "--batch_size=7",
        "--data",
        tmp_path,
    )
    assert (options.tasks, options.seeds, options.part, options.folders.data) == (
        ("all", "even"),
        (0, 4),
        (0, 1),
        tmp_path,
    )
    assert (options.config.epochs, options.config.learning_rate, options.config.batch_size) == (3, 0.5, 7)
    assert options.config == dataclasses.replace(
        config.read(CONFIGS / "digits.yaml"), epochs=3, learning_rate=0.5, batch_size=7
    )
    assert parse(written(tmp_path)).config.epochs == 3
    assert parse("--workers", "2", "--wait", "digits", "--compile", "true").config.compile


def test_command_line_of_a_stage(capsys):
    def add(parser):
        parser.add_argument("--start")

    found = parse("digits", "--start", "all", "--epochs", 3, add=add)
    assert found.own == {"start": "all"} and found.trained_by == (
        module(TRAIN),
        "digits",
        "--epochs",
        "3",
        "--start",
        "all",
    )
    for words in ([], ["digits"]):
        with pytest.raises(SystemExit) as raised:
            parse(*words, add=add, required=("start",))
        said = "--start is missing" if words else "CONFIG is missing"
        assert raised.value.code == 2 and said in capsys.readouterr().err


def test_status_needs_no_configuration(capsys, tmp_path):
    with pytest.raises(SystemExit) as raised:
        parse("--status", "--checkpoints-folder", tmp_path)
    assert not raised.value.code and capsys.readouterr().out == f"{tmp_path} holds no runs\n"


def stored(*words):
    return arguments.storing("What it does.", list(map(str, words)), module(TRAIN))


def test_runs_by_their_names_or_by_a_configuration(capsys, tmp_path):
    found = stored("digits_all", "fashion_*", "--head")
    assert found.config is None and found.runs == ("digits_all", "fashion_*") and found.seeds is None and found.head
    (tmp_path / "digits_low").mkdir()
    assert stored(tmp_path / "digits_low", "--seed", 3, 4).runs == ("digits_low",)
    assert stored("digits_all", "--seed", 3, 4).seeds == (3, 4)
    for word in ("digits", written(tmp_path)):
        found = stored(word, "--task", "even", "--variant", "wide", "--epochs", 7)
        assert (found.config.dataset, found.config.epochs, found.runs) == ("digits", 7, ())
        assert (found.tasks, found.seeds, found.variant) == (("even",), (0,), "wide")
    with pytest.raises(SystemExit):
        stored()
    assert "RUN is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, message",
    [
        (["digits_all", "--epochs", "3"], "'--epochs': a run is stored as it was trained"),
        (["nowhere.yaml"], "nowhere.yaml: no such file"),
        (["digits", "--epoch", "3"], "unknown key --epoch; did you mean --epochs?"),
        (["digits", "--variant", "a/b"], "--variant 'a/b': only letters"),
    ],
)
def test_bad_command_lines_of_the_second_stage(words, message):
    with pytest.raises(InputError, match=re.escape(message)):
        stored(*words)


def test_module_of_a_script():
    assert arguments.module_of(ROOT / TRAIN) == "supervised_imagenet.01_training.train_imagenet"


def test_default_paths_do_not_depend_on_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = parse("digits")
    folders = options.folders
    assert [folders.checkpoints, folders.predictions, folders.data] == [
        ROOT / "checkpoints",
        ROOT / "predictions",
        ROOT / "supervised_imagenet" / "data",
    ]


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere"], "nowhere: no such file, and none of the configurations"),
        (["digits", "--epoch", "3"], "unknown key --epoch; did you mean --epochs?"),
        (["digits", "--epochs"], "expected --key value"),
        (["digits", "--epochs", "three"], "--epochs is 'three'"),
        (["digits", "more"], "expected --key value"),
        (["digits", "-x", "3"], "expected --key value"),
        (["digits", "--seed", "-1"], "--seed -1: expected whole numbers from 0 to 4294967295"),
        (["digits", "--seed", "0", str(2**32)], "--seed 4294967296: expected whole numbers from 0 to 4294967295"),
        (["digits", "--workers", "-1"], "--workers"),
        (["digits", "--part", "2"], "expected I/N"),
        (["digits", "--part", "2/2"], "expected I/N"),
        (["digits", "--part", "0/0"], "expected I/N"),
        (["digits", "--dataset", "../digits"], "can be part of a path"),
    ],
)
def test_bad_command_lines(words, message):
    with pytest.raises(InputError, match=re.escape(message)):
        parse(*words)
