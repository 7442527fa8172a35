"""A network on a device: the same values, and the precision that was asked for."""

import warnings

import pytest
import torch

from learning import networks


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
