"""Running statistics that are set anew: those of the images alone, whatever there was before."""

import copy
import logging

import pytest
import torch
from torch import nn

from learning import networks
from learning.networks.recalibration import recalibrate
from tests.support.networks import cnn


def images(B=5, seed=0):
    return torch.randn(B, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def batches(count=4, B=6):
    return [images(B, seed) for seed in range(count)]


def statistics(network):
    return {key: value.clone() for key, value in network.named_buffers()}


def test_statistics_are_the_mean_over_batches():
    network = cnn()
    with torch.no_grad():
        convolved = [network.body[0](x).transpose(0, 1).flatten(1) for x in batches()]
    means = torch.stack([x.mean(dim=1) for x in convolved]).mean(dim=0)
    variances = torch.stack([x.var(dim=1, correction=1) for x in convolved]).mean(dim=0)
    recalibrate(network, batches())
    torch.testing.assert_close(network.body[1].running_mean, means)
    torch.testing.assert_close(network.body[1].running_var, variances)


def test_statistics_that_were_there_play_no_part():
    one, other = cnn(), cnn()
    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(1e6)
            module.running_var.fill_(7)
    first, second = (statistics(recalibrate(x, batches())) for x in (one, other))
    assert all(torch.equal(first[key], second[key]) for key in first)
    again = statistics(recalibrate(one, batches()))
    assert all(torch.equal(first[key], again[key]) for key in first)
    others = statistics(recalibrate(one, batches(3)))
    assert not torch.isclose(first["body.1.running_mean"], others["body.1.running_mean"]).all()


@pytest.mark.parametrize("training", [True, False])
def test_all_else_of_a_network_stays(training):
    network = cnn().train(training)
    network.body[1].momentum, network.body[4].momentum = 0.3, None
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    assert recalibrate(network, batches()) is network
    assert [network.body[i].momentum for i in (1, 4, 7)] == [0.3, None, 0.1]
    assert not any(module.training for module in network.modules())
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name]) and parameter.grad is None and parameter.requires_grad


def test_statistics_are_those_without_dropout():
    plain = cnn()
    body = nn.Sequential(*[nn.Sequential(module, nn.Dropout(0.5)) for module in copy.deepcopy(plain.body)])
    dropping = networks.Network(body, 64, 10).train()
    recalibrate(plain, batches())
    recalibrate(dropping, batches())
    for i in (1, 4, 7):
        torch.testing.assert_close(dropping.body[i][0].running_mean, plain.body[i].running_mean)


@pytest.mark.parametrize("name", ["small_cnn", "fc", "conv_mixer", "wide_resnet"])
def test_recalibrated_on_one_batch_a_network_predicts_it_as_in_training(name):
    network = networks.build(name, 1, 8, 10, 0)
    expected = copy.deepcopy(network).train()(images(200))
    assert not torch.isclose(network.eval()(images(200)), expected, rtol=0.1, atol=0.1).all()
    found = recalibrate(network, [images(200)])(images(200))
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)  # variances are those of a sample


def test_networks_without_batch_norms_are_left_as_they_are(caplog):
    network = networks.build("small_cct", 1, 8, 10, 0).train()
    before = copy.deepcopy(network.state_dict())
    with caplog.at_level(logging.INFO, logger="info_geometry"):
        recalibrate(network, batches())
    assert "there are no batch norms to recalibrate" in caplog.text and not network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
