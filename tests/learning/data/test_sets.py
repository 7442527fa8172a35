"""Loaders: data sets are complete, disjoint and in a known order, found or downloaded, and refused where damaged."""

import gzip
import hashlib
import http.server
import os
import struct
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits

from info_geometry.files import InputError
from learning import data
from learning.data import sets
from learning.tasks import DATASETS
from tests.support import stages, tiny_imagenet


def refused(*arguments):
    with pytest.raises(InputError) as raised:
        data.load(*arguments)
    return str(raised.value)


def joined(batches):
    return torch.cat(list(batches))


def test_digits_are_all_there_once():
    train, test = (data.load("digits", split, "") for split in ("train", "test"))
    assert (len(train.labels), len(test.labels), train.classes, train.size, train.channels) == (1198, 599, 10, 8, 1)
    images = torch.from_numpy(load_digits().images).to(torch.uint8)
    together = torch.cat([train.pixels, test.pixels]).flatten(1)
    assert sorted(map(tuple, together.tolist())) == sorted(map(tuple, images.flatten(1).tolist()))
    assert torch.equal(test.pixels[:, 0], images[::3]) and np.array_equal(test.labels, load_digits().target[::3])
    assert set(train.labels) == set(test.labels) == set(range(10))


def test_digits_are_normalised():
    train = data.load("digits", "train", "")
    images = joined(train.batches(data.evaluation_plan(1198, 500)))
    assert images.shape == (1198, 1, 8, 8) and abs(images.mean()) < 0.01 and abs(images.std() - 1) < 0.01


def test_names_that_are_not_there():
    assert "unknown data set 'mnist'; there are digits" in refused("mnist", "train", "")
    assert refused("digits", "val", "") == "digits has no split 'val'; there are train, test"


# Fashion-MNIST


FILES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
}


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


def write_fashion(folder, seed, compressed=True, samples=20):
    """Write random images in the format of Fashion-MNIST; return {(split, what): array}."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, arrays = np.random.default_rng(seed), {}
    for (split, what), name in FILES.items():
        shape, top = ((samples, 28, 28), 256) if what == "images" else ((samples,), 10)
        arrays[split, what] = array = rng.integers(0, top, shape, dtype=np.uint8)
        raw = idx(array)
        (folder / (name + ".gz" * compressed)).write_bytes(gzip.compress(raw) if compressed else raw)
    return arrays


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Without Debian's package, and with a network that answers nothing."""
    monkeypatch.setattr(sets, "DEBIAN_FASHION", tmp_path / "no_package")
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    return tmp_path


def same(images, arrays, split):
    return np.array_equal(images.pixels[:, 0].numpy(), arrays[split, "images"]) and np.array_equal(
        images.labels, arrays[split, "labels"]
    )


@pytest.mark.parametrize("compressed", [True, False])
def test_fashion_is_looked_for_in_order(nowhere, monkeypatch, compressed):
    mine, package = nowhere / "mine", nowhere / "package"
    monkeypatch.setattr(sets, "DEBIAN_FASHION", package)
    for place, seed in ((package, 1), (mine, 2), (mine / "FashionMNIST" / "raw", 3)):
        arrays = write_fashion(place, seed, compressed)
        for split in ("train", "test"):
            assert same(data.load("fashion", split, mine), arrays, split)


def test_half_a_place_is_not_taken(nowhere, monkeypatch):
    monkeypatch.setattr(sets, "DEBIAN_FASHION", nowhere / "package")
    arrays = write_fashion(nowhere / "package", 1)
    write_fashion(nowhere / "mine", 2)
    (nowhere / "mine" / (FILES["test", "labels"] + ".gz")).unlink()
    assert same(data.load("fashion", "test", nowhere / "mine"), arrays, "test")
    assert not same(data.load("fashion", "train", nowhere / "mine"), arrays, "train")


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("what", ["images", "labels"])
def test_fashion_file_that_is_not_whole_is_named(nowhere, compressed, what):
    arrays = write_fashion(nowhere, 1, compressed)
    path = nowhere / (FILES["test", what] + ".gz" * compressed)
    whole = path.read_bytes()
    for length in (0, 1, 3, 7, len(whole) // 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert str(path) in refused("fashion", "test", nowhere)
    if compressed:
        for place in range(10, len(whole), max(1, len(whole) // 50)):  # anywhere behind gzip's header
            damaged = bytearray(whole)
            damaged[place] ^= 0x10
            path.write_bytes(damaged)
            try:
                assert same(data.load("fashion", "test", nowhere), arrays, "test")  # a bit that says nothing
            except InputError as error:
                assert str(path) in str(error)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"<html>not found</html>",
        bytes([0, 0, 8, 3]) + struct.pack(">3i", 0, 28, 28),
        bytes([0, 0, 8, 3]) + struct.pack(">3i", -1, 28, 28) + bytes(784),
        idx(np.zeros((20, 27, 28), np.uint8)),
        bytes([0, 0, 13, 3]) + struct.pack(">3i", 20, 28, 28) + bytes(20 * 784),
    ],
)
def test_fashion_file_that_is_something_else(nowhere, raw):
    write_fashion(nowhere, 1, compressed=False)
    (nowhere / FILES["test", "images"]).write_bytes(raw)
    assert FILES["test", "images"] in refused("fashion", "test", nowhere)


def test_fashion_labels_that_are_none(nowhere):
    write_fashion(nowhere, 1, compressed=False)
    (nowhere / FILES["test", "labels"]).write_bytes(idx(np.full(20, 10, np.uint8)))
    assert "are not Fashion-MNIST" in refused("fashion", "test", nowhere)
    for what, shape in (("images", (0, 28, 28)), ("labels", (0,))):
        (nowhere / FILES["test", what]).write_bytes(idx(np.zeros(shape, np.uint8)))
    assert "are not Fashion-MNIST" in refused("fashion", "test", nowhere)


@pytest.fixture
def mirror(nowhere, monkeypatch):
    """A server with files in the format of Fashion-MNIST, instead of the real one."""
    arrays = write_fashion(nowhere / "served", 5)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=nowhere / "served", **options)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(
        torchvision.datasets.FashionMNIST,
        "resources",
        [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in (nowhere / "served").iterdir()],
    )
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield SimpleNamespace(arrays=arrays, folder=nowhere / "served", server=server)
    server.shutdown()
    server.server_close()


def test_fashion_is_downloaded_once(mirror, nowhere):
    folder = nowhere / "data"
    assert same(data.load("fashion", "train", folder), mirror.arrays, "train")
    times = stages.times(folder)
    mirror.server.shutdown()
    assert same(data.load("fashion", "test", folder), mirror.arrays, "test")
    assert stages.times(folder) == times


def test_processes_download_one_after_the_other(mirror, nowhere):
    found = []

    def load(split):
        found.append(same(data.load("fashion", split, nowhere / "data"), mirror.arrays, split))

    threads = [threading.Thread(target=load, args=[split]) for split in ("train", "test", "train", "test")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


@pytest.mark.parametrize("fault", ["gone", "damaged"])
def test_failed_download_leaves_nothing_that_is_taken_for_data(mirror, nowhere, fault):
    path = mirror.folder / (FILES["test", "labels"] + ".gz")
    whole = path.read_bytes()
    path.unlink() if fault == "gone" else path.write_bytes(whole[:-5] + bytes(5))
    message = refused("fashion", "test", nowhere / "data")
    assert "FashionMNIST is not in" in message and "cannot be downloaded" in message and "\n" not in message
    path.write_bytes(whole)
    assert same(data.load("fashion", "test", nowhere / "data"), mirror.arrays, "test")


def test_without_a_network_the_message_says_what_to_do(nowhere):
    message = refused("fashion", "train", nowhere / "data")
    assert message.startswith(f"FashionMNIST is not in {nowhere}/data and cannot be downloaded (")
    assert message.endswith(
        f"put {FILES['train', 'images']} and {FILES['train', 'labels']} (or .gz) into {nowhere}/data/FashionMNIST/raw"
    )


@pytest.mark.skipif(not sets.DEBIAN_FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_real_fashion_mnist(tmp_path):
    test = data.load("fashion", "test", tmp_path)
    assert test.pixels.shape == (10000, 1, 28, 28) and np.bincount(test.labels).tolist() == [1000] * 10
    images = joined(test.batches(data.evaluation_plan(2000, 2000)))
    assert abs(images.mean()) < 0.05 and abs(images.std() - 1) < 0.05


# CIFAR


def cifar(classes):
    """Return a stand-in for torchvision's data set, of random images."""

    class Cifar:
        filename, base_folder, calls = "cifar.tar.gz", "cifar", []

        def __init__(self, root, train, download):
            Cifar.calls.append((root, train, download))
            rng = np.random.default_rng(train)
            self.data = rng.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
            self.targets, self.classes = rng.integers(0, classes, 30).tolist(), list(map(str, range(classes)))

    return Cifar


@pytest.mark.parametrize("name, classes", [("cifar10", 10), ("cifar100", 100)])
def test_cifar(monkeypatch, tmp_path, name, classes):
    kind = cifar(classes)
    monkeypatch.setattr(torchvision.datasets, name.upper(), kind)
    train, test = (data.load(name, split, tmp_path) for split in ("train", "test"))
    assert [call[1] for call in kind.calls] == [True, False] and kind.calls[0][0] == tmp_path
    for images, again in ((train, kind(tmp_path, True, True)), (test, kind(tmp_path, False, True))):
        assert (images.channels, images.size, images.classes) == (3, 32, classes)
        assert np.array_equal(images.labels, again.targets)
        assert np.array_equal(images.pixels.permute(0, 2, 3, 1).numpy(), again.data)
    batch = next(train.batches(data.training_plan(np.arange(30), 10, 0, 0), augmentation="crop_flip"))
    assert batch.shape == (10, 3, 32, 32) and batch.dtype == torch.float32


def test_cifar_is_read_again_when_its_files_are_others(monkeypatch, tmp_path):
    kind, file = cifar(10), tmp_path / "cifar" / "data_batch_1"
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", kind)
    file.parent.mkdir()
    for content in ("a", "longer"):
        file.write_text(content)
        before = len(kind.calls)
        for _ in range(2):
            data.load("cifar10", "train", tmp_path)
        assert len(kind.calls) == before + 1


def test_loaders_agree_with_the_facts(nowhere, monkeypatch, tmp_path):
    """There is a loader for each data set, and what it gives is as large and has as many classes as is stated."""
    assert list(sets.LOADERS) == list(DATASETS)
    write_fashion(nowhere, 1)
    stages.write_images(tmp_path / "train", [f"n{k}" for k in range(3)], per_class=1, size=16)
    stages.write_images(tmp_path / "val", [f"n{k}" for k in range(3)], per_class=1, size=16)
    tiny_imagenet.write(tmp_path / "tiny-imagenet-200", per_class=1)
    for name, known in DATASETS.items():
        if name.startswith("cifar"):
            monkeypatch.setattr(torchvision.datasets, name.upper(), cifar(known.classes))
        for split in ("train", known.evaluation_split):
            found = data.load(name, split, tmp_path)
            images = next(found.batches(data.evaluation_plan(len(found.labels), 2)))
            assert (found.channels, found.size) == (known.channels, known.size)
            assert images.shape == (2, known.channels, known.size, known.size)
            assert found.classes == (3 if name.endswith("imagenet") else known.classes)
            assert (found._mean, found._std) == (known.mean, known.std)
        other = "val" if known.evaluation_split == "test" else "test"
        assert refused(name, other, tmp_path) == (
            f"{name} has no split {other!r}; there are train, {known.evaluation_split}"
        )


def test_cifar_that_cannot_be_downloaded(monkeypatch, tmp_path):
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    message = refused("cifar10", "test", tmp_path)
    assert message.startswith(f"CIFAR10 is not in {tmp_path} and cannot be downloaded (") and "\n" not in message
    assert message.endswith(f"unpack cifar-10-python.tar.gz into {tmp_path}")


# Folders of images


def splits(root, *, train=("a", "b"), val=("a", "b")):
    for name, classes in (("train", train), ("val", val)):
        stages.write_images(root / name, classes, per_class=1, size=8)
    return [data.load("imagenet", name, root) for name in ("train", "val")]


@pytest.mark.parametrize(
    "train, val, said",
    [
        ("abc", "ab", "(3 and 2; only train has c); training and evaluation need the same ones"),
        ("ab", "abc", "(2 and 3; only val has c); training and"),
        ("ab", "cd", "(2 and 2; only train has a, b; only val has c, d); training and"),
        ("abcdefgh", "a", "(8 and 1; only train has b, c, d, e, f, ...); training and"),
    ],
)
def test_splits_of_different_classes_are_refused(tmp_path, train, val, said):
    with pytest.raises(InputError) as raised:
        data.check_classes(*splits(tmp_path, train=train, val=val))
    assert str(raised.value).startswith(f"{tmp_path}/train and {tmp_path}/val have different classes {said}")
    assert "\n" not in str(raised.value)


def test_splits_of_the_same_classes_are_taken(tmp_path):
    data.check_classes(*splits(tmp_path))
    data.check_classes(*(data.load("digits", split, "") for split in ("train", "test")))


def test_classes_in_different_orders_are_refused(tmp_path):
    """As of numbers that an earlier version packed in the order of texts."""
    train, val = splits(tmp_path, train=("9", "10"), val=("9", "10"))
    val.class_names = ["10", "9"]
    with pytest.raises(InputError, match=f"{tmp_path}/val have their classes in different orders; pack both again"):
        data.check_classes(train, val)


def test_split_under_another_name_is_said(tmp_path):
    splits(tmp_path)
    (tmp_path / "val").rename(tmp_path / "validation")
    message = refused("imagenet", "val", tmp_path)
    assert message.startswith(f"{tmp_path}/val: no such folder ({tmp_path} holds train, validation; rename the one")
    assert "packed images" in message and "--data" in message


def test_a_file_is_read_once_and_anew_when_it_is_another_one(nowhere, monkeypatch):
    read, arrays = [], write_fashion(nowhere, 1)
    decompress = gzip.decompress
    monkeypatch.setattr(gzip, "decompress", lambda raw: read.append(len(raw)) or decompress(raw))
    for _ in range(2):
        assert same(data.load("fashion", "test", nowhere), arrays, "test") and len(read) == 2  # images and labels
    arrays = write_fashion(nowhere, 2)
    for name in FILES.values():
        os.utime(nowhere / f"{name}.gz", ns=(1, 1))
    assert same(data.load("fashion", "test", nowhere), arrays, "test") and len(read) == 4
