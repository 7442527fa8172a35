"""What cannot be computed is said in one sentence, and networks are as they were."""

import math

import pytest
import torch
from torch import nn

from info_geometry.files import InputError
from learning import fisher, networks

X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
MLP = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 3))


class Outputs(nn.Module):
    """A network whose outputs are a function of logits."""

    def __init__(self, function):
        super().__init__()
        self.inner, self.function = nn.Linear(5, 3), function

    def forward(self, x):
        return self.function(self.inner(x))


@pytest.mark.parametrize("compute", [fisher.diagonal, fisher.sampled_diagonal, fisher.trace, fisher.entropy])
@pytest.mark.parametrize(
    "network, inputs, message",
    [
        (MLP, X[:0], "there are no inputs"),
        (MLP, torch.tensor(1.0), "there are no inputs"),
        (MLP, [1.0], "inputs are a list"),
        (MLP, X.long(), "inputs are torch.int64; expected floating"),
        (MLP, X / 0, "30 of 30 numbers of the inputs are not finite"),
        (MLP, X[:, :4], r"does not take inputs of shape \(6, 4\)"),
        (Outputs(lambda z: torch.softmax(z, dim=1)), X, "sum to 1, as probabilities do"),
        (Outputs(lambda z: z[:, :1]), X, r"of shape \(6, 1\); expected logits \(6, C\), C > 1"),
        (Outputs(lambda z: z[:, 0]), X, r"of shape \(6,\); expected logits"),
        (Outputs(lambda z: z[None]), X, r"of shape \(1, 6, 3\); expected logits"),
        (Outputs(lambda z: z[:2]), X, r"of shape \(2, 3\); expected logits \(6, C\)"),
        (Outputs(lambda z: (z, z)), X, "are a tuple; expected logits"),
        (Outputs(lambda z: z / 0), X, "logits of 6 of 6 inputs are not finite"),
        (nn.ReLU(), X, "the network has no weights"),
        (nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, track_running_stats=False)), X, "batch norm '1' keeps no"),
    ],
)
def test_networks_and_inputs(compute, network, inputs, message):
    with pytest.raises(InputError, match=message):
        compute(network, inputs)
    assert network.training


def test_gradients():
    infinite = Outputs(lambda z: z + (z[:, :1] * 0).abs().sqrt())  # the derivative of sqrt at 0
    for compute in (fisher.diagonal, fisher.sampled_diagonal, fisher.trace, lambda n, x: fisher.trace(n, x, "batch")):
        with pytest.raises(InputError, match=r"gradients of .* are not finite"):
            compute(infinite, X)
    with pytest.raises(InputError, match="gradients of the weights are not finite"):
        fisher.log_determinant(infinite, X, 1.0)
    with pytest.raises(InputError, match=r"torch\.func finds no gradients of this network sample by sample"):
        fisher.trace(Outputs(lambda z: z * (1.0 if z.sum().item() > 0 else 2.0)), X)


def test_layers():
    for layers, message in (
        (["head"], "there is no layer 'head'; there are 0, 3"),
        (["0.weight[4]"], r"no filter '0.weight\[4\]'; 0.weight has 4, from 0"),
        (["0[1]"], "there is no layer"),
        ("0", "expected a list of names"),
        ([], "expected a list of names"),
    ):
        for compute in (fisher.trace, lambda n, x, layers: fisher.from_predictions(n, x, 0.1, layers=layers)):
            with pytest.raises(InputError, match=message):
                compute(MLP, X, layers=layers)
    with pytest.raises(InputError, match="of whole parameters, not of filters"):
        fisher.diagonal(MLP, X, layers=["0.weight[1]"])
    network = networks.build("small_cnn", 1, 8, 3, 0, width=2)
    assert set(fisher.diagonal(network, torch.randn(2, 1, 8, 8), layers=["body.1", "head.bias"])) == {
        "body.1.weight",
        "body.1.bias",
        "head.bias",
    }


@pytest.mark.parametrize(
    "compute, message",
    [
        (lambda: fisher.trace(MLP, X, "empirical"), "computed exact, sampled, batch, not 'empirical'"),
        (lambda: fisher.trace(MLP, X, "sampled", draws=0), "draws is 0; expected 1 or more"),
        (lambda: fisher.trace(MLP, X, "batch", batch=0), "batch is 0"),
        (lambda: fisher.trace(MLP, X, block=0), "block is 0"),
        (lambda: fisher.sampled_diagonal(MLP, X, draws=1.5), "draws is 1.5"),
        (lambda: fisher.log_determinant(MLP, X, 1.0, "batch"), "computed exact or sampled, not 'batch'"),
        (lambda: fisher.log_determinant(MLP, X, 0.0), "scale is 0.0; expected a positive number"),
        (lambda: fisher.log_determinant(MLP, X, {"0": 1.0}), "there is none for 3.weight, 3.bias"),
        (lambda: fisher.log_determinant(MLP, X, {"0": 1.0, "0.bias": 1.0, "3": 1.0}), "'0.bias' is given beside"),
        (lambda: fisher.log_determinant(MLP, X.repeat(200, 1), 1.0), "are 3600 gradients; expected 3,000 or less"),
        (lambda: fisher.log_determinant(MLP, X, 1.0, "sampled", draws=501), "6 inputs times 501 draws"),
        (lambda: fisher.from_predictions(MLP, X, 0.0), "sigma is 0.0"),
        (lambda: fisher.from_predictions(MLP, X, math.nan), "sigma is nan"),
        (lambda: fisher.from_predictions(MLP, X, 0.1, draws=0), "draws is 0"),
        (lambda: fisher.from_predictions(MLP, X, 0.1, predict=lambda n, x: n(x)), "is not probabilities"),
        (lambda: fisher.from_predictions(Outputs(lambda z: 1e6 * z), X, 9.0), "have nothing in common"),
        (lambda: fisher.noise_curve(MLP, X, torch.zeros(5).long()), r"of shape \(5,\); expected 6 numbers"),
        (lambda: fisher.noise_curve(MLP, X, torch.zeros(6)), "labels are torch.float32"),
        (lambda: fisher.noise_curve(MLP, X, torch.arange(6)), "labels are 0 to 5; expected 0 to 2"),
        (lambda: fisher.noise_curve(MLP, X, torch.zeros(6).long(), rise=0), "rise is 0"),
        (lambda: fisher.temperature_for(MLP, X, 1.2), "entropy is 1.2; expected between 0 and log 3"),
        (lambda: fisher.temperature_for(MLP, X, 0.0), "entropy is 0.0"),
        (lambda: fisher.temperature_for(Outputs(lambda z: 0 * z), X, 1.0), "no temperature gives an entropy of 1.0"),
        (lambda: fisher.at_temperature(MLP, -1.0), "temperature is -1.0"),
        (lambda: fisher.information(MLP, fisher.diagonal(MLP, X), 0, 1.0), "number of samples is 0"),
        (lambda: fisher.information(MLP, fisher.diagonal(MLP, X), 9, 1.0, 0.0), "beta is 0.0"),
        (lambda: fisher.information(MLP, fisher.diagonal(MLP, X), 9, {"0": 1.0}), "prior variance: there is none for"),
        (lambda: fisher.information(MLP, {}, 9, 1.0), "is not of this network"),
        (lambda: fisher.information(MLP, {n: -w for n, w in MLP.named_parameters()}, 9, 1.0), "negative or not finite"),
        (lambda: fisher.estimated_information(MLP, X, 9, 1.0), "6 inputs are fewer than 10 groups"),
        (lambda: fisher.estimated_information(MLP, X, 9, 1.0, groups=1), "groups is 1; expected 2 or more"),
        (lambda: fisher.estimated_information(MLP, X[:0], 9, 1.0), "there are no inputs"),
        (lambda: fisher.prior_variances(Zero()), "initial weights of w is 0.0"),
    ],
)
def test_numbers(compute, message):
    with pytest.raises(InputError, match=message):
        compute()


class Zero(nn.Module):
    """A layer that begins at 0."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))
