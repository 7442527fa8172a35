"""Stage 3 on digits: which images, what is in the files, what is skipped, and what is refused."""

import json
import os
import shutil

import numpy as np
import pytest
import torch

from experiments.task_distances import distances, embedding
from experiments.task_distances.vectors import heads, storing, suites
from experiments.task_distances.vectors.choices import Choices, file_name
from info_geometry.files import InputError
from learning import data
from learning.deficits import blurred, random_labels
from learning.runs import run as runs
from learning.tasks import facts
from tests.support.stages import done, run

TRAIN = "experiments/task_distances/01_training/train_task.py"
EMBED = "experiments/task_distances/03_embedding/embed_tasks.py"
DECAYS = "experiments/task_distances/03_embedding/compare_decays.py"
PROBE = "digits_all_plain_probe"
FEW = ("--images", 40, "--samples", 20)
WORDS = "all", "0,1", "all:permuted_labels", "all:random_labels", "all:blur3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a probe, and tasks embedded by it in some ways; for reading only."""
    found = tmp_path_factory.mktemp("embedded")
    words = {"training_images": 200, "epochs": 8, "width": 4, "variant": "probe", "seed": 3}
    done(TRAIN, found, "digits_tasks", **words, schedule="geometric", checkpoints=2)
    for more in ((), ("--subset", 1), ("--untrained",), ("--method", "domain")):
        done(EMBED, found, PROBE, *FEW, *more, "--tasks", *WORDS)
    return found


def probe_run(folder):
    return runs.read(folder / "checkpoints" / PROBE / "seed_3")


def images():
    return data.load("digits", "train", "")


def words(*texts):
    return suites.resolved("digits", texts)


def read(folder, word="all", reader=embedding, **choices):
    path = Choices(**{"images": 40, "samples": 20} | choices).folder(folder / "predictions", PROBE, 3)
    own = words(word)[0]
    return reader.read(path / file_name(own.task.name, own.condition.label))


def test_images_are_of_the_task_and_no_others_were_learned(folder):
    every, own = images(), probe_run(folder)
    learned = storing.learned(own, every.labels)
    assert len(learned) == 200
    chosen = {
        (text, k): storing.images_of(words(text)[0], every, own, 40, k) for text in ("all", "0,1") for k in (0, 1)
    }
    for (text, _), indices in chosen.items():
        classes = words(text)[0].task.classes
        assert not np.isin(indices, learned).any() and len(set(indices)) == 40
        assert (np.bincount(every.labels[indices], minlength=10)[list(classes)] == 40 // len(classes)).all()
    for text in ("all", "0,1"):
        assert not np.isin(chosen[text, 0], chosen[text, 1]).any()
    same = storing.images_of(words("all:random_labels")[0], every, own, 40, 0)
    assert (same == chosen["all", 0]).all(), "conditions change images and labels, not which images these are"


def test_what_is_seen_is_under_the_condition(folder):
    every, own = images(), probe_run(folder)
    indices = storing.images_of(words("even")[0], every, own, 20)
    x, y = storing.seen(words("even")[0], every, indices, own.config)
    assert (y == every.labels[indices] // 2).all()
    mean, std = (np.array(values) for values in (facts("digits").mean, facts("digits").std))
    pixels = every.pixels[torch.from_numpy(indices)].double().numpy()
    assert x.numpy() == pytest.approx((pixels - mean) / std, abs=1e-5)
    blur, z = storing.seen(words("even:blur3")[0], every, indices, own.config)
    assert torch.equal(blur, blurred(x, 3)) and (z == y).all()
    flip, _ = storing.seen(words("even:flip")[0], every, indices, own.config)
    assert torch.equal(flip, x.flip(2))
    _, permuted = storing.seen(words("even:permuted_labels")[0], every, indices, own.config)
    assert (permuted == (y + 1) % 5).all()
    _, drawn = storing.seen(words("even:random_labels")[0], every, indices, own.config)
    assert (drawn == random_labels(torch.from_numpy(indices), 5).numpy()).all()
    with pytest.raises(InputError, match="factor is 8, which leaves one pixel"):
        storing.seen(words("even:blur8")[0], every, indices, own.config)


def test_a_file_holds_what_embed_gives(folder):
    every, own = images(), probe_run(folder)
    load, where = lambda name, part: data.load(name, part, ""), folder / "checkpoints" / PROBE / "seed_3"
    for untrained in (False, True):
        probe = storing.probe_of(own, where, load, "", untrained)
        for text in WORDS:
            word = words(text)[0]
            x, y = storing.seen(word, every, storing.images_of(word, every, own, 40), own.config)
            expected = embedding.embed(probe, x, y, samples=20, seed=3)
            found = read(folder, text, untrained=untrained)
            assert found.vector == pytest.approx(expected.vector, rel=1e-3, abs=1e-9)
            assert (found.probe, found.classes) == (expected.probe, len(word.task.classes))


def test_other_images_give_another_vector_and_permuted_labels_the_same(folder):
    one, other, permuted = read(folder), read(folder, subset=1), read(folder, "all:permuted_labels")
    assert distances.cosine(one.vector, permuted.vector) < 1e-3 < distances.cosine(one.vector, other.vector)
    assert distances.cosine(one.vector, read(folder, "all:random_labels").vector) > 1e-3


def test_means_of_features_do_not_see_labels_and_heads_do(folder):
    one, random = (read(folder, text, heads, method="domain", samples=20) for text in ("all", "all:random_labels"))
    assert (one.mean == random.mean).all() and one.mean.shape == (16,)
    assert one.error < 0.5 < random.error and one.cross_entropy < random.cross_entropy
    assert one.classes == 10 and one.head_cross_entropy > 0
    assert one.head_cross_entropy == pytest.approx(read(folder).head_cross_entropy, rel=1e-6)


def test_what_is_there_is_skipped_and_a_task_that_is_missing_is_added(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    there = tmp_path / "copy" / "predictions" / f"{PROBE}_vectors" / "seed_3"
    path = next(there.glob("exact-*20/all_plain.npz"))
    before = os.stat(path).st_mtime_ns
    assert "1 skipped" in run(EMBED, tmp_path / "copy", PROBE, *FEW, "--tasks", *WORDS)[1]
    code, text = run(EMBED, tmp_path / "copy", PROBE, *FEW, "--tasks", *WORDS, "odd")
    assert code == 0 and "1 done" in text and path.with_name("odd_plain.npz").exists()
    assert os.stat(path).st_mtime_ns == before
    damaged = path.with_name("all_blur3.npz")
    damaged.write_bytes(b"no")
    code, text = run(EMBED, tmp_path / "copy", PROBE, *FEW, "--tasks", *WORDS)
    assert code == 1 and f"{damaged} is not an embedding of a task" in text
    shutil.copy(next(there.glob("exact-*untrained/all_plain.npz")), path)
    code, text = run(EMBED, tmp_path / "copy", PROBE, *FEW, "--tasks", "all")
    assert code == 1 and f"{path} is by another probe" in text


@pytest.mark.parametrize(
    "more, told",
    [
        ((PROBE, "--suite", "fashion"), f"{PROBE} was trained on digits, and the suite is of fashion"),
        (
            (PROBE, "--tasks", "0,1", "--subset", 9),
            "images beside those that digits_all_plain_probe has learned, too few",
        ),
        ((PROBE, "--tasks", "all", "--images", 9), "--images is 9, but task all has 10 classes"),
        ((PROBE, "--tasks", "all:rotated"), "condition is 'rotated'"),
        *(
            (
                (PROBE, "--tasks", "all:random_labels", "--images", 10, "--method", method),
                "of its 10 labels; give more --images",
            )
            for method in ("exact", "domain")
        ),
        ((PROBE, "--tasks", "all", "--decay", "nan"), "--decay is nan, expected a positive number"),
        (("digits_odd_plain", "--seed", 0, "--tasks", "all"), "holds no run; train the probe with"),
        ((PROBE,), "say which tasks: --suite NAME, or --tasks T:C"),
        ((PROBE, "--suite", "digits", "--tasks", "all"), "say which tasks"),
        ((PROBE, "--suite", "digit"), "there is no suite 'digit'"),
    ],
)
def test_what_is_refused(folder, more, told):
    code, text = run(EMBED, folder, *FEW[:2], *more) if "--images" not in more else run(EMBED, folder, *more)
    assert code == 1 and told in text


def test_tasks_of_files_with_one_name_are_not_mixed_up(folder, tmp_path):
    there = shutil.copytree(folder, tmp_path / "copy")

    def embedded(*texts):
        return run(EMBED, there, PROBE, *FEW, "--tasks", *texts)

    one, other = (tmp_path / name / "mine.json" for name in ("x", "y"))
    for path, classes in ((one, [0, 1]), (other, [2, 3])):
        path.parent.mkdir()
        path.write_text(json.dumps(classes))
        assert "1 done" in embedded(path)[1] and "1 skipped" in embedded(path)[1]
    path = next(there.glob("predictions/*/seed_3/exact-images40-*20")) / words(str(one))[0].file
    assert embedding.read(path).vector == pytest.approx(read(folder, "0,1").vector, rel=1e-6)
    assert embedding.read(path.with_name(words(str(other))[0].file)).vector != pytest.approx(read(folder, "0,1").vector)
    code, text = embedded(one, other)
    assert code == 1 and "are other classes with one name, mine; rename one of the files" in text
    one.write_text("[0, 2]")
    assert "1 done" in embedded(one)[1] and len(list(path.parent.glob("mine-*_plain.npz"))) == 3
    shutil.copy(path.with_name("all_plain.npz"), path.with_name("classes_0-1_plain.npz"))
    code, text = embedded("0,1")
    assert code == 1 and "_0-1_plain.npz is of 10 classes, and task 0,1 has 2: delete the file" in text


def test_held_out_images_of_other_labels_are_refused(probe, digits):
    x, y = digits[0][:40], np.arange(40) % 2
    with pytest.raises(InputError, match="labels that none of the 40 images of the task has; give more images"):
        heads.know(probe, x, y, (x, y + 1))


def test_heads_are_files_of_their_own(folder, tmp_path):
    found = read(folder, reader=heads, method="domain", samples=20)
    heads.write(tmp_path / "a.npz", found)
    again = heads.read(tmp_path / "a.npz")
    assert (again.mean == found.mean).all() and again.error == found.error and again.probe == found.probe
    with pytest.raises(InputError, match=r"b.npz: no such file"):
        heads.read(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"c.npz does not say what is known of a task"):
        heads.read(tmp_path / "c.npz")


def test_decays_are_compared(folder):
    code, text = run(DECAYS, folder, PROBE, "--suite", "digits", *FEW, "--subsets", 0, 1, "--decays", 1, 0.01)
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ") and "decay" not in line]
    values = {float(row[0]): [float(x) for x in row[1:]] for row in rows if "-" not in row[0]}
    assert code == 0 and values.keys() == {1.0, 0.01}
    assert values[1][2] > values[0.01][2], "with less decay heads fit better"
    assert all(-1 <= row[0] <= 1 and -1 <= row[1] <= 1 for row in values.values())
    code, text = run(DECAYS, folder, PROBE, "--suite", "digits", "--subsets", 1, 1)
    assert code == 1 and "--subsets 1 1 are the same" in text
