"""Data sets: complete, disjoint, in a known order; order and augmentation follow from seed, epoch and batch alone."""

import gzip
import hashlib
import http.server
import itertools
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
from learning.data import memory, sets
from tests.support import stages

SYNSETS = ["n01484850", "n01514668", "n02085620", "n02123045"]  # great white shark, cock, Chihuahua, tabby


def refused(*arguments):
    with pytest.raises(InputError) as raised:
        data.load(*arguments)
    return str(raised.value)


def joined(batches):
    return torch.cat(list(batches))


# Plans


def test_evaluation_plan_is_every_sample_in_order():
    for samples, size in itertools.product((1, 6, 7, 100), (1, 7, 500)):
        plan = list(data.evaluation_plan(samples, size, resolution=3))
        assert torch.cat([batch.indices for batch in plan]).tolist() == list(range(samples))
        assert {len(batch.indices) for batch in plan[:-1]} <= {size} and {batch.key for batch in plan} == {None}
        assert {batch.resolution for batch in plan} == {3}


def batches(seed=3, epoch=2, size=8, **options):
    return list(data.training_plan(np.arange(5, 98), size, seed, epoch, **options))


def plan(**options):
    return [(batch.indices.tolist(), batch.key) for batch in batches(**options)]


def test_training_plan_follows_from_seed_and_epoch_alone():
    expected = plan()
    np.random.seed(1)
    torch.manual_seed(1)
    assert plan() == expected
    others = [plan(seed=4), plan(epoch=3), plan(seed=2, epoch=3)]
    for one, other in itertools.combinations([expected, *others], 2):
        assert [indices for indices, _ in one] != [indices for indices, _ in other]
        assert not {key for _, key in one} & {key for _, key in other}


def test_training_plan_takes_each_sample_at_most_once():
    found = plan()
    chosen = [i for indices, _ in found for i in indices]
    assert len(found) == data.steps_per_epoch(93, 8) == 11 and len(set(chosen)) == len(chosen) == 88
    assert set(chosen) < set(range(5, 98)) and len({key for _, key in found}) == 11
    assert all(0 <= key < 2**63 for _, key in found)
    small = plan(size=200)
    assert len(small) == data.steps_per_epoch(93, 200) == 1 and sorted(small[0][0]) == list(range(5, 98))


def test_training_plan_goes_on_anywhere():
    assert all(plan(first=first) == plan()[first:] for first in range(12))


def test_shares_of_the_processes_make_up_the_batch():
    for world in (2, 4):
        shares = [batches(rank=rank, world=world) for rank in range(world)]
        for whole, *parts in zip(batches(), *shares):
            assert {len(part.indices) for part in parts} == {8 // world}
            assert sorted(i for part in parts for i in part.indices.tolist()) == sorted(whole.indices.tolist())
            assert sorted(i for part in parts for i in part.positions.tolist()) == list(range(8))
            assert all(torch.equal(whole.indices[part.positions], part.indices) for part in parts)
            assert {part.key for part in parts} == {whole.key}


@pytest.mark.parametrize("micro", [1, 3, 4, 50])
def test_parts_of_a_share_make_up_the_share(micro):
    for rank, world in ((0, 1), (1, 2)):
        parts = iter(batches(rank=rank, world=world, micro=micro))
        for share in batches(rank=rank, world=world):
            taken = [next(parts) for _ in range(-(-len(share.indices) // micro))]
            assert {len(part.indices) for part in taken[:-1]} <= {micro} and {part.key for part in taken} == {share.key}
            assert torch.equal(torch.cat([part.indices for part in taken]), share.indices)
            assert torch.equal(torch.cat([part.positions for part in taken]), share.positions)
        assert next(parts, None) is None


def test_all_batches_of_a_plan_have_its_resolution():
    assert {batch.resolution for batch in batches(micro=3)} == {0}
    assert {batch.resolution for batch in batches(micro=3, rank=1, world=2, resolution=160)} == {160}


def gathered(images, augmentation, world, micro):
    """Return the images of an epoch in batches of 40, put where they stand by their positions."""
    found = torch.full((2, 40, images.channels, 16, 16), torch.nan)
    for rank in range(world):
        shares = list(data.training_plan(np.arange(90), 40, 5, 1, 0, rank, world, micro, resolution=16))
        numbers = [number for number in range(2) for _ in range(len(shares) // 2)]
        for number, share, pixels in zip(numbers, shares, images.batches(shares, augmentation=augmentation)):
            found[number, share.positions] = pixels
    return found


@pytest.mark.parametrize("dataset, augmentation", [("digits", "crop_flip"), ("imagenet", "random_resized_crop")])
def test_augmentation_does_not_depend_on_who_loads_what(tmp_path, dataset, augmentation):
    stages.write_images(tmp_path / "train", SYNSETS, per_class=23, size=24)
    images = data.load(dataset, "train", tmp_path)
    whole = gathered(images, augmentation, 1, 0)
    assert whole.isfinite().all() and not torch.equal(whole, gathered(images, "none", 1, 0))
    for world, micro in ((1, 3), (1, 40), (2, 0), (2, 3), (4, 0), (4, 7)):
        assert torch.equal(gathered(images, augmentation, world, micro), whole)


# Images in memory


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


def test_batch_size_changes_nothing():
    test = data.load("digits", "test", "")
    one, other = (joined(test.batches(data.evaluation_plan(599, size))) for size in (7, 599))
    assert torch.equal(one, other)


def test_resolution():
    test = data.load("digits", "test", "")
    for side in (8, 16, 4):
        assert next(test.batches(data.evaluation_plan(599, 3, resolution=side))).shape == (3, 1, side, side)


@pytest.mark.parametrize(
    "indices",
    [
        [3, 4, 5, 6],
        [0],
        [11],
        [*range(12)],
        [3, 5, 4, 6],
        [3, 4, 6, 5],
        [6, 5, 4, 3],
        [3, 5, 7],
        [3, 3, 3],
        [3, 4, 4, 6],
        [11, 0],
    ],
)
def test_images_are_those_of_the_indices(indices):
    pixels = torch.randint(0, 256, (12, 2, 4, 4), dtype=torch.uint8)
    images = data.TensorImages(pixels.clone(), [0] * 12, 1, [10.0, 0.0], [2.0, 4.0])
    indices = torch.tensor(indices)
    (found,) = images.batches([data.Batch(indices, indices)])
    expected = (pixels[indices].double() - torch.tensor([10.0, 0.0])[:, None, None]) / torch.tensor([[[2.0]], [[4.0]]])
    assert torch.equal(found.double(), expected) and torch.equal(images.pixels, pixels)


def test_images_that_follow_one_another_are_not_copied():
    pixels = torch.zeros(12, 1, 4, 4, dtype=torch.uint8)
    assert memory._rows(pixels, torch.arange(3, 7)).data_ptr() == pixels[3].data_ptr()


def test_images_in_memory_stay_as_they_are():
    test = data.load("digits", "test", "")
    assert test.in_memory(16, None) is test and test.in_memory(0, None).size == 8


def test_names_that_are_not_there():
    assert "unknown data set 'mnist'; there are digits" in refused("mnist", "train", "")
    assert refused("digits", "val", "") == "digits has no split 'val'; there are train, test"


def augmented(images, key, positions=None):
    positions = torch.arange(len(images)) if positions is None else positions
    return memory._crop_flip(images, data.Batch(positions, positions, key))


def shifted(padded, generator, H, W):
    """Return what the augmentation makes of padded images, drawn and computed one at a time."""
    images = []
    for image in padded:
        row, column, side = (torch.rand((), generator=generator).item() for _ in range(3))
        row, column = int(9 * row), int(9 * column)
        crop = image[:, row : row + H, column : column + W]
        images.append(crop.flip(2) if side < 0.5 else crop)
    return torch.stack(images)


def test_crop_and_flip_agrees_with_a_loop_over_images():
    images = torch.randn(64, 3, 12, 10)
    for key in (0, 1, 2**63 - 1):
        found = augmented(images, key)
        padded = torch.nn.functional.pad(images, [4] * 4)
        assert torch.equal(found, shifted(padded, torch.Generator().manual_seed(key), 12, 10))
        assert found.shape == images.shape and set(found.unique().tolist()) <= {0.0, *images.unique().tolist()}
        chosen = torch.tensor([40, 2, 63, 17])
        assert torch.equal(augmented(images[chosen], key, chosen), found[chosen])


def test_crop_and_flip_takes_each_shift_and_side_as_often():
    images = torch.zeros(9000, 1, 9, 9)
    images[:, 0, 4, 4], images[:, 0, 4, 5] = 1, 2  # where a pixel goes says the shift, its neighbour the side
    found = augmented(images, 1)[:, 0]
    place = (found == 1).flatten(1).int().argmax(dim=1)
    row, column = place // 9, place % 9
    for counts in (torch.bincount(row, minlength=9), torch.bincount(column, minlength=9)):
        assert abs(counts - 1000).max() < 5 * 1000**0.5
    inner = (column > 0) & (column < 8)
    left = found[torch.arange(9000), row, (column - 1).clamp(min=0)][inner] == 2
    assert abs(left.float().mean() - 0.5) < 5 * 0.5 / 7000**0.5


def test_crop_and_flip_follows_from_the_key_alone():
    images = torch.randn(16, 1, 8, 8)
    first = augmented(images, 5)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    assert torch.equal(augmented(images, 5), first) and not torch.equal(augmented(images, 6), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluation_is_not_augmented():
    train = data.load("digits", "train", "")
    plain = joined(train.batches(data.evaluation_plan(50, 50)))
    assert torch.equal(joined(train.batches(data.evaluation_plan(50, 50), augmentation="crop_flip")), plain)
    keyed = data.Batch(torch.arange(50), torch.arange(50), 1)
    assert not torch.equal(joined(train.batches([keyed], augmentation="crop_flip")), plain)
    assert torch.equal(joined(train.batches([keyed])), plain)


def test_augmentation_of_the_other_kind_of_images(tmp_path):
    stages.write_images(tmp_path / "train", SYNSETS, per_class=1, size=16)
    for name, augmentation in (("digits", "random_resized_crop"), ("imagenet", "crop_flip")):
        images = data.load(name, "train", tmp_path)
        with pytest.raises(InputError, match=f"augmentation {augmentation} is for"):
            next(images.batches([data.Batch(torch.arange(2), torch.arange(2), 1)], augmentation=augmentation))


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
        filename, calls = "cifar.tar.gz", []

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


def test_cifar_that_cannot_be_downloaded(monkeypatch, tmp_path):
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    message = refused("cifar10", "test", tmp_path)
    assert message.startswith(f"CIFAR10 is not in {tmp_path} and cannot be downloaded (") and "\n" not in message
    assert message.endswith(f"unpack cifar-10-python.tar.gz into {tmp_path}")
