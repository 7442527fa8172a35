"""Image files: read as Pillow reads them, cut as evaluation and augmentation say, and named where they are damaged."""

import io
import math
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2.functional import resized_crop

from info_geometry.files import InputError
from learning import data
from learning.data import encoded as images
from learning.data import folders
from learning.distributed import Processes
from learning.tasks import facts
from tests.support import stages
from tests.support.pictures import KINDS, PIXELS, encoded, noise

IMAGENET = facts("imagenet")
SYNSETS = ["n01484850", "n01514668", "n02085620", "n02123045"]  # great white shark, cock, Chihuahua, tabby


def joined(batches):
    return torch.cat(list(batches))


def levels(normalised):
    """Return the grey levels, 0 to 255, that normalised images stand for."""
    mean, std = (
        torch.tensor(x, dtype=torch.float64)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    return (normalised.double() * std + mean) * 255


class Source:
    """Encoded images from a list."""

    class_names, root = ["only"], "memory"

    def __init__(self, raw):
        self._raw, self.labels = raw, np.zeros(len(raw), dtype=np.int64)

    def read(self, i):
        return self._raw[i]

    def name(self, i):
        return f"image {i}"


class Damaged(Source):
    """A source that finds damage by itself."""

    def read(self, i):
        raise InputError(f"checksum of {i}")


@pytest.fixture
def folder(tmp_path):
    """Eleven images in classes of 5, 4 and 2."""
    stages.write_images(tmp_path / "val", SYNSETS[:3], per_class=5, size=40)
    for name, number in ((1, 0), (2, 1), (2, 3), (2, 4)):
        (tmp_path / "val" / SYNSETS[name] / f"{number}.JPEG").unlink()
    return tmp_path


# Folders


def test_folder_order_labels_and_names(tmp_path):
    root = tmp_path / "imagenet" / "val"
    stages.write_images(root, reversed(SYNSETS), per_class=3, size=20)
    found = data.load("imagenet", "val", tmp_path)
    paths = [root / synset / f"{i}.JPEG" for synset in SYNSETS for i in range(3)]
    assert found.class_names == SYNSETS and found.classes == 4 and found.labels.tolist() == sorted([*range(4)] * 3)
    assert [found.source.name(i) for i in range(12)] == paths and found.root == root
    assert [found.source.read(i) for i in range(12)] == [path.read_bytes() for path in paths]
    inside = data.load("imagenet", "val", tmp_path / "imagenet")
    assert [inside.source.name(i) for i in range(12)] == paths


def test_names_of_files_can_be_anything(tmp_path):
    names = [
        os.fsdecode(name)
        for name in (b"a b.JPEG", b"\xc3\xa9\xf0\x9f\x90\x88.JPEG", b"no utf-8 \xff.JPEG", b"x" * 200 + b".jpg")
    ]
    for synset in SYNSETS[:2]:
        (tmp_path / "val" / synset).mkdir(parents=True)
        for name in names:
            (tmp_path / "val" / synset / name).write_bytes(os.fsencode(f"{synset} {name}"))
    source = folders.Folder(tmp_path / "val")
    found = {source.read(i): source.name(i) for i in range(8)}
    assert found == {
        os.fsencode(f"{synset} {name}"): tmp_path / "val" / synset / name for synset in SYNSETS[:2] for name in names
    }


def test_folder_is_found_from_another_working_directory(tmp_path, monkeypatch):
    stages.write_images(tmp_path / "here" / "val", SYNSETS[:1], per_class=1, size=20)
    (tmp_path / "link").symlink_to(tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    for where in ("here", "link", "link/../here", tmp_path / "link"):
        source = data.load("imagenet", "val", where).source
        assert source.read(0) == (tmp_path / "here" / "val" / SYNSETS[0] / "0.JPEG").read_bytes()


def test_folders_that_are_not_there(tmp_path):
    def refused():
        with pytest.raises(InputError) as raised:
            data.load("imagenet", "val", tmp_path)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    assert refused().startswith(f"{tmp_path}/val: no such folder; it should hold")
    (tmp_path / "val").mkdir()
    assert refused().startswith(f"{tmp_path}/val: ")
    (tmp_path / "val" / SYNSETS[0]).mkdir()
    assert SYNSETS[0] in refused()


def test_class_without_images_is_named(folder):
    (folder / "val" / SYNSETS[3]).mkdir()
    (folder / "val" / SYNSETS[3] / "readme.txt").write_text("none here")
    with pytest.raises(InputError, match=f"^{folder}/val: .*{SYNSETS[3]}") as raised:
        data.load("imagenet", "val", folder)
    assert SYNSETS[0] not in str(raised.value) and "\n" not in str(raised.value)


# Decoding


def test_kinds_of_files_can_be_mixed():
    raw = [KINDS[kind](PIXELS["noise"]) for kind in KINDS]
    found = joined(images.EncodedImages(Source(raw), IMAGENET).batches(data.evaluation_plan(len(raw), 5, 32)))
    assert found.shape == (len(raw), 3, 32, 32) and found.isfinite().all()
    grey = levels(found[list(KINDS).index("grey jpeg")])
    assert torch.allclose(grey[0], grey[1], atol=1e-3) and torch.allclose(grey[0], grey[2], atol=1e-3)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "content", [b"", b"not an image", 700, -2, None], ids=["empty", "text", "truncated", "truncated at the end", "gone"]
)
def test_file_that_is_no_image_is_named(tmp_path, capfd, content, workers):
    stages.write_images(tmp_path / "val", SYNSETS[:2], per_class=3, size=40)
    found = data.load("imagenet", "val", tmp_path)
    path = tmp_path / "val" / SYNSETS[1] / "1.JPEG"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:content] if isinstance(content, int) else content)
    for load in (
        lambda: list(found.batches(data.evaluation_plan(6, 2, 32), workers=workers)),
        lambda: found.in_memory(32, Processes(), workers=workers),
    ):
        message = None
        try:  # pytest.raises would keep the workers
            load()
        except InputError as error:
            message = str(error)
        assert message.startswith(f"{path}: not a readable image (") and "\n" not in message
        assert "Traceback" not in message and not capfd.readouterr().err


def test_what_a_source_says_of_a_damaged_image_is_passed_on():
    for workers in (0, 1):
        message = None
        try:
            found = images.EncodedImages(Damaged([b""] * 3), IMAGENET)
            list(found.batches(data.evaluation_plan(3, 2), workers=workers))
        except InputError as error:
            message = str(error)
        assert message == "checksum of 0"


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
            (pixels,) = found.batches(data.evaluation_plan(1, 1, 16))
            assert pixels.shape == (1, 3, 16, 16) and pixels.isfinite().all()
        except InputError as error:
            assert str(path) in str(error)
            named += 1
    assert named > 5


# Crops


def triangle(before, after):
    """Return the matrix (after, before) that resizes a line of pixels by a triangle as wide as a new pixel, or an old
    one if that is wider."""
    scale = before / after
    distance = (np.arange(before) + 0.5) - (np.arange(after)[:, None] + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(distance) / max(scale, 1))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "height, width, resolution",
    [
        (40, 40, 32),
        (41, 60, 32),
        (64, 37, 32),
        (20, 31, 64),
        (300, 97, 64),
        (256, 341, 224),
        (1, 1, 32),
        (3, 200, 32),
        (500, 375, 0),
    ],
)
def test_evaluation_images_are_the_middle_square_resized(height, width, resolution):
    pixels = noise(height, width, 3, seed=height)
    whole = images.EncodedImages(Source([encoded(pixels, "PNG")]), IMAGENET)
    (found,) = whole.batches(data.evaluation_plan(1, 1, resolution))
    resolution = resolution or 224
    assert found.shape == (1, 3, resolution, resolution)
    side = max(1, round(min(height, width) * 224 / 256))
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side]
    matrix = triangle(side, resolution)
    slow = matrix @ square.transpose(2, 0, 1).astype(float) @ matrix.T
    pillow = np.asarray(Image.fromarray(square).resize((resolution, resolution), Image.Resampling.BILINEAR))
    assert (levels(found[0]) - torch.from_numpy(slow)).abs().max() < 1.5  # the bytes are rounded twice
    assert (levels(found[0]) - torch.from_numpy(pillow.astype(float)).permute(2, 0, 1)).abs().max() < 1.01


def test_pixels_are_normalised_by_mean_and_deviation_of_imagenet():
    raw = [encoded(np.full((40, 40, 3), level, np.uint8), "PNG") for level in (0, 100, 255)]
    found = joined(images.EncodedImages(Source(raw), IMAGENET).batches(data.evaluation_plan(3, 2, 32)))
    for level, image in zip((0, 100, 255), found):
        for channel, mean, std in zip(image, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)):
            assert (channel - (level / 255 - mean) / std).abs().max() < 1e-5


def cropped(found, indices, positions, key, resolution=48):
    """Return the grey levels of augmented images."""
    batch = data.Batch(torch.tensor(indices), torch.tensor(positions), key, resolution)
    return levels(joined(found.batches([batch], augmentation="random_resized_crop")))


@pytest.mark.parametrize("key", [0, 77, 2**63 - 3])
def test_random_crops_are_those_of_torchvision(key):
    raw = [encoded(noise(90 + 30 * (i % 3), 100, 3, seed=i), "PNG") for i in range(12)]
    found = cropped(images.EncodedImages(Source(raw), IMAGENET), range(12), range(12), key)
    for i, image in enumerate(found):
        pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(raw[i])))).permute(2, 0, 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((key + i) % 2**63)
            box = RandomResizedCrop.get_params(pixels, (0.08, 1.0), (3 / 4, 4 / 3))
            flipped = torch.rand(()) < 0.5
        expected = resized_crop(pixels, *box, [48, 48], antialias=True)
        expected = expected.flip(2) if flipped else expected
        assert (image - expected).abs().max() < 1.01


def test_random_crops_have_every_size_and_place_and_both_sides():
    place = np.broadcast_to(2 * np.arange(128), (128, 128))
    pixels = np.stack([place.T, place, 0 * place], axis=2).astype(np.uint8)  # red says the row, green the column
    found = images.EncodedImages(Source([encoded(pixels, "PNG", compress_level=1)]), IMAGENET)
    crops = cropped(found, [0] * 1000, range(1000), 5, resolution=16)
    first, last = crops[:, :2, 4, 4], crops[:, :2, 11, 11]  # far from borders, where the average is over less
    height, width = ((last - first).abs() / 2 * 16 / 7 / 128).T
    area, middle = height * width, (first + last) / 4 / 127
    assert 0.07 < area.min() < 0.1 and 0.9 < area.max() < 1.02
    # as often as any other, but for large ones, which fit where the ratio is not extreme: ln(1 / area) / ln(4 / 3)
    fitting = [0.23, 0.23, 0.23, (0.23 + 0.77 * math.log(0.77)) / math.log(4 / 3)]
    expected = 1000 * np.array(fitting) / sum(fitting)
    assert (np.abs(np.histogram(area, 4, (0.08, 1))[0] - expected) < 5 * expected**0.5).all()
    ratio = (width / height).log()
    assert ratio.abs().max() < math.log(4 / 3) + 0.1 and abs(ratio.mean()) < 0.03 and ratio.std() > 0.12
    assert (first[:, 0] < last[:, 0]).all()  # never upside down
    assert abs((first[:, 1] > last[:, 1]).double().mean() - 0.5) < 5 * 0.5 / 1000**0.5
    small = middle[area < 0.3]
    assert small.min() < 0.25 and small.max() > 0.75 and (small.mean(dim=0) - 0.5).abs().max() < 0.05


def test_augmentation_of_files_follows_from_seed_epoch_batch_and_position(tmp_path):
    stages.write_images(tmp_path / "train", SYNSETS, per_class=5, size=24)
    found = data.load("imagenet", "train", tmp_path)

    def augmented(seed=0, epoch=0, first=0):
        plan = data.training_plan(np.arange(20), 5, seed, epoch, first, resolution=16)
        return joined(found.batches(plan, augmentation="random_resized_crop"))

    whole = augmented()
    torch.manual_seed(3)
    assert torch.equal(augmented(first=2), whole[10:])
    assert not torch.equal(augmented(epoch=1), whole) and not torch.equal(augmented(seed=1), whole)
    # the same image at two places of a batch is cropped in two ways; at the same place in one
    twice, again = cropped(found, [3, 3], [0, 1], 77), cropped(found, [3, 9], [0, 1], 77)
    assert not torch.equal(twice[0], twice[1]) and torch.equal(again[0], twice[0])
    assert not torch.equal(cropped(found, [3], [0], 78)[0], twice[0])
    plain = joined(found.batches([data.Batch(torch.tensor([3]), torch.tensor([0]), 77, 16)]))
    evaluated = joined(found.batches(data.evaluation_plan(20, 20, 16), augmentation="random_resized_crop"))
    assert torch.equal(plain[0], evaluated[3])


@pytest.mark.parametrize("augmentation", ["none", "random_resized_crop"])
def test_loading_leaves_the_generator_of_torch_alone(folder, augmentation):
    found = data.load("imagenet", "val", folder)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(found.batches(data.training_plan(np.arange(11), 4, 0, 1, resolution=16), augmentation=augmentation))
    assert torch.equal(torch.get_rng_state(), before)


def test_number_of_workers_changes_nothing(tmp_path):
    stages.write_images(tmp_path / "train", SYNSETS, per_class=5, size=24)
    found = data.load("imagenet", "train", tmp_path)
    training = list(data.training_plan(np.arange(20), 4, 0, 1, resolution=16))
    for plan, augmentation in ((list(data.evaluation_plan(20, 3, 16)), "none"), (training, "random_resized_crop")):
        one, other = (joined(found.batches(plan, augmentation=augmentation, workers=workers)) for workers in (0, 2))
        assert torch.equal(one, other)


# In memory


@pytest.mark.parametrize("resolution, workers", [(32, 0), (32, 2), (0, 0)])
def test_images_in_memory_are_those_decoded_batch_by_batch(folder, resolution, workers):
    found = data.load("imagenet", "val", folder)
    held = found.in_memory(resolution, Processes(), workers=workers)
    assert held.pixels.dtype == torch.uint8 and held.pixels.shape == (11, 3, resolution or 224, resolution or 224)
    assert held.labels.tolist() == found.labels.tolist() == [0] * 5 + [1] * 4 + [2] * 2
    assert (held.class_names, held.classes, held.channels, held.root) == (SYNSETS[:3], 3, 3, folder / "val")
    expected = joined(found.batches(data.evaluation_plan(11, 4, resolution)))
    assert torch.equal(joined(held.batches(data.evaluation_plan(11, 3, resolution))), expected)
    some = torch.tensor([7, 2, 9])
    assert torch.equal(joined(held.batches([data.Batch(some, some, resolution=resolution)])), expected[some])


def test_more_images_than_are_decoded_at_once(tmp_path):
    stages.write_images(tmp_path / "val", SYNSETS, per_class=35, size=16)
    found = data.load("imagenet", "val", tmp_path)
    held = found.in_memory(8, Processes())
    plan = list(data.evaluation_plan(140, 50, 8))
    assert torch.equal(joined(held.batches(plan)), joined(found.batches(plan)))


def share(rank, world, folder, samples):
    """Hold the first `samples` images in memory with other processes; write what there is."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    read = []
    source = folders.Folder(folder / "val")
    source.labels, whole = source.labels[:samples], source.read
    source.read = lambda i: read.append(i) or whole(i)
    held = images.EncodedImages(source, IMAGENET).in_memory(32, Processes(rank, world))
    dist.barrier()
    torch.save([read, held.pixels], folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("samples", [11, 2])
def test_processes_decode_a_part_each_and_hold_all(folder, samples):
    """2: one of the three processes has none to decode."""
    running = [stages.start(share, rank, 3, folder, samples) for rank in range(3)]
    for process in running:
        process.join(60)
        assert process.exitcode == 0
    found = [torch.load(folder / f"{rank}.pt") for rank in range(3)]
    assert sorted(i for read, _ in found for i in read) == list(range(samples))
    assert max(len(read) for read, _ in found) == -(-samples // 3)
    expected = data.load("imagenet", "val", folder).in_memory(32, Processes()).pixels[:samples]
    assert expected.float().std() > 20 and all(torch.equal(pixels, expected) for _, pixels in found)


# Shared memory


@pytest.fixture
def little(monkeypatch):
    """Have 64 MB of shared memory, as containers do."""
    monkeypatch.setattr(images.os, "statvfs", lambda _: SimpleNamespace(f_bavail=64 * 256, f_frsize=4096))


def test_shared_memory_that_is_too_small_is_said_before_anything_is_loaded(folder, little, monkeypatch):
    found = data.load("imagenet", "val", folder)
    data.check_shared_memory(8, 60, 96)
    data.check_shared_memory(0, 10**6, 224)  # without workers there is nothing to hand over
    message = r"--workers 8: their batches of 420 images of 192 pixels take 743 MB of shared memory .* 67 MB are free"
    with pytest.raises(InputError, match=message):
        data.check_shared_memory(8, 420, 192)
    with pytest.raises(InputError, match="docker run --shm-size 16g"):
        next(found.batches([data.Batch(np.arange(11), np.arange(11), None, 1500)], workers=1))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with pytest.raises(InputError, match="take 133 MB"):
        data.check_shared_memory(8, 75, 96)


def test_training_says_so_before_its_first_step(tmp_path, little):
    for split in ("train", "val"):
        stages.write_images(tmp_path / "data" / split, SYNSETS[:2], per_class=2, size=40)
    words = f"imagenet_rn50 --task all --data {tmp_path}/data --checkpoints-folder {tmp_path}/c --workers 4"
    with pytest.raises(InputError, match="--workers 4: their batches of 420 images of 192 pixels"):
        stages.script(stages.TRAIN).main(words.split())
    assert not (tmp_path / "c").exists()


def test_a_worker_that_is_lost_is_said(folder):
    found = data.load("imagenet", "val", folder)
    found.source.read = lambda i: os.kill(os.getpid(), 9)
    with pytest.raises(InputError, match=r"a process that loads images was lost: .*use fewer --workers"):
        joined(found.batches([data.Batch(np.arange(11), np.arange(11), None, 40)], workers=1))
