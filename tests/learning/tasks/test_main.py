"""`python -m learning.tasks` lists and shows tasks, and answers mistakes with one message."""

import subprocess
import sys

from info_geometry.files import ROOT
from learning import tasks


def command_line(*arguments):
    command = [sys.executable, "-m", "learning.tasks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_list_prints_tasks_and_sizes():
    result = command_line("list", "imagenet")
    rows = [line.split(maxsplit=3) for line in result.stdout.splitlines()]
    assert result.returncode == 0 and rows[0] == ["task", "classes", "synset", "name"]
    assert ["dog", "118", "n02084071", "dog"] in rows and ["vert", "337", "n01471682", "vertebrate"] in rows
    assert ["3rd", "334", "-", "every third class, from 0"] in rows
    every = command_line("list", "fashion", "--all").stdout.splitlines()
    assert sum(line.startswith("n0") for line in every) > 5
    assert all(len(tasks.load("fashion", line.split()[0]).classes) == int(line.split()[1]) for line in every[1:])


def test_show_prints_one_class_a_line():
    lines = command_line("show", "imagenet", "n02084071").stdout.splitlines()
    assert len(lines) == 118 and lines[0].split() == ["151", "n02085620", "Chihuahua"]
    lines = command_line("show", "digits", "low").stdout.splitlines()
    assert lines[0].split() == ["0", "-", "zero"] and len(lines) == 5


def test_command_answers_bad_input_with_one_message():
    result = command_line("show", "imagenet", "dgo")
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("error: imagenet has no task 'dgo'; did you mean dog?")


def test_command_bears_a_reader_that_leaves():
    line = f"{sys.executable} -m learning.tasks list imagenet --all | head -1"
    result = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.startswith("task") and result.stderr == ""


def test_tasks_do_not_import_torch():
    code = "import sys, learning.tasks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
