"""Views: functions of key and position alone, that move and colour images as they say and mirror what may be."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torchvision.transforms.v2 import functional

from info_geometry.files import InputError
from learning import tasks
from learning.data import views, warps

SHAPES = {"digits": (1, 8, 8), "fashion": (1, 28, 28), "cifar10": (3, 32, 32), "imagenet": (3, 64, 64)}
BOTH = pytest.mark.parametrize("view", [views.weak, views.strong])


def some(dataset, count=40, dtype=torch.float32):
    return torch.randn(count, *SHAPES[dataset], generator=torch.Generator().manual_seed(1)).to(dtype)


@BOTH
@pytest.mark.parametrize("dataset", SHAPES)
def test_views_follow_from_the_key_alone(view, dataset):
    images = some(dataset)
    before, kept = torch.random.get_rng_state(), images.clone()
    found = view(images, 2**63 - 1, dataset)
    assert torch.equal(torch.random.get_rng_state(), before) and torch.equal(images, kept)
    torch.rand(3)
    assert torch.equal(view(images, 2**63 - 1, dataset), found) and found.isfinite().all()
    assert found.shape == images.shape and found.dtype == images.dtype
    other = view(images, 7, dataset)
    assert (other != found).flatten(1).any(dim=1).float().mean() > 0.7
    same = view(images[:1].expand(40, -1, -1, -1), 7, dataset)  # an image gets another view at each position
    assert len({tuple(x.flatten().tolist()) for x in same}) > (5 if dataset == "digits" else 20)  # it has 9 weak ones


@BOTH
@pytest.mark.parametrize("dataset", SHAPES)
def test_views_follow_from_the_position_whatever_else_is_in_the_batch(view, dataset):
    images = some(dataset)
    whole = view(images, 3, dataset)
    torch.testing.assert_close(view(images[:7], 3, dataset), whole[:7])
    others = torch.arange(40) % 3 > 0
    changed = torch.where(others[:, None, None, None], 5 * images.flip(0), images)
    torch.testing.assert_close(view(changed, 3, dataset)[~others], whole[~others])


@BOTH
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtypes_are_kept(view, dtype):
    found, single = view(some("cifar10", 4, dtype), 3, "cifar10"), view(some("cifar10", 4), 3, "cifar10")
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), single, rtol=0.1, atol=1e-4 if dtype == torch.float64 else 0.3)


def test_a_weak_view_is_a_shift_by_whole_pixels_and_a_mirror_image():
    images, found = some("fashion", 300), views.weak(some("fashion", 300), 0, "fashion")
    padded = torch.nn.functional.pad(images, [3] * 4, mode="replicate")
    seen = set()
    for image, view in zip(padded, found):
        fits = {
            (y, x, mirror)
            for y in range(7)
            for x in range(7)
            for mirror in (False, True)
            if torch.allclose((image.flip(2) if mirror else image)[:, y : y + 28, x : x + 28], view, atol=1e-4)
        }
        assert len(fits) == 1
        seen |= fits
    assert len(seen) > 80  # of 98


def test_crops_are_those_of_the_area_and_ratio(monkeypatch):
    """Seen in images of coordinates, whose view tells what it shows."""
    monkeypatch.setattr(warps, "JITTERED", 0)
    places = (torch.arange(28.0) * 2 + 1) / 28 - 1
    for coordinate in (places.expand(28, 28), places[:, None].expand(28, 28)):
        images = coordinate.expand(500, 1, 28, 28).contiguous()
        found = views.strong(images, 0, "fashion")
        axis = 3 if coordinate[0, 0] != coordinate[0, 1] else 2
        steps = found.diff(dim=axis).abs().amax(dim=(1, 2, 3)) * 14  # how much of the side is shown
        assert 0.45 < steps.min() < 0.55 and 0.95 < steps.max() < 1.0001
        assert found.abs().max() <= places.max() + 1e-6
        spread = found.mean(dim=(1, 2, 3))
        assert spread.min() < -0.15 and spread.max() > 0.15 and abs(spread.mean()) < 0.05


def test_a_crop_is_what_torchvision_cuts_out(monkeypatch):
    monkeypatch.setattr(warps, "JITTERED", 0)
    images = some("fashion", 2)
    # 14 pixels wide from the third on, 21 high from the fifth on
    extent, centre = torch.tensor([[14 / 28, 21 / 28]] * 2), torch.tensor([[(3 + 7) / 14 - 1, (5 + 10.5) / 14 - 1]] * 2)
    found = warps.cut(images, extent, centre, torch.tensor([False, True]))
    expected = functional.resized_crop(images, 5, 3, 21, 14, [28, 28], antialias=False)
    expected[1] = expected[1].flip(2)
    inside = (..., slice(2, -2), slice(2, -2))  # beside the border of the crop, ours sees what lies outside
    torch.testing.assert_close(found[inside], expected[inside], rtol=1e-4, atol=1e-4)


def test_digits_are_never_mirrored():
    """A mirrored gradient falls; a shift, a crop and colours leave it rising."""
    images = torch.arange(8.0).expand(500, 1, 8, 8).contiguous()
    for view in (views.weak, views.strong):
        assert (view(images, 5, "digits").diff(dim=3) >= -1e-5).all()
        falling = (view(images, 5, "fashion").diff(dim=3) <= 1e-5).all(dim=3).all(dim=2).float().mean()
        assert 0.4 < falling < 0.6
    assert not tasks.facts("digits").mirror


def test_brightness_and_contrast():
    images = some("fashion", 500)
    draws = torch.rand(6, 500, generator=torch.Generator().manual_seed(0))
    found = warps.jitter(images, draws)
    change, mean = (found - images).abs().amax(dim=(1, 2, 3)), (found - images).mean(dim=(1, 2, 3))
    gains = found.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    assert 0.15 < (change < 1e-6).float().mean() < 0.25
    assert 0.6 <= gains.min() < 0.62 and 1.38 < gains.max() <= 1.4 + 1e-5
    assert -0.4 - 1e-5 <= mean.min() < -0.38 and 0.38 < mean.max() <= 0.4 + 1e-5


def test_hue_turns_about_the_axis_of_greys():
    images = some("cifar10", 3, torch.float64)
    turn = 0.73
    # jittered; gain 1, offset 0, saturation 1, a turn, not grey
    draws = torch.tensor([[0.0, 0.5, 0.5, 0.5, turn, 1.0]] * 3, dtype=torch.float64).T
    angle = 2 * math.pi * warps.TURN * (2 * turn - 1)
    matrix = torch.from_numpy(Rotation.from_rotvec(angle * np.ones(3) / math.sqrt(3)).as_matrix())
    torch.testing.assert_close(warps.jitter(images, draws), torch.einsum("ij,bjhw->bihw", matrix, images))
    draws[5] = 0
    grey = warps.jitter(images, draws)
    torch.testing.assert_close(grey, images.mean(dim=1, keepdim=True).expand_as(images))


def test_half_of_the_images_are_blurred_as_torchvision_blurs():
    images = some("imagenet", 50)
    which, strength = torch.rand(2, 50, generator=torch.Generator().manual_seed(0))
    found = views._blur(images, which, strength)
    for i in range(50):
        sigma = 0.1 + 1.9 * float(strength[i])
        expected = functional.gaussian_blur(images[i], [7, 7], [sigma, sigma]) if which[i] < 0.5 else images[i]
        torch.testing.assert_close(found[i], expected, rtol=1e-4, atol=1e-5)


def test_every_data_set_has_views():
    for dataset, known in tasks.DATASETS.items():
        if not known.of_images:
            continue
        shape = known.channels, 16, 16
        for view in (views.weak, views.strong):
            assert view(torch.zeros(2, *shape), 3, dataset).shape == (2, *shape)
    for dataset in ("cifar", "sloppy"):
        with pytest.raises(InputError, match=f"no views of the data set '{dataset}', but of digits, .*, imagenet$"):
            views.weak(some("digits"), 0, dataset)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@BOTH
@pytest.mark.parametrize("dataset", SHAPES)
def test_a_gpu_gives_the_same_views(view, dataset):
    images = some(dataset)
    found = view(images.cuda().to(memory_format=torch.channels_last), 3, dataset)
    torch.testing.assert_close(found.cpu(), view(images, 3, dataset), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dataset", SHAPES)
def test_images_are_cut_as_an_affine_map_of_coordinates_does(dataset):
    images = some(dataset)
    draws = torch.rand(40, 5, generator=torch.Generator().manual_seed(2))
    extent, centre, mirrored = 0.3 + 0.7 * draws[:, :2], draws[:, 2:4] - 0.5, draws[:, 4] < 0.5
    maps = torch.zeros(40, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1], maps[:, :, 2] = torch.where(mirrored, -1, 1) * extent[:, 0], extent[:, 1], centre
    grid = torch.nn.functional.affine_grid(maps, list(images.shape), align_corners=False)
    expected = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(warps.cut(images, extent, centre, mirrored), expected, rtol=1e-5, atol=1e-5)
