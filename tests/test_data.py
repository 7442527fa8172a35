"""Data sets: complete, disjoint, in a known order; order and augmentation follow from seed, epoch and batch alone."""
import gzip
import hashlib
import http.server
import itertools
import shutil
import struct
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import stages
import torch
import torchvision
from PIL import Image
from sklearn.datasets import load_digits

from info_geometry.files import InputError
from learning import data

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
        plan = list(data.evaluation_plan(samples, size))
        assert torch.cat([indices for indices, _ in plan]).tolist() == list(range(samples))
        assert {len(indices) for indices, _ in plan[:-1]} <= {size} and {key for _, key in plan} == {None}


def plan(seed=3, epoch=2, first=0, rank=0, world=1, size=8, samples=range(5, 98)):
    return [(indices.tolist(), key) for indices, key in
            data.training_plan(np.array(samples), size, seed, epoch, first, rank, world)]


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
    batches = plan()
    chosen = [i for indices, _ in batches for i in indices]
    assert len(batches) == data.steps_per_epoch(93, 8) == 11 and len(set(chosen)) == len(chosen) == 88
    assert set(chosen) < set(range(5, 98)) and len({key for _, key in batches}) == 11
    assert all(0 <= key < 2**63 for _, key in batches)
    small = plan(size=200)
    assert len(small) == data.steps_per_epoch(93, 200) == 1 and sorted(small[0][0]) == list(range(5, 98))


def test_training_plan_goes_on_anywhere():
    assert all(plan(first=first) == plan()[first:] for first in range(12))


def test_shares_of_the_processes_make_up_the_batch():
    for world in (2, 4):
        shares = [plan(rank=rank, world=world) for rank in range(world)]
        for whole, *parts in zip(plan(), *shares):
            assert {len(indices) for indices, _ in parts} == {8 // world}
            assert sorted(i for indices, _ in parts for i in indices) == sorted(whole[0])
            assert len({key for _, key in parts}) == world


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
        assert next(test.batches(data.evaluation_plan(599, 3), resolution=side)).shape == (3, 1, side, side)


def test_names_that_are_not_there():
    assert "unknown data set 'mnist'; there are digits" in refused("mnist", "train", "")
    assert refused("digits", "val", "") == "digits has no split 'val'; there are train, test"


def shifted(padded, generator, H, W):
    """Return what the augmentation makes of padded images, drawn and computed one at a time."""
    B = len(padded)
    offsets = torch.randint(0, 9, (2, B, 1), generator=generator)[..., 0].tolist()
    flips = torch.rand(B, 1, generator=generator)[:, 0] < 0.5
    images = []
    for image, row, column, flip in zip(padded, *offsets, flips):
        crop = image[:, row : row + H, column : column + W]
        images.append(crop.flip(2) if flip else crop)
    return torch.stack(images)


def test_crop_and_flip_agrees_with_a_loop_over_images():
    images = torch.randn(64, 3, 12, 10)
    for key in (0, 1, 2**63 - 1):
        found = data._crop_flip(images, key)
        padded = torch.nn.functional.pad(images, [4] * 4)
        assert torch.equal(found, shifted(padded, torch.Generator().manual_seed(key), 12, 10))
        assert found.shape == images.shape and set(found.unique().tolist()) <= {0.0, *images.unique().tolist()}


def test_crop_and_flip_follows_from_the_key_alone():
    images = torch.randn(16, 1, 8, 8)
    first = data._crop_flip(images, 5)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    assert torch.equal(data._crop_flip(images, 5), first) and not torch.equal(data._crop_flip(images, 6), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluation_is_not_augmented():
    train = data.load("digits", "train", "")
    plain = joined(train.batches(data.evaluation_plan(50, 50)))
    assert torch.equal(joined(train.batches(data.evaluation_plan(50, 50), augmentation="crop_flip")), plain)
    augmented = joined(train.batches([(torch.arange(50), 1)], augmentation="crop_flip"))
    assert not torch.equal(augmented, plain)


def test_augmentation_of_the_other_kind_of_images(tmp_path):
    stages.write_images(tmp_path / "train", SYNSETS, per_class=1, size=16)
    for name, augmentation in (("digits", "random_resized_crop"), ("imagenet", "crop_flip")):
        images = data.load(name, "train", tmp_path)
        with pytest.raises(InputError, match=f"augmentation {augmentation} is for"):
            next(images.batches([(torch.arange(2), 1)], augmentation=augmentation))


# Fashion-MNIST

FILES = {("train", "images"): "train-images-idx3-ubyte", ("train", "labels"): "train-labels-idx1-ubyte",
         ("test", "images"): "t10k-images-idx3-ubyte", ("test", "labels"): "t10k-labels-idx1-ubyte"}


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
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "no_package")
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    return tmp_path


def same(images, arrays, split):
    return (np.array_equal(images.pixels[:, 0].numpy(), arrays[split, "images"])
            and np.array_equal(images.labels, arrays[split, "labels"]))


@pytest.mark.parametrize("compressed", [True, False])
def test_fashion_is_looked_for_in_order(nowhere, monkeypatch, compressed):
    mine, package = nowhere / "mine", nowhere / "package"
    monkeypatch.setattr(data, "DEBIAN_FASHION", package)
    for place, seed in ((package, 1), (mine, 2), (mine / "FashionMNIST" / "raw", 3)):
        arrays = write_fashion(place, seed, compressed)
        for split in ("train", "test"):
            assert same(data.load("fashion", split, mine), arrays, split)


def test_half_a_place_is_not_taken(nowhere, monkeypatch):
    monkeypatch.setattr(data, "DEBIAN_FASHION", nowhere / "package")
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


@pytest.mark.parametrize("raw", [
    b"\x89PNG\r\n\x1a\n" + bytes(100), b"<html>not found</html>", bytes([0, 0, 8, 3]) + struct.pack(">3i", 0, 28, 28),
    bytes([0, 0, 8, 3]) + struct.pack(">3i", -1, 28, 28) + bytes(784), idx(np.zeros((20, 27, 28), np.uint8)),
    bytes([0, 0, 13, 3]) + struct.pack(">3i", 20, 28, 28) + bytes(20 * 784)])
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
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", [
        (path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in (nowhere / "served").iterdir()])
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
    assert message.endswith(f"put {FILES['train', 'images']} and {FILES['train', 'labels']} (or .gz) into "
                            f"{nowhere}/data/FashionMNIST/raw")


@pytest.mark.skipif(not data.DEBIAN_FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
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


# Folders of images


def test_folder_order_labels_and_names(tmp_path):
    stages.write_images(tmp_path / "imagenet" / "val", reversed(SYNSETS), per_class=3, size=20)
    found = data.load("imagenet", "val", tmp_path)
    assert found.class_names == SYNSETS and found.classes == 4 and found.labels.tolist() == sorted([*range(4)] * 3)
    assert [path.split("/")[-2:] for path in found.paths] == [[s, f"{i}.JPEG"] for s in SYNSETS for i in range(3)]
    assert data.load("imagenet", "val", tmp_path / "imagenet").paths == found.paths


def by_hand(path, resolution):
    """Return an image scaled so that the shorter side is resolution x 256 / 224, its middle, normalised."""
    with Image.open(path) as image:
        image = image.convert("RGB")
    short = -(-resolution * 256 // 224)
    scale = short / min(image.size)
    image = image.resize([short if side == min(image.size) else int(side * scale) for side in image.size],
                         Image.Resampling.BILINEAR)
    left, top = (round((side - resolution) / 2) for side in image.size)
    pixels = np.asarray(image.crop((left, top, left + resolution, top + resolution)), dtype=np.float64) / 255
    return torch.from_numpy((pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).permute(2, 0, 1)


def test_evaluation_images_agree_with_pillow(tmp_path):
    stages.write_images(tmp_path / "val", SYNSETS[:2], per_class=3, size=40)
    found = data.load("imagenet", "val", tmp_path)
    images = joined(found.batches(data.evaluation_plan(6, 4), resolution=32))
    assert images.shape == (6, 3, 32, 32)
    expected = torch.stack([by_hand(path, 32) for path in found.paths])
    assert torch.allclose(images.double(), expected, atol=1e-5)


def test_number_of_workers_changes_nothing(tmp_path):
    stages.write_images(tmp_path / "train", SYNSETS, per_class=5, size=24)
    found = data.load("imagenet", "train", tmp_path)
    for plan, augmentation in ((list(data.evaluation_plan(20, 3)), "none"),
                               (list(data.training_plan(np.arange(20), 4, 0, 1)), "random_resized_crop")):
        one, other = (joined(found.batches(plan, resolution=16, augmentation=augmentation, workers=workers))
                      for workers in (0, 2))
        assert torch.equal(one, other)


def test_augmentation_of_files_follows_from_seed_epoch_batch_and_position(tmp_path):
    stages.write_images(tmp_path / "train", SYNSETS, per_class=5, size=24)
    found = data.load("imagenet", "train", tmp_path)

    def images(seed=0, epoch=0, first=0):
        plan = data.training_plan(np.arange(20), 5, seed, epoch, first)
        return joined(found.batches(plan, resolution=16, augmentation="random_resized_crop"))

    whole = images()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert torch.equal(images(first=2), whole[10:])
    assert not torch.equal(images(epoch=1), whole) and not torch.equal(images(seed=1), whole)
    key = 77  # the same image at two places of a batch is cropped in two ways; at the same place in one
    twice = joined(found.batches([(torch.tensor([3, 3]), key)], resolution=16, augmentation="random_resized_crop"))
    again = joined(found.batches([(torch.tensor([3, 9]), key)], resolution=16, augmentation="random_resized_crop"))
    assert not torch.equal(twice[0], twice[1]) and torch.equal(again[0], twice[0])
    assert torch.equal(torch.get_rng_state()[:8], before[:8])


def test_every_kind_of_image_is_read(tmp_path):
    stages.write_images(tmp_path / "val", SYNSETS[:2], per_class=1, size=40)
    folder = tmp_path / "val" / SYNSETS[1]
    pixels = np.random.default_rng(0).integers(0, 256, (40, 44, 4), dtype=np.uint8)
    Image.fromarray(pixels[..., 0]).save(folder / "a_grey.JPEG")
    Image.fromarray(pixels, "CMYK").save(folder / "b_cmyk.JPEG")
    Image.fromarray(pixels, "RGBA").save(folder / "c_png.JPEG", format="PNG")
    Image.fromarray(pixels[..., 0]).convert("1").save(folder / "d_bits.JPEG", format="PNG")
    found = data.load("imagenet", "val", tmp_path)
    images = joined(found.batches(data.evaluation_plan(6, 6), resolution=32))
    assert images.shape == (6, 3, 32, 32) and images.isfinite().all()
    names = [path.rsplit("/", 1)[1] for path in found.paths]
    mean, std = (torch.tensor(x)[:, None, None] for x in (found.mean, found.std))
    grey = images[names.index("a_grey.JPEG")] * std + mean
    assert torch.allclose(grey[0], grey[1], atol=1e-5) and torch.allclose(grey[0], grey[2], atol=1e-5)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("content", [b"", b"not an image", None], ids=["empty", "text", "truncated"])
def test_file_that_is_no_image_is_named(tmp_path, content, workers):
    stages.write_images(tmp_path / "val", SYNSETS[:2], per_class=3, size=40)
    path = tmp_path / "val" / SYNSETS[1] / "1.JPEG"
    path.write_bytes(path.read_bytes()[:700] if content is None else content)
    found = data.load("imagenet", "val", tmp_path)
    try:  # pytest.raises would keep the workers
        list(found.batches(data.evaluation_plan(6, 2), resolution=32, workers=workers))
    except InputError as error:
        message = str(error)
    assert message.startswith(f"{path}: not a readable image (") and "\n" not in message


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_damaged_images_are_read_or_named(tmp_path, kind):
    for name in SYNSETS[:2]:
        (tmp_path / "val" / name).mkdir(parents=True)
    path = tmp_path / "val" / SYNSETS[0] / "0.JPEG"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(path, format=kind)
    shutil.copy(path, tmp_path / "val" / SYNSETS[1])
    found, whole, named = data.load("imagenet", "val", tmp_path), path.read_bytes(), 0
    for _ in range(100):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            next(found.batches(data.evaluation_plan(1, 1), resolution=16))
        except InputError as error:
            assert str(path) in str(error)
            named += 1
    assert named > 5


def test_folders_that_are_not_there(tmp_path):
    assert refused("imagenet", "val", tmp_path).startswith(f"{tmp_path}/val: no such folder; it should hold")
    (tmp_path / "val").mkdir()
    assert refused("imagenet", "val", tmp_path).startswith(f"{tmp_path}/val: ")
    (tmp_path / "val" / SYNSETS[0]).mkdir()
    assert SYNSETS[0] in refused("imagenet", "val", tmp_path)
