"""Corruptions: what each of them does to images, and that the noise of an image depends on no other image."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from experiments.subspaces import corruptions
from experiments.subspaces.corruptions import KINDS, SEVERITIES, corrupted, imagenet_c
from info_geometry.files import InputError


def images(N=5, channels=3, height=32, width=32, seed=0):
    """Return random images, bytes, in which neighbours are alike."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 255 * torch.rand(N, channels, 5, 5, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 255).to(torch.uint8)


def change(kind, severity, pixels):
    return (corrupted(pixels, kind, severity).double() - pixels.double()).square().mean().item()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shape", [(4, 1, 8, 8), (70, 3, 32, 32), (2, 1, 28, 20), (1, 3, 2, 2), (1, 1, 1, 1), (0, 3, 8, 8)]
)
def test_shapes(kind, shape):
    pixels = images(5, *shape[1:])[:1].expand(*shape).contiguous()
    before = pixels.clone()
    for severity in SEVERITIES:
        found = corrupted(pixels, kind, severity)
        assert found.shape == shape and found.dtype == torch.uint8
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [8, 28, 64])
def test_severity_grows(kind, side):
    changes = [change(kind, severity, images(20, 1, side, side)) for severity in SEVERITIES]
    assert changes[0] > 0 and all(a < b for a, b in itertools.pairwise(changes))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_those_that_follow(kind, monkeypatch):
    pixels = images(70)
    whole = corrupted(pixels, kind, 3)
    assert torch.equal(corrupted(pixels, kind, 3), whole)
    for n in (1, 63, 64, 65):
        assert torch.equal(corrupted(pixels[:n], kind, 3), whole[:n])
    monkeypatch.setattr(corruptions, "BLOCK", 7)
    assert torch.equal(corrupted(pixels, kind, 3), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_channels_in_memory_does_not_matter(kind):
    pixels = images()
    assert torch.equal(corrupted(pixels.to(memory_format=torch.channels_last), kind, 4), corrupted(pixels, kind, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_global_random_numbers_are_neither_used_nor_moved(kind):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    found = corrupted(images(), kind, 2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(corrupted(images(), kind, 2), found)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_is_normal_of_its_deviation_and_another_one_for_each_image(severity):
    grey = torch.full((40, 1, 50, 50), 128, dtype=torch.uint8)
    found = corrupted(grey, "noise", severity).numpy()
    sigma = 255 * (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    drawn = np.random.default_rng(0).normal(128, sigma, 10**6).round().clip(0, 255)  # what is clamped is, here too
    assert found.mean() == pytest.approx(drawn.mean(), abs=5 * sigma / found.size**0.5)
    assert found.std() == pytest.approx(drawn.std(), rel=0.02)
    numbers = found.reshape(40, -1) - 128.0
    assert np.abs(np.corrcoef(numbers) - np.eye(40)).max() < 0.1


def test_noise_of_severities_differs():
    grey = torch.full((1, 1, 50, 50), 128, dtype=torch.uint8)
    weak, strong = (corrupted(grey, "noise", severity).numpy().ravel() for severity in (1, 2))
    assert abs(np.corrcoef(weak, strong)[0, 1]) < 0.1


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("height, width", [(8, 8), (28, 28), (40, 64)])
def test_blur_is_a_mean_of_neighbours_by_the_gaussian_of_a_grid(severity, height, width):
    sigma = (0.4, 0.7, 1.0, 1.4, 2.0)[severity - 1] * min(height, width) / 28
    pixels = images(2, 3, height, width)
    found = corrupted(pixels, "blur", severity).numpy().astype(float)
    t, reach = sigma**2, math.ceil(4 * sigma)
    series = [
        sum((t / 2) ** (2 * k + abs(n)) / math.factorial(k) / math.factorial(k + abs(n)) for k in range(60))
        for n in range(-reach, reach + 1)
    ]
    expected = pixels.double().numpy()
    for axis in (2, 3):
        expected = ndimage.convolve1d(expected, np.array(series) / sum(series), axis, mode="mirror")
    assert np.abs(found - expected).max() < 0.5 + 1e-3
    if sigma > 1.5:  # where it is the Gaussian that everybody knows
        usual = ndimage.gaussian_filter(pixels.double().numpy(), sigma, mode="mirror", axes=(2, 3))
        assert np.abs(found - usual).max() < 2


@pytest.mark.parametrize("kind", ["blur", "contrast"])
def test_constant_images_are_kept(kind):
    pixels = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(256, 1, 8, 8)
    for severity in SEVERITIES:
        assert torch.equal(corrupted(pixels, kind, severity), pixels)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast_keeps_the_mean_of_channels_and_a_part_of_what_differs(severity):
    pixels = images(6).double()
    found = corrupted(images(6), "contrast", severity).double()
    means = pixels.mean(dim=(2, 3), keepdim=True)
    assert (found.mean(dim=(2, 3), keepdim=True) - means).abs().max() < 0.5
    expected = means + (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1] * (pixels - means)
    assert (found - expected).abs().max() < 0.5 + 1e-3


@pytest.mark.parametrize(
    "kind, severity, message",
    [
        ("nois", 1, r"unknown corruption 'nois'; did you mean noise\? There are noise, blur, contrast\."),
        ("fog", 1, r"unknown corruption 'fog'\. There are noise, blur, contrast\."),
        ("blur", 0, r"severity 0 of blur: expected 1, 2, 3, 4, 5"),
        ("noise", 6, r"severity 6 of noise: expected 1, 2, 3, 4, 5"),
    ],
)
def test_unknown_corruptions(kind, severity, message):
    with pytest.raises(InputError, match=message):
        corrupted(images(), kind, severity)


def test_what_are_no_images_of_bytes():
    with pytest.raises(InputError, match=r"expected bytes \(N, channels, height, width\), not torch.float32 of shape"):
        corrupted(images().float(), "noise", 1)
    with pytest.raises(InputError, match=r"not torch.uint8 of shape \(3, 32, 32\)"):
        corrupted(images()[0], "noise", 1)


def test_folders_of_imagenet_c(tmp_path):
    for kind in ("gaussian_noise", "contrast"):
        for severity in (1, 3):
            (tmp_path / kind / str(severity) / "n01440764").mkdir(parents=True)
    (tmp_path / "noise.tar").touch()
    assert imagenet_c(tmp_path, "contrast", 3) == tmp_path / "contrast" / "3"
    for kind, severity, message in (
        ("fog", 3, f"{tmp_path}/fog/3 is missing: {tmp_path} has no kind 'fog', but contrast, gaussian_noise"),
        ("contrast", 2, f"{tmp_path}/contrast/2 is missing: {tmp_path}/contrast has no severity 2, but 1, 3"),
    ):
        with pytest.raises(InputError) as caught:
            imagenet_c(tmp_path, kind, severity)
        assert str(caught.value) == message
    with pytest.raises(
        InputError, match=r"nowhere/fog/1 is missing: there is no folder .*nowhere; expected ImageNet-C"
    ):
        imagenet_c(tmp_path / "nowhere", "fog", 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no kind 'fog', but no folders at all"):
        imagenet_c(tmp_path / "empty", "fog", 1)
