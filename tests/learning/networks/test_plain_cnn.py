"""The CNN without batch norm: nothing but convolutions with biases, which keep the size of activations."""

import itertools

import torch
from torch import nn

from learning import networks


def test_it_is_the_small_cnn_with_biases_for_norm_layers():
    """At evaluation, a batch norm of mean -b, variance 1 - eps, weight 1 and bias 0 adds b."""
    plain = networks.build("plain_cnn", 1, 8, 10, 0).double().eval()
    normed = networks.build("small_cnn", 1, 8, 10, 0).double().eval()
    nn.init.normal_(plain.body[0].bias)
    convs = [module for module in plain.modules() if isinstance(module, nn.Conv2d)]
    others = [module for module in normed.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in normed.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(convs) == len(others) == len(norms) == 3
    with torch.no_grad():
        for conv, other, norm in zip(convs, others, norms):
            other.weight.copy_(conv.weight)
            norm.running_mean.copy_(-conv.bias)
            norm.running_var.fill_(1 - norm.eps)
        normed.head.load_state_dict(plain.head.state_dict())
        images = torch.randn(4, 1, 8, 8, dtype=torch.float64)
        assert torch.allclose(plain(images), normed(images), atol=1e-12)


def test_activations_neither_vanish_nor_grow():
    """He et al. 2015: the mean square of what enters an activation is that of the layer before, borders aside."""
    network, found = networks.build("plain_cnn", 3, 32, 10, 0, 64), []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, given, out: found.append(float(out.square().mean())))
    with torch.inference_mode():
        network(torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert len(found) == 3 and all(0.5 < later / sooner < 1.5 for sooner, later in itertools.pairwise(found))
