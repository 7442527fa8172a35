"""Images in memory: those of the indices, and shifted and mirrored as often as each other by the key alone."""

import numpy as np
import pytest
import torch

from info_geometry.files import InputError
from learning import data
from learning.data import memory, warps
from tests.support import stages


def joined(batches):
    return torch.cat(list(batches))


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


# Augmentation


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


@pytest.mark.parametrize("augmentation", ["crop_flip", "full"])
def test_augmentation_follows_from_seed_epoch_and_batch_whatever_the_number_of_processes(augmentation):
    train, order = data.load("digits", "train", ""), np.arange(90)

    def shown(epoch=1, world=1, seed=5, first=0, micro=0):
        found = {}
        for rank in range(world):
            plan = list(data.training_plan(order, 30, seed, epoch, first, rank, world, micro))
            for batch, images in zip(plan, train.batches(plan, augmentation=augmentation)):
                found |= {(batch.key, int(at)): image for at, image in zip(batch.positions, images)}
        return found

    one = shown()
    torch.manual_seed(9)
    before = torch.get_rng_state()
    for again, part in ((shown(), 0), (shown(world=2), 0), (shown(world=3, micro=5), 0), (shown(first=2), 60)):
        assert len(again) == 90 - part
        for place, image in again.items():
            torch.testing.assert_close(image, one[place], rtol=1e-5, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(image, one[place]) for place, image in shown().items())
    assert not (shown(epoch=2).keys() | shown(seed=6).keys()) & one.keys()


def test_full_augmentation_is_the_warps_one_image_at_a_time():
    images = torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    positions = torch.arange(64)
    for key in (0, 2**63 - 1):
        found = memory._full(images, data.Batch(positions, positions, key))
        generator = torch.Generator().manual_seed(key)
        for image, shown in zip(images, found):
            draws = torch.rand(1, 16, generator=generator)
            part = warps.crop(image[None], draws[:, :5], 0.25, True)
            part = warps.erase(warps.jitter(part, [*draws[:, 5:11].T]), draws[:, 11:])
            torch.testing.assert_close(shown, part[0], rtol=1e-4, atol=1e-5)
        chosen = torch.tensor([40, 2, 63, 17])
        some = memory._full(images[chosen], data.Batch(chosen, chosen, key))
        torch.testing.assert_close(some, found[chosen], rtol=1e-4, atol=1e-5)
        assert (found != images).flatten(1).any(dim=1).all()


@pytest.mark.parametrize("augmentation", ["crop_flip", "full"])
def test_evaluation_is_not_augmented(augmentation):
    train = data.load("digits", "train", "")
    plain = joined(train.batches(data.evaluation_plan(50, 50)))
    assert torch.equal(joined(train.batches(data.evaluation_plan(50, 50), augmentation=augmentation)), plain)
    keyed = data.Batch(torch.arange(50), torch.arange(50), 1)
    assert not torch.equal(joined(train.batches([keyed], augmentation=augmentation)), plain)
    assert torch.equal(joined(train.batches([keyed])), plain)


def test_augmentation_of_the_other_kind_of_images(tmp_path):
    stages.write_images(tmp_path / "train", ["n0", "n1", "n2", "n3"], per_class=1, size=16)
    for name, augmentation in (("digits", "random_resized_crop"), ("imagenet", "crop_flip"), ("imagenet", "full")):
        images = data.load(name, "train", tmp_path)
        with pytest.raises(InputError, match=f"augmentation {augmentation} is for"):
            next(images.batches([data.Batch(torch.arange(2), torch.arange(2), 1)], augmentation=augmentation))
