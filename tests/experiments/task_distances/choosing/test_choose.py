"""The command that ranks sources: what it prints of digits, of a folder of images, and each mistake's sentence."""

import csv
import importlib
import shutil

import numpy as np
import pytest
from PIL import Image

from experiments.task_distances.choosing import scores, sources, targets
from info_geometry.files import InputError
from learning import data, tasks
from tests.experiments.task_distances.choosing.conftest import call

CHOOSE = "experiments.task_distances.choose"
SOURCES = "digits_all_plain", "digits_low_plain", "digits_all_flip", "digits_all_plain_width12"


def choose(folders, *words):
    return call(CHOOSE, *words, folders=folders)


@pytest.fixture
def images(tmp_path):
    """Return a folder of images of digits 0 and 7, as colour PNGs of 20 x 16 pixels, 6 of each, one in a corner."""
    there, root = data.load("digits", "test", ""), tmp_path / "mine"
    for label, name in ((0, "nought"), (7, "seven")):
        (root / name).mkdir(parents=True)
        for k, i in enumerate(np.flatnonzero(there.labels == label)[:6]):
            grey = np.kron(there.pixels[i, 0].numpy(), np.ones((2, 2), np.uint8))  # 16 x 16
            wide = np.zeros((16, 20), np.uint8)
            wide[:, 2:18] = grey
            Image.fromarray(wide).convert("RGB").save(root / name / f"{k}.png")
    return root


def test_target_of_a_data_set(folders, capsys, tmp_path):
    """An upside-down task is best learned from what has seen such images; numbers are those of scores.py."""
    path = tmp_path / "ranking.csv"
    choose(folders, "--target", "all:flip", "--dataset", "digits", "--sources", *SOURCES, "--csv", path)
    out = capsys.readouterr().out
    assert "200 images of 10 classes" in out and "filters of digits_all_plain" in out
    assert "Start from digits_all_flip" in out
    rows = {row["source"]: row for row in csv.DictReader(path.open())}
    assert list(rows) == list(SOURCES)
    load = sources.loader(folders)
    source = sources.opened("digits_low_plain", 0, folders, load)
    x, y = source.seen(targets.of_data_set("all:flip", "digits", (1, 8), 20, load))
    assert np.bincount(y).tolist() == [20] * 10
    expected = scores.of_images(source.features(x), source.predictions(x), y)
    for name, value in expected.items():
        assert float(rows["digits_low_plain"][name]) == pytest.approx(value)
    assert float(rows["digits_all_plain_width12"]["rank_by_parameters"]) == 1


def test_target_of_a_folder(folders, images, capsys):
    found = targets.of_folder(images, tasks.facts("digits"), 20)
    assert found.pixels.shape == (12, 1, 8, 8) and found.labels.tolist() == [0] * 6 + [1] * 6
    there = data.load("digits", "test", "")
    same = there.pixels[np.flatnonzero(there.labels == 0)[:6]].int()
    apart = [(found.pixels[:6].int() - same.roll(k, 3)).abs().float().mean() for k in (-1, 0, 1)]
    assert 3 * apart[1] < min(apart[::2])  # cut in the middle and brought back to 8 x 8, up to smoothing
    choose(folders, "--target", images, "--sources", *SOURCES, "--labels", 4, "--probe", "digits_low_plain")
    out = capsys.readouterr().out
    assert "8 images of 2 classes" in out and "filters of digits_low_plain" in out and "Start from" in out


def transparent(grey, mode):
    """Return an image of ink (H, W), 0 to 255, black as far as there is any; what is not seen has any colour."""
    hidden = np.random.default_rng(0).integers(0, 256, (*grey.shape, 3), np.uint8) * (grey == 0)[..., None]
    if mode == "P":
        found = Image.fromarray((grey > 127).astype(np.uint8), "P")
        found.putpalette([255, 0, 0, 0, 0, 0])
        found.info["transparency"] = 0
        return found
    return Image.fromarray(np.dstack([hidden, grey]).astype(np.uint8), "RGBA")


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparent_images_lie_on_white(images, tmp_path, mode):
    there, white = data.load("digits", "test", ""), tmp_path / "white"
    for label, name in ((0, "nought"), (7, "seven")):
        (white / name).mkdir(parents=True)
        for k, i in enumerate(np.flatnonzero(there.labels == label)[:2]):
            grey = np.kron(15 * there.pixels[i, 0].numpy(), np.ones((2, 2), np.uint8))
            grey = 255 * (grey > 127).astype(np.uint8) if mode == "P" else grey
            image, exif = transparent(grey, mode), Image.Exif()
            exif[274] = 6  # lies on its side
            image.save(images / name / f"{k}.png", exif=exif)
            Image.fromarray(255 - grey).rotate(-90, expand=True).convert("RGB").save(white / name / f"{k}.png")
        for path in list((images / name).glob("[2-5].png")):
            path.unlink()
    found, expected = (targets.of_folder(root, tasks.facts("digits"), 20).pixels for root in (images, white))
    assert (found.int() - expected.int()).abs().max() <= 1 and found.float().std() > 30


def test_sources_of_other_experiments(folders, capsys):
    """A supervised run, and one that was fine-tuned from it."""
    words = "digits", "--task", "even", "--epochs", 3, "--checkpoints", 2
    assert call("supervised_imagenet.01_training.train_imagenet", *words, folders=folders) == 0
    fine = "experiments.fine_tuning.01_training.train_fine_tuned"
    words = "digits", "--task", "odd", "--start", "even", "--epochs", 3, "--checkpoints", 2
    assert call(fine, *words, folders=folders) == 0
    names = "digits_even", "digits_odd_from_even", SOURCES[1]
    choose(folders, "--target", "0,1", "--dataset", "digits", "--sources", *names, "--labels", 5)
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("digits")} == set(names)


def test_patterns_name_sources(folders, capsys):
    words = "--target", "0,1", "--dataset", "digits", "--sources", "digits_all_[pf]*", "--labels", 5
    choose(folders, *words)
    table = capsys.readouterr().out.splitlines()[3:6]
    assert {line.split()[0] for line in table} == {"digits_all_plain", "digits_all_flip", "digits_all_plain_width12"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sources", "digits_all_plain", "digits_all_plain"), "digits_all_plain is there twice"),
        (("--sources", "digits_all_plain"), "leaves no choice; name two runs or more"),
        (("--sources", "digits_all_plain", "digits_high_plain"), "there is no run 'digits_high_plain'|holds no run"),
        (("--sources", *SOURCES, "--labels", "1"), "--labels is 1; expected 2 or more"),
        (("--sources", *SOURCES, "--target", "3"), "a task needs at least 2"),
        (("--sources", *SOURCES, "--target", "0,1:upwards"), "condition is 'upwards'"),
        (("--sources", *SOURCES, "--target", "randomlab"), "say the condition random_labels"),
        (("--sources", *SOURCES, "--dataset", "fashion"), "--dataset fashion has images of 28 x 28 pixels"),
        (("--sources", *SOURCES, "--seed", "7"), "seed_7 holds no run; train it with python -m experiments.task"),
    ],
)
def test_mistakes(folders, words, message):
    with pytest.raises(InputError, match=message):
        choose(folders, "--target", "0,1", "--dataset", "digits", *words)


def test_sources_that_do_not_fit(folders, tmp_path):
    """Not complete, without a head, of two tasks, of images of another shape."""
    here = type(folders)(folders.data, tmp_path / "checkpoints", tmp_path / "predictions")
    for name in SOURCES[:2]:
        shutil.copytree(folders.checkpoints / name, here.checkpoints / name)
    shutil.copytree(folders.checkpoints / SOURCES[0], here.checkpoints / "digits_all_other")

    def changed(name, old, new):
        path = here.run(name, 0) / "run.json"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def asked(message, *names):
        with pytest.raises(InputError, match=message):
            choose(here, "--target", "0,1", "--dataset", "digits", "--sources", *names)

    changed("digits_all_other", '"samples": 400', '"samples": 400, "outputs": 0')
    asked("its networks have no head", *SOURCES[:1], "digits_all_other")
    changed("digits_all_other", '"outputs": 0', '"outputs": 15')
    asked("15 outputs and its task 10 classes", *SOURCES[:1], "digits_all_other")
    for path in (here.run(SOURCES[1], 0) / "ckpt").glob("8_*"):
        path.unlink()
    asked("no such checkpoint; training did not finish", *SOURCES[:2])
    load = sources.loader(folders)
    first = sources.opened(SOURCES[0], 0, folders, load)
    other = first.__class__(
        first.run.__class__(**{**vars(first.run), "name": "cifar10_all", "config": {"dataset": "cifar10"}}), None, load
    )
    with pytest.raises(InputError, match="cifar10_all sees images of 32 x 32 pixels and 3 channels, and digits_all"):
        sources.check_shapes([first, other])


def test_patterns_leave_out_what_is_no_source(folders, tmp_path, capsys):
    here = type(folders)(folders.data, tmp_path / "checkpoints", tmp_path / "predictions")
    names = "digits_all_headless", "digits_all_twice", "digits_all_undone", "digits_all_later"
    for name in SOURCES:
        shutil.copytree(folders.checkpoints / name, here.checkpoints / name)
    for name, outputs in zip(names, (0, 15, None, None)):
        shutil.copytree(folders.checkpoints / SOURCES[0], here.checkpoints / name)
        path = here.run(name, 0) / "run.json"
        if outputs is not None:
            path.write_text(path.read_text().replace('"samples": 400', f'"samples": 400, "outputs": {outputs}'))
    for path in (here.run(names[2], 0) / "ckpt").glob("8_*"):
        path.unlink()
    here.run(names[3], 0).rename(here.run(names[3], 1))
    words = "--target", "0,1", "--dataset", "digits", "--labels", 5, "--sources"
    choose(here, *words, "digits_all_*", "digits_low_plain")
    about, _, _, *rows = capsys.readouterr().out.splitlines()
    assert about.endswith(
        "Left out: digits_all_headless (no head), digits_all_later (no seed 0), digits_all_twice (two tasks at once), "
        "digits_all_undone (not complete)."
    )
    assert {row.split()[0] for row in rows[:4]} == set(SOURCES) and not rows[4]
    for name, message in zip(names, ("no head", "two tasks", "did not finish", "holds no run")):
        with pytest.raises(InputError, match=message):
            choose(here, *words, "digits_all_*", name)
    with pytest.raises(InputError, match=r"leaves no choice; .*Left out: digits_all_headless \(no head\)"):
        choose(here, *words, "digits_all_h*", "digits_low_plain")


@pytest.mark.parametrize(
    ("left", "message"),
    [
        ({"nought": 6}, "holds one class, nought"),
        ({"nought": 1, "seven": 4}, r"1 of 2 classes have one image \(nought\)"),
        ({"nought": 0, "seven": 4}, "no images in 1 of 2 class folders"),
        ({}, "holds no folders; expected one folder of images for each class"),
    ],
)
def test_folders_that_do_not_fit(folders, images, left, message):
    for folder in list(images.iterdir()):
        for path in sorted(folder.iterdir())[left.get(folder.name, 0) :]:
            path.unlink()
        if folder.name not in left:
            folder.rmdir()
    with pytest.raises(InputError, match=message):
        choose(folders, "--target", images, "--sources", *SOURCES)


def test_no_such_folder(folders, tmp_path):
    with pytest.raises(InputError, match="no such folder; a task of a data set needs --dataset"):
        choose(folders, "--target", tmp_path / "none", "--sources", *SOURCES)
    with pytest.raises(SystemExit):
        importlib.import_module(CHOOSE).main(["--target", "all"])
