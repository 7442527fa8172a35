"""From runs of digits to scores in files, what is read of them, and the section of claims and figures."""

import dataclasses

import numpy as np
import pytest
import torch

from experiments.task_distances.choosing import measured, scores, scoring, section, sources
from experiments.task_distances.choosing.scores import LOOKING, SCORES
from experiments.task_distances.embedding import embed
from experiments.task_distances.sizes import FULL
from info_geometry import predictions
from info_geometry.files import InputError
from learning import data, grids, networks, tasks
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.run import Folders
from learning.split import split
from tests.experiments.task_distances.choosing.conftest import SCORE, SIZE, call

RUN = "digits_classes_0-7_plain_from_low_plain_few"


def network_of(folders, name):
    """Return the last network of a run."""
    folder = folders.run(name, 0)
    run = runs.read(folder)
    network = networks.build("plain_cnn", 1, 8, run.classes, 0, run.config["width"])
    network.load_state_dict(weights.load(run.path(folder, run.schedule[-1])))
    return network.eval()


def normalised(images):
    return data.normalise(images.pixels, images._mean, images._std)


def attributes(folders, run=RUN):
    return predictions.open_trajectory(folders.file(f"{run}_scores", 0)).attributes


def test_file_says_how_the_start_was_scored_and_what_came_of_it(folders):
    """By loops that know nothing of the stage but the images that the run learned from."""
    found, source = attributes(folders), network_of(folders, "digits_low_plain")
    images = data.load("digits", "train", "")
    config = found["config"]
    part = data.load("digits", "test", "")
    test = np.isin(part.labels, (0, 7))
    with torch.no_grad():
        right = network_of(folders, RUN)(normalised(part)).argmax(dim=1).numpy() == np.searchsorted((0, 7), part.labels)
    assert found["known"]["accuracy"] == pytest.approx(right[test].mean())

    own = split(images.labels, (0, 7), type("C", (), {**config, "recalibration_images": 0})).training
    x, y = normalised(images)[torch.from_numpy(own)], images.labels[own]
    assert len(y) == 2 * SIZE.few
    with torch.no_grad():
        X, P = source.body(x).double().numpy(), torch.softmax(source(x).double(), dim=1).numpy()
    expected = scores.of_images(X, P, y)
    probe, load = network_of(folders, "digits_all_plain"), sources.loader(folders)
    low = sources.opened("digits_low_plain", 0, folders, load)
    a = embed(probe, *low.seen(low.own()))
    expected |= scores.of_vectors(a.vector, embed(probe, x, y).vector)
    for name in LOOKING:
        assert found["scored"]["scores"][name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    assert found["scored"]["source"] == {"name": "digits_low_plain", "classes": [0, 1, 2, 3, 4], "condition": "plain"}
    assert found["scored"]["scores"]["parameters"] == sum(p.numel() for p in source.body.parameters())


def test_own_images_of_a_source_are_of_its_task_under_its_condition(folders):
    load = sources.loader(folders)
    plain, flipped = (sources.opened(f"digits_all_{x}", 0, folders, load) for x in ("plain", "flip"))
    x, y = plain.seen(plain.own())
    upside_down, same = flipped.seen(flipped.own())
    assert torch.equal(upside_down, x.flip(2)) and (same == y).all()
    assert np.bincount(y).tolist() == [60] * 10
    low = sources.opened("digits_low_plain", 0, folders, load).own()
    assert set(load("digits", "train").labels[low.indices]) == set(range(5))
    assert plain.accuracy() > 0.7 and flipped.accuracy() > 0.7


def test_all_classes_are_predicted_by_an_imprinted_source(folders):
    """The accuracy on all classes is that of the first checkpoint of what goes on from the source."""
    first = predictions.open_trajectory(folders.file(f"{RUN}_scores", 0))
    P = np.square(first.roots(dtype=np.float64))[0]
    expected = (P.argmax(axis=1) == first.labels).mean()
    assert attributes(folders)["scored"]["scores"]["accuracy"] == pytest.approx(expected, abs=0.005)


def test_same_command_again_skips_and_another_run_is_refused(folders, capfd):
    assert call(SCORE, RUN, "--seed", 0, folders=folders) == 0
    assert "1 skipped" in capfd.readouterr().out
    assert call(SCORE, "digits_nothing_plain", "--seed", 0, folders=folders) == 1
    assert "holds no run" in capfd.readouterr().err
    assert call(SCORE, RUN, "--seed", 0, "--probe", "digits_low_plain", folders=folders) == 1
    assert "was stored with the probe digits_all_plain" in capfd.readouterr().err
    assert call(SCORE, "digits_all_plain_width12", "--seed", 0, folders=folders) == 0  # no start: what it came to
    assert "scored" not in attributes(folders, "digits_all_plain_width12")


def test_vectors_are_computed_once(folders):
    source = sources.opened("digits_all_plain", 0, folders, sources.loader(folders))
    files = sorted((folders.predictions / "digits_all_plain_vectors" / "seed_0").glob("*.npz"))
    assert len(files) == 3 + 3 * (1 + scoring.PERMUTED)  # tasks of sources, of which two are the same; targets
    vectors = scoring.Vectors(source, folders)
    first = vectors.of(source.own())
    assert sorted(files[0].parent.glob("*.npz")) == files
    other = dataclasses.replace(source.own(), labels=source.own().labels[::-1].copy())
    assert vectors.of(other).vector.tolist() != first.vector.tolist()
    assert len(sorted(files[0].parent.glob("*.npz"))) == len(files) + 1


def test_section(folders, tmp_path):
    found = measured.read(folders, (0,), SIZE)
    assert found.sources == ("all", "low", "all:flip", "all@12") and found.accuracy.shape == (1, 4, 3)
    assert found.holds.tolist() == [[True] * 3, [False, True, False], [True] * 3, [True] * 3]
    assert found.permuted["nce"].shape == (1, scoring.PERMUTED, 4, 3)
    for name, score in SCORES.items():
        stored = attributes(folders)["scored"]["scores"][name]
        assert found.scores[name][0, 1, 2] == (stored if score.larger else -stored)
    assert found.accuracy[0, 1, 2] == attributes(folders)["known"]["accuracy"]
    one = section.section(folders, (0,), SIZE, tmp_path, verdicts=False)
    assert all(path.exists() for path in one.written) and len(one.written) == 6
    assert all("not asked" in row for row in one.rows[2:])
    assert "| LogME |" in one.tables[0] and "| 0,1 |" in one.tables[1]


def test_what_is_missing_is_said(folders, tmp_path):
    with pytest.raises(InputError, match=r"preds_0.h5 is missing; `make tasks` makes it"):
        measured.read(Folders(predictions=tmp_path), (0,), FULL)


def test_grids_take_what_is_read():
    """Every file that is read follows from a run of the grid, or of the first part."""
    from experiments.task_distances import sizes
    from info_geometry.files import ROOT

    for size, file in ((sizes.FULL, "choosing"), (sizes.QUICK, "choosing_quick")):
        taken = set()
        for grid in grids.read(ROOT / "experiments" / "task_distances" / f"{file}.yaml"):
            for words in grid.combinations():
                given = dict(zip(words[1::2], words[2::2]))
                start = given.get("--start", "").removeprefix(f"{size.dataset}_")
                for task in grid.task:
                    name = f"{size.dataset}_{tasks.load(size.dataset, task).name}_plain"
                    taken.add(name + (f"_from_{start}" if start else "") + f"_{given['--variant']}")
                    if given["--variant"] == "few":
                        classes = len(tasks.load(size.dataset, task).classes)
                        assert int(given["--training_images"]) == size.few * classes, (file, task)
                    width = start.partition("_width")[2]
                    assert not start or given.get("--width", "") == width
        words = (*size.sources, *(f"all@{width}" for width in size.widths))
        read = {f"{measured.run_of(size.dataset, target)}_few" for target in size.targets}
        for target in size.targets:
            for word in words:
                start = measured.run_of(size.dataset, word).removeprefix(f"{size.dataset}_")
                read.add(f"{measured.run_of(size.dataset, target)}_from_{start}_few")
        read |= {measured.run_of(size.dataset, f"all@{width}") for width in size.widths}
        assert taken == read
        assert set(size.sources) <= set(size.suite)
