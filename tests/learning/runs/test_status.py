"""The table of all runs: what the folders say, whatever state they are in, without touching them."""

import datetime
import json
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from info_geometry import files
from info_geometry.files import ROOT
from learning.runs import status
from tests.support import stages
from tests.support.stages import SMALL, TRAIN, Stage, done, run, until

CONFIG = {"epochs": 4, "batch_size": 50}
LINE = {"loss": 0.5, "learning_rate": 0.1}


def write_run(folder, name="digits_all", seed=0, steps=(), rates=(), **changes):
    """Write a run of 4 epochs of 100 steps, with a line of the log for each of `steps`, at images a second."""
    path = folder / name / f"seed_{seed}"
    path.mkdir(parents=True)
    record = {
        "config": CONFIG,
        "schedule": [0, *range(100, 401, 100)],
        "seed": seed,
        "steps_per_epoch": 100,
        "samples": 5000,
        "task": {"name": name, "dataset": "digits", "classes": [0, 1]},
        **changes,
    }
    (path / "run.json").write_text(json.dumps(record))
    before, text = 0, ""
    for step, rate in zip(steps, [*rates, *[1000] * len(steps)]):
        images = 50 * (step - before)
        text += (
            json.dumps(
                {
                    "step": step,
                    "epoch": step / 100,
                    **LINE,
                    "accuracy": step / 1000 if images else None,
                    "images": images,
                    "seconds": round(images / rate, 9),
                }
            )
            + "\n"
        )
        before = step
    (path / "log.jsonl").write_text(text)
    return path


def add_line(path, **line):
    with open(path / "log.jsonl", "a") as log:
        log.write(json.dumps(line) + "\n")


def cells(folder):
    """Return the rows of the table {(run, seed): {column: text}}, and assert that its columns line up."""
    head, *rows = status.table(folder).splitlines()
    ends, found = [head.index(column) + len(column) for column in status.COLUMNS], {}
    for row in rows:
        run_and_seed = row[: ends[1]].split()
        assert len(row) == len(head) and row[: ends[1]].endswith(f" {run_and_seed[1]}")
        rest = [row[before:end] for before, end in pairwise(ends[1:])]
        assert all(cell.startswith("  ") and cell.endswith(cell.strip()) for cell in rest)
        found[tuple(run_and_seed)] = dict(zip(status.COLUMNS, [*run_and_seed, *map(str.strip, rest)]))
    return found


def only(folder):
    (row,) = cells(folder).values()
    return row


def test_states_of_runs(tmp_path):
    write_run(tmp_path, seed=0, steps=[0, 100, 200, 300, 400])
    write_run(tmp_path, seed=1, steps=[0, 100])
    training = write_run(tmp_path, seed=2, steps=[0, 100])
    write_run(tmp_path, seed=3)
    (write_run(tmp_path, seed=4) / "log.jsonl").unlink()
    with files.lock(training / ".lock", "it"):
        assert [row["state"] for row in cells(tmp_path).values()] == ["done", "stopped", "running"] + 2 * ["stopped"]
    assert [row["state"] for row in cells(tmp_path).values()] == ["done"] + 4 * ["stopped"]
    assert [row["epoch"] for row in cells(tmp_path).values()] == [f"{x}.00 of 4" for x in (4, 1, 1, 0, 0)]


def test_time_left_is_that_of_the_images_left_at_the_rate_of_late(tmp_path):
    path = write_run(tmp_path, steps=[0, 100, 200, 300], rates=[9, 1000, 500, 250])
    rate = (1000 + 500 + 250) / 3
    assert (only(tmp_path)["images/s"], only(tmp_path)["time left"]) == ("583", "0:00:09")  # 5000 / rate = 8.57
    assert round(5000 / rate, 2) == 8.57
    add_line(path, step=350, images=2500, seconds=10000)  # 0.25 a second: the first of the three is forgotten
    rate = (500 + 250 + 0.25) / 3
    assert (only(tmp_path)["images/s"], only(tmp_path)["time left"]) == (f"{rate:.0f}", "0:00:10")
    assert round(2500 / rate) == 10


def test_time_left_shrinks_to_nothing(tmp_path):
    path, found = write_run(tmp_path, steps=[0]), [only(tmp_path)["time left"]]
    for step in (100, 200, 300, 400):
        add_line(path, step=step, images=5000, seconds=1000.0)
        found.append(only(tmp_path)["time left"])
    assert found == ["", "0:50:00", "0:33:20", "0:16:40", ""]


def test_time_left_of_long_runs_and_small_tasks(tmp_path):
    write_run(tmp_path, seed=0, steps=[0, 100], rates=[1, 0.05])
    write_run(tmp_path, seed=1, steps=[0, 100], rates=[1, 0.05], samples=20)  # fewer than a batch
    left = [row["time left"] for row in cells(tmp_path).values()]
    assert left == [str(datetime.timedelta(seconds=300 * n / 0.05)) for n in (50, 20)]
    assert left == ["3 days, 11:20:00", "1 day, 9:20:00"]


def test_accuracies_are_the_last(tmp_path):
    path = write_run(tmp_path, steps=[0])
    assert (only(tmp_path)["accuracy"], only(tmp_path)["evaluation"]) == ("", "")
    add_line(path, step=100, accuracy=0.25, evaluation_accuracy=0.1256, images=5000, seconds=1)
    add_line(path, step=200, accuracy=0.5, images=5000, seconds=1)
    assert (only(tmp_path)["accuracy"], only(tmp_path)["evaluation"]) == ("0.500", "0.126")


def test_columns_line_up_and_seeds_are_numbers(tmp_path):
    for name, seed, rate in (
        ("digits_all", 10, 1e-4),
        ("digits_all", 9, 3),
        ("digits_all", 100, 1e9),
        ("digits_a_long_name_of_a_task", 0, 0.7),
        ("imagenet_x", 12345678901234567890, 80),
        ("imagenet_x", 2, 5e4),
    ):
        write_run(tmp_path, name, seed, steps=[0, 100], rates=[1, rate])
    assert list(cells(tmp_path)) == [
        ("digits_a_long_name_of_a_task", "0"),
        ("digits_all", "9"),
        ("digits_all", "10"),
        ("digits_all", "100"),
        ("imagenet_x", "2"),
        ("imagenet_x", "12345678901234567890"),
    ]


def test_line_that_is_being_written_does_not_count(tmp_path):
    path = write_run(tmp_path, steps=[0, 100])
    before = status.table(tmp_path)
    for half in ('{"step": 200, "epo', '{"step": 200, "accuracy": 0.5', ""):
        (path / "log.jsonl").write_text((path / "log.jsonl").read_text() + half)
        assert status.table(tmp_path) == before


def changed(**changes):
    return json.dumps(
        {
            "config": CONFIG,
            "schedule": [0, 100],
            "seed": 1,
            "steps_per_epoch": 100,
            "samples": 5000,
            "task": {"name": "all", "dataset": "digits", "classes": [0, 1]},
            **changes,
        }
    ).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"\xff\xfe",
        b'{"config": 3}',
        changed(schedule=[None]),
        changed(config=None),
        changed(config={}),
        changed(schedule=[]),
        changed(steps_per_epoch=None),
        changed(steps_per_epoch=0),
        changed(task={}),
        changed(task=None),
    ],
)
def test_unreadable_run_does_not_hide_the_others(tmp_path, content):
    for seed in range(3):
        write_run(tmp_path, seed=seed, steps=[0, 100])
    (tmp_path / "digits_all" / "seed_1" / "run.json").write_bytes(content)
    (tmp_path / "digits_all" / "seed_1" / "log.jsonl").unlink()
    rows = cells(tmp_path)
    assert [row["state"] for row in rows.values()] == ["stopped", "unreadable", "stopped"]
    assert set(list(rows["digits_all", "1"].values())[3:]) == {""} and rows["digits_all", "2"]["epoch"] == "1.00 of 4"


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        b'{"step": null}\n',
        b'{"step": 1, 2}\n',
        b"\xff}\n",
        b'{"step": 100, "images": 5000}\n',
        b'{"step": 100, "images": "5", "seconds": 1}\n',
        b'{"step": 100, "accuracy": "0.5"}\n',
        b'{"step": 100, "images": 5000, "seconds": NaN}\n',
    ],
)
def test_unreadable_log_does_not_hide_the_others(tmp_path, line):
    write_run(tmp_path, seed=0, steps=[0])
    (write_run(tmp_path, seed=1, steps=[0]) / "log.jsonl").write_bytes(line)
    assert [row["state"] for row in cells(tmp_path).values()] == ["stopped", "unreadable"]


def test_asking_changes_nothing(tmp_path):
    write_run(tmp_path, seed=0, steps=[0, 100])
    locked = write_run(tmp_path, seed=1, steps=[0, 100])
    with files.lock(locked / ".lock", "it"):
        before = stages.contents(tmp_path), {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        status.table(tmp_path)
        assert (stages.contents(tmp_path), {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}) == before


# The command


def test_command_is_quick_and_needs_no_configuration(tmp_path):
    for seed in range(100):
        write_run(tmp_path / "checkpoints", seed=seed, steps=range(0, 401, 4))
    begin, command = time.monotonic(), [sys.executable, ROOT / TRAIN, "--status", "--checkpoints-folder", "checkpoints"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0 and result.stderr == "" and time.monotonic() - begin < 10
    assert result.stdout == status.table(tmp_path / "checkpoints") + "\n" and result.stdout.count("done") == 100


def test_folder_without_runs_is_said(tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        assert status.table(folder) == f"{folder} holds no runs"
    assert done(TRAIN, tmp_path, "--status") == f"{tmp_path}/checkpoints holds no runs\n"
    assert [path.name.split("_")[0] for path in tmp_path.iterdir()] == ["output"]  # of this command


def test_missing_configuration_is_an_error_that_names_them(tmp_path):
    for words in ([], ["--seed", "3"]):
        code, text = run(TRAIN, tmp_path, *words)
        assert code == 2 and text.startswith("usage: ")
        assert "error: CONFIG is missing: a YAML file, or one of cifar10, cifar100, digits, fashion, flat, im" in text


def test_a_run_is_running_then_stopped_then_done(tmp_path):
    def table():
        _, row = done(TRAIN, tmp_path, "--status").splitlines()
        return row.split()

    folder = tmp_path / "checkpoints" / "digits_all" / "seed_0"
    stage = Stage(TRAIN, tmp_path, "digits", **{**SMALL, "epochs": 60})
    until(lambda: len(stages.log_lines(folder)) >= 5)
    assert table()[:3] == ["digits_all", "0", "running"]
    stage.send(signal.SIGTERM)
    assert stage.wait()[0] == 75
    found, line = table(), stages.log_lines(folder)[-1]
    assert found[2:6] == ["stopped", f"{line['epoch']:.2f}", "of", "60"] and ":" in found[-1]
    assert found[6] == f"{line['accuracy']:.3f}" and float(found[7]) > 0
    done(TRAIN, tmp_path / "b", "digits", **SMALL)
    _, row = done(TRAIN, tmp_path / "b", "--status").splitlines()
    assert row.split()[:6] == ["digits_all", "0", "done", "2.00", "of", "2"] and ":" not in row
