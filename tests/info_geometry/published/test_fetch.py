"""Fetching what others host: what is stored in the end is sound, and nothing is fetched twice."""

import hashlib
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from info_geometry import distance, inpca, predictions
from info_geometry.files import ROOT
from info_geometry.published import download as downloads
from info_geometry.published import fetch as fetching
from info_geometry.storage import recorder, runs
from tests.support.hosting import ARCHIVE, MEMBER, SEEDS, TRUTH, T, models, pickled
from tests.support.prediction_files import names


def test_fetch(world, capsys):
    world.fetch()
    assert names(world.folder) == [".fetch.lock", "cifar100_taskA", "cifar100_taskB", "downloads.json"]
    for task, seed, path in zip("AAABBB", [0, 1, 2] * 2, world.paths()):
        assert "sound" in predictions.check(path)
        found, source = predictions.open_trajectory(path), f"/some/task{task}_preds.npy"
        np.testing.assert_allclose(found.roots() ** 2, models("AB".index(task))[seed], atol=1e-3)
        np.testing.assert_array_equal(found.labels, TRUTH)
        assert found.t.tolist() == [0, 1, 2, 3] and found.attributes["t_name"] == "epoch"
        expected = {
            "task": f"task{task}",
            "seed": seed,
            "dataset": "cifar100",
            "split": "train",
            "source": world.server.address + source,
            "source_sha256": hashlib.sha256(world.server.contents[source]).hexdigest(),
        }
        assert {key: found.attributes[key] for key in expected} == expected
    records = json.loads((world.folder / "downloads.json").read_text())
    assert sorted(records) == ["archive.tar.gz", "taskA_preds.npy", "taskB_preds.npy"]
    body = world.server.contents["/some/taskB_preds.npy"]
    assert records["taskB_preds.npy"]["bytes"] == len(body)
    assert records["taskB_preds.npy"]["sha256"] == hashlib.sha256(body).hexdigest()
    out = capsys.readouterr().out
    assert out.count("4 models, accuracy 0.") == 6 and out.endswith("6 stored, 0 skipped\n")


def test_results_are_found_and_drawn(world):
    world.fetch()
    trajectories, name = runs.find(world.folder, ["cifar100_*"])
    assert name == "cifar100" and [x.seed for x in trajectories] == [0, 1, 2] * 2
    assert trajectories[0].labels.tolist() == TRUTH.tolist()
    embedding = inpca.fit(distance.pairwise(trajectories))
    assert embedding.coordinates.shape[0] == 2 * SEEDS * T
    assert embedding.explained_stress()[2] > 0.5


def test_second_time_nothing_is_done(world, capsys):
    world.fetch()
    times, count = [path.stat().st_mtime_ns for path in world.paths()], len(world.server.asked)
    capsys.readouterr()
    world.fetch()
    assert [path.stat().st_mtime_ns for path in world.paths()] == times and len(world.server.asked) == count
    out = capsys.readouterr().out
    assert out.count("skipped (already there)") == 6 and out.endswith("0 stored, 6 skipped\n")


def test_only_what_is_missing_is_fetched(world, capsys):
    world.fetch()
    world.paths()[4].unlink()
    world.fetch(*["whole"])
    assert "sound" in predictions.check(world.paths()[4])
    assert len(world.asked("taskA_preds.npy")) == 1 and len(world.asked("taskB_preds.npy")) == 2
    assert capsys.readouterr().out.endswith("1 stored, 5 skipped\n")


def test_kept_downloads_are_used_again(world):
    world.fetch(keep=True)
    assert names(world.folder / "downloads") == ["archive.tar.gz", "taskA_preds.npy", "taskB_preds.npy"]
    world.paths()[0].unlink()
    world.fetch(keep=True)
    assert len(world.server.asked) == 3
    world.fetch()
    assert not (world.folder / "downloads").exists()


def test_files_from_another_machine_need_no_network(world):
    (world.folder / "downloads").mkdir(parents=True)
    for task in ("taskA", "taskB"):
        (world.folder / "downloads" / f"{task}_preds.npy").write_bytes(world.server.contents[f"/some/{task}_preds.npy"])
    np.save(world.folder / "labels.npy", TRUTH)
    world.fetch(labels=world.folder / "labels.npy")
    assert world.server.asked == [] and all(path.exists() for path in world.paths())


def test_interrupted_conversion_goes_on_with_the_missing_seed(world, monkeypatch):
    write = predictions.write

    def interrupted(path, *arguments, **options):
        if path.name == "preds_1.h5":
            raise KeyboardInterrupt
        write(path, *arguments, **options)

    monkeypatch.setattr(recorder, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.fetch()
    monkeypatch.undo()
    monkeypatch.setenv("HF_ENDPOINT", world.server.address)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetching, "HOSTED", world.table)
    monkeypatch.setattr(fetching, "DATA", world.data)
    first = world.paths()[0].stat().st_mtime_ns
    world.fetch()
    assert world.paths()[0].stat().st_mtime_ns == first and all(path.exists() for path in world.paths())
    assert len(world.asked("taskA_preds.npy")) == 1 and len(world.asked("archive.tar.gz")) == 1


def test_something_else_under_the_name(world):
    path = world.paths()[0]
    predictions.write(path, models()[0], labels=TRUTH, task="taskA")
    world.refused("is there and is not taskA as it is published")
    path.write_bytes(b"no")
    world.refused("preds_0.h5 is not a complete trajectory file")
    assert world.server.asked == [] and path.read_bytes() == b"no"


def test_disk_too_small(world, monkeypatch):
    total = len(ARCHIVE) + 3 * models().nbytes
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=total // 2))
    world.refused("GB of disk are needed")
    assert len(world.server.asked) == 1 and not list(world.folder.glob("*/preds_*.h5"))


def test_one_process_at_a_time(world):
    code = "import sys; from info_geometry import files\nwith files.lock(sys.argv[1], 'x'): print(flush=True); input()"
    world.folder.mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(world.folder / ".fetch.lock")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    try:
        world.refused(f"cifar100 in .* is being written by pid {other.pid}")
    finally:
        other.communicate(b"\n")
    world.fetch()


@pytest.mark.parametrize("endpoint", ["file:///etc", "huggingface.co", ""])
def test_endpoint_that_is_none(world, monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    world.refused("HF_ENDPOINT is .* expected the address of a server")


# labels


def test_labels_of_the_data_set_that_is_there(world):
    (world.data / "cifar-100-python").mkdir(parents=True)
    (world.data / MEMBER).write_bytes(pickled(TRUTH))
    world.fetch()
    assert not world.asked("archive.tar.gz")


def test_labels_of_an_archive_that_is_there(world):
    world.data.mkdir()
    (world.data / "archive.tar.gz").write_bytes(ARCHIVE)
    world.fetch()
    assert not world.asked("archive.tar.gz") and (world.data / "archive.tar.gz").exists()


def test_damaged_data_set_is_said_and_left(world, caplog):
    (world.data / "cifar-100-python").mkdir(parents=True)
    (world.data / MEMBER).write_bytes(pickled(TRUTH)[:100])
    with caplog.at_level("WARNING", logger="info_geometry"):
        world.fetch()
    assert str(world.data / MEMBER) in caplog.text and len(world.asked("archive.tar.gz")) == 1
    assert predictions.open_trajectory(world.paths()[0]).labels.tolist() == TRUTH.tolist()


def test_archive_is_resumed_and_verified(world):
    world.fetch("cut:200")
    assert [count for _, _, count in world.asked("archive.tar.gz")] == [200, len(ARCHIVE) - 200]
    world.paths()[0].unlink()
    other = bytearray(ARCHIVE)
    other[-20] ^= 1
    world.server.contents["/archive.tar.gz"] = bytes(other)
    assert "--labels FILE" in world.refused("archive.tar.gz has MD5 .*, expected ")


def test_archive_that_cannot_be_had(world):
    del world.server.contents["/archive.tar.gz"]
    assert "--labels FILE.npy" in world.refused("answers 404")


@pytest.mark.parametrize(
    "labels, message",
    [
        (TRUTH[:-1], "of the first 300 train images: expected 300 labels, whole numbers, .* not an array of shape"),
        (TRUTH + 1, "from 1 to 5"),
        (TRUTH + 0.5, "expected 300 labels"),
        (np.random.default_rng(0).permutation(TRUTH), "seed 0 agrees with .* expected more than chance, 20.6%"),
    ],
    ids=range(4),
)
def test_labels_that_do_not_fit(world, tmp_path, labels, message):
    np.save(tmp_path / "labels.npy", labels)
    assert "label" in world.refused(message, labels=tmp_path / "labels.npy")
    assert not list(world.folder.glob("*/preds_*.h5"))


def test_labels_that_are_no_file_or_others_than_before(world, tmp_path):
    world.refused("no such file", labels=tmp_path / "none.npy")
    (tmp_path / "text.npy").write_text("no")
    world.refused("holds no labels: expected one whole number", labels=tmp_path / "text.npy")
    world.fetch()
    np.save(tmp_path / "labels.npy", TRUTH)
    world.fetch(labels=tmp_path / "labels.npy")
    np.save(tmp_path / "others.npy", TRUTH[::-1])
    world.refused("was stored with other labels", labels=tmp_path / "others.npy")
