"""Networks: shapes, sizes known from the papers, weights that follow from the seed, blurring that is one."""

import itertools
import math
import warnings

import pytest
import torch
from torch import nn

from experiments.contrastive import objectives
from experiments.meta_learning import prototypical
from experiments.semi_supervised import fixmatch
from info_geometry.files import InputError
from learning import networks, supervise
from learning.config import Config
from learning.networks import blurpool_resnet

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize(
    "name, channels, size, features",
    [
        ("small_cnn", 1, 8, 64),
        ("small_cnn", 1, 28, 64),
        ("small_cnn", 3, 32, 64),
        ("wrn_16_4", 3, 32, 256),
        ("resnet50_blurpool", 3, 64, 2048),
    ],
)
def test_body_gives_features_and_head_gives_outputs(name, channels, size, features):
    network = networks.build(name, channels, size, 7, seed=0).eval()
    images = torch.randn(2, channels, size, size)
    with torch.inference_mode():
        found = network.body(images)
        assert found.shape == (2, features)
        assert torch.equal(network(images), network.head(found)) and network(images).shape == (2, 7)


@pytest.mark.parametrize("name, channels, size", [("small_cnn", 1, 8), ("wrn_16_4", 3, 32)])
def test_initial_weights_follow_from_the_seed_alone(name, channels, size):
    before = torch.get_rng_state()
    first = networks.build(name, channels, size, 10, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = (networks.build(name, channels, size, 10, seed).state_dict() for seed in (3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert all(not torch.equal(first[key], other[key]) for key in first if first[key].ndim == 4)


def test_seeds_beyond_32_bits_would_repeat_initial_weights():
    """Why the command line refuses them."""
    below, beyond = (networks.build("small_cnn", 1, 8, 10, seed).state_dict() for seed in (3, 3 + 2**32))
    assert all(torch.equal(below[key], beyond[key]) for key in below)


def test_body_does_not_depend_on_the_number_of_outputs():
    one, other = (networks.build("small_cnn", 1, 8, outputs, seed=0).body.state_dict() for outputs in (3, 10))
    assert all(torch.equal(one[key], other[key]) for key in one)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_numbers_of_parameters():
    assert abs(count(networks.build("wrn_16_4", 3, 32, 10, 0)) - 2.75e6) < 0.01e6  # Zagoruyko and Komodakis, table 5
    assert count(networks.build("resnet50_blurpool", 3, 224, 1000, 0)) == 25_557_032  # torchvision's ResNet-50


def test_blurring_is_a_binomial_filter_before_the_stride():
    conv = nn.Conv2d(16, 5, 1, stride=2, bias=False)
    blurred, x = blurpool_resnet._BlurredConv(conv), torch.randn(1, 16, 9, 9, dtype=torch.float64)
    kernel, expected = (0.25, 0.5, 0.25), torch.zeros(1, 16, 9, 9, dtype=torch.float64)
    padded = nn.functional.pad(x, [1] * 4)
    for i, j in itertools.product(range(3), repeat=2):
        expected += kernel[i] * kernel[j] * padded[..., i : i + 9, j : j + 9]
    assert torch.allclose(blurred.double()(x), conv(expected), atol=1e-12)


def test_blurring_hides_which_pixels_the_stride_keeps():
    conv = nn.Conv2d(16, 4, 1, stride=2, bias=False)
    chequered = (torch.arange(12)[:, None] + torch.arange(12)) % 2 * 2.0 - 1  # the highest frequency there is
    images = torch.stack([chequered, chequered.roll(1, 0)]).expand(16, 2, 12, 12).transpose(0, 1)
    plain, blurred = conv(images), blurpool_resnet._BlurredConv(conv)(images)[..., 1:-1, 1:-1]
    assert torch.allclose(plain[0], -plain[1]) and plain.abs().max() > 0.1  # aliases to a constant of either sign
    assert blurred.abs().max() < 1e-6


def test_strided_convolutions_of_resnet_are_blurred():
    body = networks.build("resnet50_blurpool", 3, 64, 10, 0).body
    blurred = {id(module.conv) for module in body.modules() if isinstance(module, blurpool_resnet._BlurredConv)}
    strided = {id(module) for module in body.modules() if isinstance(module, nn.Conv2d) and max(module.stride) > 1}
    assert strided - blurred == {id(body.conv1)} and blurred < strided and len(blurred) == 6


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_precision_is_that_of_a_gpu_alone(precision):
    network, images = networks.build("small_cnn", 1, 8, 10, 0).eval(), torch.randn(8, 1, 8, 8)
    expected = network(images)
    with warnings.catch_warnings(), networks.autocast(torch.device("cpu"), precision):
        warnings.simplefilter("error")
        found = network(images)
        assert not torch.is_autocast_enabled("cpu")
    assert found.dtype == torch.float32 and torch.equal(found, expected)


@pytest.mark.parametrize("name, channels, size", [("small_cnn", 1, 8), ("resnet50_blurpool", 3, 64)])
def test_network_on_a_device_keeps_its_values(name, channels, size):
    network, images = networks.build(name, channels, size, 10, 0).eval(), torch.randn(2, channels, size, size)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.inference_mode():
        expected = network(images)
        moved = networks.on(torch.device("cpu"), network)
        assert torch.equal(moved(images), expected)
    assert moved.state_dict().keys() == before.keys()
    for key, value in moved.state_dict().items():
        assert torch.equal(value, before[key]) and value.dtype == before[key].dtype and value.is_contiguous()


def test_what_cannot_be_built():
    with pytest.raises(InputError, match="unknown network 'resnet'; there are small_cnn, wrn_16_4, resnet50_blurpool"):
        networks.build("resnet", 3, 32, 10, 0)
    with pytest.raises(InputError, match="takes images of 3 channels, not 1"):
        networks.build("resnet50_blurpool", 1, 28, 10, 0)


# One step of every method with the network of CIFAR-10


def steps(precision):
    """Return for each method the outputs of its head and a function that takes a step with 8 images."""
    common = {"dataset": "cifar10", "network": "wrn_16_4", "epochs": 2, "learning_rate": 0.1, "precision": precision}
    plain = Config(**common, batch_size=8)
    meta = prototypical.MetaConfig(**common, ways=2, shots=1, queries=3)
    fixed = fixmatch.FixMatchConfig(**common, batch_size=2, unlabelled_ratio=1, threshold=0.1)
    found = {
        "supervised": (10, lambda model, sgd, x, y: supervise.update(model, sgd, iter([(x, y)]), 8, plain)),
        "prototypical": (0, lambda model, sgd, x, y: prototypical.update(model, sgd, x, meta)),
        "fixmatch": (10, lambda model, sgd, x, y: fixmatch.update(model, sgd, x, y[:2], fixed)),
    }
    for objective in ("simclr", "barlow"):
        config = objectives.ContrastiveConfig(**common, batch_size=8, objective=objective)
        found[objective] = (0, lambda model, sgd, x, y, config=config: objectives.update(model, sgd, x, 3, config))
    return found


@pytest.mark.parametrize("device, precision", [("cpu", "float32"), pytest.param("cuda", "bfloat16", marks=GPU)])
@pytest.mark.parametrize("method", ["supervised", "prototypical", "fixmatch", "simclr", "barlow"])
def test_every_method_takes_a_step(method, device, precision):
    outputs, step = steps(precision)[method]
    network = networks.on(torch.device(device), networks.build("wrn_16_4", 3, 32, outputs, seed=0))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    pixels = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(device)
    loss, right, images = step(network, optimiser, pixels, torch.arange(8, device=device)).tolist()
    assert math.isfinite(loss) and loss > 0 and 0 <= right <= images and images > 0
    moved = [not torch.equal(*pair) and pair[1].isfinite().all() for pair in zip(before, network.parameters())]
    assert all(moved)
