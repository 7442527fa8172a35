"""Plans: order and augmentation follow from seed, epoch and batch alone, whoever loads what."""

import itertools

import numpy as np
import pytest
import torch

from learning import data
from tests.support import stages


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
    for world in (1, 2):
        parts = [iter(batches(rank=rank, world=world, micro=micro)) for rank in range(world)]
        for whole in batches():
            share = len(whole.indices) // world
            taken = [next(part) for part in parts for _ in range(-(-share // micro))]
            assert {part.key for part in taken} == {whole.key} and max(len(part.indices) for part in taken) <= micro
            positions = torch.cat([part.positions for part in taken])
            assert sorted(positions.tolist()) == list(range(len(whole.indices)))
            assert torch.equal(torch.cat([part.indices for part in taken]), whole.indices[positions])
        assert all(next(part, None) is None for part in parts)


def test_parts_are_the_same_for_any_number_of_processes():
    """Where they divide the batch evenly; norm layers average over parts."""
    alone = list(batches(micro=2))
    for world in (2, 4):
        shares = [iter(batches(rank=rank, world=world, micro=2)) for rank in range(world)]
        for number in range(0, len(alone), world):
            for rank, share in enumerate(shares):
                part = next(share)
                assert torch.equal(part.positions, alone[number + rank].positions) and part.key == alone[number].key
                assert torch.equal(part.indices, alone[number + rank].indices)


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
    stages.write_images(tmp_path / "train", ["n0", "n1", "n2", "n3"], per_class=23, size=24)
    images = data.load(dataset, "train", tmp_path)
    whole = gathered(images, augmentation, 1, 0)
    assert whole.isfinite().all() and not torch.equal(whole, gathered(images, "none", 1, 0))
    for world, micro in ((1, 3), (1, 40), (2, 0), (2, 3), (4, 0), (4, 7)):
        assert torch.equal(gathered(images, augmentation, world, micro), whole)
