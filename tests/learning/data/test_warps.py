"""Holes in images, seen in images of ones; crops and colours are held by the tests of views."""

import math

import torch

from learning.data import warps


def holes(count, H, W, seed=0):
    """Return where (count, H, W) images are erased, and the draws."""
    draws = torch.rand(count, 5, generator=torch.Generator().manual_seed(seed))
    return warps.erase(torch.ones(count, 2, H, W), draws), draws


def test_half_of_the_images_have_a_hole_of_zeros_the_same_in_all_channels():
    found, draws = holes(4000, 28, 28)
    assert set(found.unique().tolist()) == {0, 1} and torch.equal(found[:, 0], found[:, 1])
    erased = (found == 0).flatten(1).any(dim=1)
    assert abs(erased.float().mean() - 0.5) < 5 * 0.5 / 4000**0.5
    assert not erased[draws[:, 0] >= 0.5].any()
    unseen = torch.randn(9, 3, 6, 6)
    draws = torch.rand(9, 5)
    draws[:, 0] = 0.5
    assert torch.equal(warps.erase(unseen, draws), unseen)


def test_a_hole_is_a_rectangle_of_the_area_and_slant_that_were_drawn():
    """At its place, to the pixel, as a loop over pixels finds it; on average over images as large as drawn."""
    H, W, parts = 24, 16, []
    found, draws = holes(200, H, W, seed=1)
    for image, (which, area, slant, down, across) in zip(found[:, 0], draws.tolist()):
        share, ratio = 0.02 + 0.31 * area, math.exp(math.log(0.3) + slant * (math.log(3.3) - math.log(0.3)))
        high, wide = min(1, math.sqrt(share * ratio)), min(1, math.sqrt(share / ratio))
        top, left = (1 - high) * down, (1 - wide) * across
        expected = [
            [
                which < 0.5 and top <= (y + 0.5) / H < top + high and left <= (x + 0.5) / W < left + wide
                for x in range(W)
            ]
            for y in range(H)
        ]
        differ = (image == 0) != torch.tensor(expected)
        assert differ.sum() <= max(H, W)  # a border may fall on the middles of pixels
        parts.append((float((image == 0).float().mean()), share if which < 0.5 and max(high, wide) < 1 else 0.0))
    seen, drawn = torch.tensor([part for part in parts if part[1]]).mean(dim=0)
    assert abs(seen - drawn) < 0.01


def test_holes_are_as_often_anywhere():
    found, _ = holes(20000, 8, 8)
    often = (found[:, 0] == 0).float().mean(dim=0)
    torch.testing.assert_close(often, often.flip(0), atol=0.015, rtol=0)
    torch.testing.assert_close(often, often.flip(1), atol=0.015, rtol=0)
    torch.testing.assert_close(often, often.T, atol=0.015, rtol=0)
