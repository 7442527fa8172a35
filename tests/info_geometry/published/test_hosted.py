"""What is hosted: only the arrays and labels that were published are admitted, and nothing in them is run."""

import io
import pickle
import tarfile

import numpy as np
import pytest

from info_geometry.published import hosted
from tests.support.hosting import ARCHIVE, MEMBER, SEEDS, TRUTH, C, Evil, N, T, archived, models, npy, pickled, spoilt
from tests.support.prediction_files import names


def test_table():
    published = hosted.HOSTED["cifar100"]
    assert len(published.t) == published.shape[1] and list(published.t) == sorted(set(published.t))
    assert published.bytes == 222_000_000


@pytest.mark.parametrize(
    "raw, message",
    [
        (npy(models()[:, :, :-1]), "announces .* expected"),
        (npy(models().reshape(SEEDS, T, C, N)), r"shape \(3, 4, 5, 300\) .* expected shape \(3, 4, 300, 5\)"),
        (npy(models().view(np.int32)), "type int32, expected .* float32"),
        (npy(models().astype(">f4")), "type >f4, expected .* float32"),
        (npy(np.asfortranarray(models())), "in C order"),
        (spoilt((1, 2, 7, 3), np.nan), "taskA_preds.npy: seed 1, checkpoint 2, sample 7: .* nan"),
        (spoilt((2, 0, 11, 0), np.inf), "seed 2, checkpoint 0, sample 11: .* sum to inf"),
        (spoilt((0, 3, 299), [1, 1, 0, 0, 0]), "seed 0, checkpoint 3, sample 299: .* sum to 2, expected probabilities"),
        (spoilt((0, 3, 5), [1.5, -0.5, 0, 0, 0]), "sample 5: numbers from -0.5 that sum to 1,"),
        (npy(models())[:-4] + b"", r"announces \d+ bytes|has \d+ bytes|no array"),
        (npy(models()) + b"more", r"has \d+ bytes, expected \d+"),
        (b"\x93NUMPY" + bytes(models().nbytes), "no array of numbers"),
        (bytes(models().nbytes), "no array of numbers"),
    ],
    ids=range(13),
)
def test_arrays_that_are_not_what_was_published(world, raw, message):
    world.put(raw=raw)
    assert "taskA_preds.npy" in world.refused(message)
    assert names(world.folder / "downloads") == ["archive.tar.gz"]
    assert not list(world.folder.glob("*/preds_*.h5"))
    world.put(models())
    world.fetch()


def test_pickles_in_place_of_arrays_are_refused(world, tmp_path):
    size = models().nbytes
    for raw in (
        pickle.dumps([Evil(tmp_path / "ran"), bytes(size)]),
        npy(np.array([Evil(tmp_path / "ran"), bytes(size)], dtype=object), allow_pickle=True),
    ):
        world.put(raw=raw)
        world.refused("no array of numbers")
    file = io.BytesIO()
    np.savez(file, models())
    world.put(raw=file.getvalue())
    world.refused("an archive, expected")
    assert not (tmp_path / "ran").exists()


def bad_archives(marker):
    evil = pickle.dumps({b"fine_labels": [*TRUTH.tolist()], b"data": Evil(marker)}, protocol=2)
    return {
        "evil": archived(evil),
        "evil before the labels": archived(pickle.dumps([Evil(marker)], protocol=2)),
        "os.system": archived(b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."),
        "no pickle": archived(b"no"),
        "truncated pickle": archived(pickled(TRUTH)[:500]),
        "too few": archived(pickled(TRUTH[:-1])),
        "out of range": archived(pickled([*TRUTH[:-1], C])),
        "negative": archived(pickled([*TRUTH[:-1], -1])),
        "texts": archived(pickle.dumps({b"fine_labels": ["1"] * N}, protocol=2)),
        "no labels": archived(pickle.dumps({b"labels": TRUTH.tolist()}, protocol=2)),
        "no dictionary": archived(pickle.dumps([1, 2], protocol=2)),
        "no member": archived(pickled(TRUTH), name="cifar-100-python/other"),
        "elsewhere": archived(pickled(TRUTH), name="../" + MEMBER),
        "symbolic link": archived(b"", kind=tarfile.SYMTYPE),
        "folder": archived(b"", kind=tarfile.DIRTYPE),
        "no archive": b"no",
        "truncated": ARCHIVE[: len(ARCHIVE) // 2],
    }


@pytest.mark.parametrize("which", bad_archives(""))
def test_hostile_archives_are_refused_and_run_nothing(world, tmp_path, which):
    world.put_archive(bad_archives(tmp_path / "ran")[which])
    before = names(tmp_path)
    message = world.refused("does not hold the labels of cifar-100-python/train")
    assert "archive.tar.gz" in message and not (tmp_path / "ran").exists()
    assert names(tmp_path) == sorted([*before, "predictions"])
    assert names(world.folder / "downloads") == ["archive.tar.gz"] and not list(world.folder.glob("*/preds_*.h5"))
