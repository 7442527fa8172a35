"""Deficits of images and labels: what they keep, what they change, when, and what they depend on."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning.deficits import KINDS, Deficit, blurred, permuted, random_labels

CHANGES = [kind for kind in KINDS if kind != "none"]
EACH = pytest.mark.parametrize("kind", CHANGES)
PLACES = torch.tensor([5, 2, 30, 11, 7, 0])
OUTPUTS = torch.tensor([0, 9, 3, 3, 1, 8])


def images(side=8, channels=2, count=6):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def applied(kind, pixels=None, places=PLACES, outputs=OUTPUTS, epoch=2.5, seed=3, factor=4):
    """Return what images and outputs become by a deficit that lasts from epoch 1 to 3.5."""
    deficit = Deficit(kind, 1, 3.5, factor)
    return deficit.applied(images() if pixels is None else pixels, outputs, places, epoch, 10, seed)


# Each kind


def test_no_deficit_changes_nothing():
    pixels = images()
    found, outputs = applied("none", pixels)
    assert found is pixels and outputs is OUTPUTS


def test_flipped_twice_is_as_before_and_upside_down_once():
    pixels = images()
    once, outputs = applied("flip", pixels)
    assert torch.equal(once[:, :, 0], pixels[:, :, -1]) and torch.equal(once[:, :, -1], pixels[:, :, 0])
    assert torch.equal(applied("flip", once)[0], pixels) and outputs is OUTPUTS


@pytest.mark.parametrize("side, factor", [(8, 4), (28, 7), (32, 4), (28, 5), (30, 7), (9, 2)])
def test_blur_of_a_constant_image_is_itself(side, factor):
    pixels = torch.full((2, 1, side, side), 0.7)
    assert blurred(pixels, factor).shape == pixels.shape
    torch.testing.assert_close(blurred(pixels, factor), pixels)


@pytest.mark.parametrize("side, factor", [(8, 4), (28, 7), (32, 4), (12, 3)])
def test_blur_keeps_the_mean_where_the_factor_divides_the_side(side, factor):
    pixels = images(side).double()
    found = blurred(pixels, factor)
    torch.testing.assert_close(found.mean(dim=(2, 3)), pixels.mean(dim=(2, 3)))
    assert found.var() < 2 / factor**2 * pixels.var()


def test_blur_by_hand():
    """Averages of squares of 2 pixels; between their middles, at 0.5 and 2.5, values are linear, outside constant."""
    pixels = torch.arange(16.0).reshape(1, 1, 4, 4)
    small = pixels.reshape(2, 2, 2, 2).mean(dim=(1, 3))
    weights = torch.tensor([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    torch.testing.assert_close(blurred(pixels, 2)[0, 0], weights @ small @ weights.T)


def test_blur_where_the_factor_does_not_divide_the_side():
    """5 pixels by 2: of the 3 that are left, each is the mean of 2, and pixels 1 and 3 are in two of them."""
    row = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    found = blurred(row.expand(1, 1, 5, 5), 2)
    means = torch.tensor([[[1.5, 14 / 3, 12.0]]])
    expected = F.interpolate(means, size=5, mode="linear", align_corners=False)[0, 0]
    torch.testing.assert_close(found[0, 0], expected.expand(5, 5))


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_a_derangement_has_no_fixed_point(classes):
    every = torch.arange(classes)
    found = permuted(every, classes)
    assert not (found == every).any() and torch.equal(found.sort().values, every)
    assert torch.equal(permuted(every, classes), found)


def test_random_labels_follow_from_the_index_alone():
    found = random_labels(torch.arange(5000), 10)
    assert found.dtype == torch.int64 and found.min() >= 0 and found.max() == 9
    shares = torch.bincount(found, minlength=10) / 5000
    assert (shares - 0.1).abs().max() < 4 * math.sqrt(0.09 / 5000)
    few = torch.tensor([4999, 3, 3, 17])
    assert torch.equal(random_labels(few, 10), found[few])
    one = applied("random_labels", epoch=1, seed=3)[1]
    other = applied("random_labels", outputs=OUTPUTS * 0, epoch=3, seed=4)[1]
    assert torch.equal(one, other) and torch.equal(one, found[PLACES])


def test_noise_is_white_and_new_in_each_epoch():
    pixels = torch.full((300, 2, 8, 8), 7.0)
    places = torch.arange(300)
    found, later, same, other = (
        applied("noise", pixels, places, places % 10, epoch, seed)[0]
        for epoch, seed in ((1.1, 3), (2.1, 3), (1.9, 3), (1.1, 4))
    )
    N = found.numel()
    assert found.dtype == pixels.dtype and abs(found.mean()) < 4 / math.sqrt(N)
    assert abs(found.var() - 1) < 4 * math.sqrt(2 / N)
    assert torch.equal(found, same)  # an epoch sees an image once
    flat = torch.stack([x.flatten() for x in (found, later, other, found.roll(1, 0), found.roll(1, 3))])
    assert (torch.corrcoef(flat) - torch.eye(5)).abs().max() < 4.5 / math.sqrt(N)


def test_constant_images_are_the_mean():
    found, outputs = applied("constant")
    assert not found.any() and found.shape == images().shape and outputs is OUTPUTS


# Of all kinds


@EACH
def test_batches_may_be_cut_in_any_way(kind):
    pixels = images()
    whole, outputs = applied(kind, pixels)
    parts = [applied(kind, pixels[at], PLACES[at], OUTPUTS[at]) for at in ([0, 3], [5], [4, 1, 2])]
    order = torch.tensor([0, 3, 5, 4, 1, 2])
    assert torch.equal(torch.cat([x for x, _ in parts]), whole[order])
    assert torch.equal(torch.cat([y for _, y in parts]), outputs[order])


@EACH
def test_outside_of_the_window_nothing_changes(kind):
    pixels = images()
    for epoch in (0, 0.999, 3.5, 100):
        found, outputs = applied(kind, pixels, epoch=epoch)
        assert found is pixels and outputs is OUTPUTS
    for epoch in (1, 2, 3.49):
        found, outputs = applied(kind, pixels, epoch=epoch)
        assert torch.equal(found, pixels) == kind.endswith("labels") != torch.equal(outputs, OUTPUTS)


@EACH
def test_what_is_given_and_global_random_numbers_are_left_alone(kind):
    pixels, state = images(), torch.get_rng_state()
    np.random.seed(0)
    one = applied(kind, pixels)
    np.random.seed(1)
    other = applied(kind, pixels)
    assert all(torch.equal(a, b) for a, b in zip(one, other)) and torch.equal(torch.get_rng_state(), state)
    assert torch.equal(pixels, images()) and torch.equal(OUTPUTS, torch.tensor([0, 9, 3, 3, 1, 8]))


@pytest.mark.parametrize("onset, end, steps", [(0, 2, 10), (1, 3, 15), (0.5, 1.25, 5), (0.1, 0.3, 4), (2, 99, 7)])
def test_steps_of_the_window(onset, end, steps):
    """Those whose middles it holds, by a loop over all."""
    found = Deficit("flip", onset, end).steps(steps, 4 * steps)
    inside = [step for step in range(4 * steps) if onset * steps <= step + 0.5 < end * steps]
    assert list(found) == inside
    assert not len(Deficit("flip", 0.01, 0.02).steps(4, 16))


@pytest.mark.parametrize(
    "deficit, classes, message",
    [
        (Deficit("blur", 0, 1, 8), 10, "factor is 8, which leaves one pixel of images of 8 pixels; expected one"),
        (Deficit("blur", 0, 1, 1), 10, "factor is 1, which leaves all of images of 8 pixels; expected one from 2 to 7"),
        (Deficit("permuted_labels", 0, 1), 1, "deficit is permuted_labels, but the task has one class"),
        (Deficit("random_labels", 0, 1), 1, "deficit is random_labels, but the task has one class"),
    ],
)  # fmt: skip
def test_what_does_not_fit(deficit, classes, message):
    with pytest.raises(InputError, match=message):
        deficit.check([32, 8], classes)


@pytest.mark.parametrize("kind", ["blur", "flip"])
def test_inputs_of_one_pixel_have_no_other_side(kind):
    with pytest.raises(InputError, match=f"deficit is {kind}, which leaves inputs of one pixel as they are"):
        Deficit(kind, 0, 1).check(iter([1]), 5)
    Deficit("noise", 0, 1).check([1], 5)


def test_what_fits_and_an_unknown_kind():
    Deficit("blur", 0, 1, 7).check([8], 1)
    Deficit("permuted_labels", 0, 1).check([2], 2)
    with pytest.raises(InputError, match="deficit is 'blurr', expected one of none, blur, flip"):
        Deficit("blurr")
