"""What cannot be computed is said in one sentence, and networks are as they were."""

import copy
import math

import pytest
import torch
from torch import nn

from info_geometry.files import InputError
from learning import fisher, networks

X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
MLP = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 3))
WIDER = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 3))


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
        (Outputs(lambda z: {"logits": z}), X, "are a dict; expected logits"),
        (Outputs(lambda z: None), X, "are a NoneType; expected logits"),
        (Outputs(lambda z: z[:, :, None]), X, r"of shape \(6, 3, 1\); expected logits"),
        (MLP, X > 0, "inputs are torch.bool; expected floating"),
        (MLP, torch.utils.data.TensorDataset(X), "inputs are a TensorDataset; expected a tensor"),
        (MLP, X.numpy(), "inputs are a ndarray; expected a tensor"),
        (Outputs(lambda z: z / 0), X, "logits of 6 of 6 inputs are not finite"),
        (nn.ReLU(), X, "the network has no weights"),
        (nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, track_running_stats=False)), X, "batch norm '1' keeps no"),
    ],
)
def test_networks_and_inputs(compute, network, inputs, message):
    with pytest.raises(InputError, match=message):
        compute(network, inputs)
    assert network.training


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("labels", [LABELS, LABELS.numpy(), LABELS.tolist()], ids=["tensor", "array", "list"])
def test_labels_of_a_data_set_are_not_given(labels):
    for compute in (
        lambda: fisher.trace(MLP, X, labels),
        lambda: fisher.log_determinant(MLP, X, labels),
        lambda: fisher.log_determinant(MLP, X, labels, 1.0),
        lambda: fisher.log_determinant(MLP, X, 1.0, labels),
    ):
        with pytest.raises(InputError, match=r"^labels are given, but those of the Fisher .* are the model's own"):
            compute()
    for compute in (fisher.diagonal, fisher.sampled_diagonal, fisher.entropy):
        with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
            compute(MLP, X, labels)
    with pytest.raises(InputError, match=r"layers are .*; expected a list of names"):
        fisher.trace(MLP, X, layers=labels)


@pytest.mark.parametrize("number, rows", [(math.nan, 6), (math.inf, 6), (-math.inf, 6)])
def test_weights_that_are_not_finite(number, rows):
    network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    found = fisher.diagonal(network, X)
    with torch.no_grad():
        network[2].weight[1, 2] = number
        network[0].bias[2] = 9.0  # so that no input leaves it out
    for compute in (
        fisher.diagonal,
        fisher.sampled_diagonal,
        fisher.trace,
        fisher.entropy,
        lambda n, x: fisher.log_determinant(n, x, 1.0),
        lambda n, x: fisher.noise_curve(n, x, LABELS),
        lambda n, x: fisher.from_predictions(n, x, 0.1),
    ):
        with pytest.raises(InputError, match=f"^logits of {rows} of 6 inputs are not finite$"):
            compute(network, X)
    with pytest.raises(InputError, match=r"^weights of 2\.weight are not finite$"):
        fisher.information(network, found, 9, 1.0)
    with pytest.raises(InputError, match=r"mean square of initial weights of 2 is (nan|inf); expected a positive"):
        fisher.prior_variances(network)


def test_batch_norms_are_in_evaluation_and_stay_as_they_were():
    network = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    network(3 * X + 1)  # its statistics are not those of X
    before, expected = copy.deepcopy(network.state_dict()), fisher.trace(copy.deepcopy(network).eval(), X)
    network[3].eval()
    assert fisher.trace(network, X) == expected != fisher.trace(copy.deepcopy(network).eval(), 3 * X)
    assert [x.training for x in network.modules()] == [True, True, True, True, False]
    assert all(torch.equal(x, before[name]) for name, x in network.state_dict().items())
    assert fisher.trace(network, X[:1]).value > 0  # of which there are no statistics


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_inputs_of_another_precision(dtype):
    given = X.to(dtype)
    assert fisher.trace(MLP, given) == fisher.trace(MLP, given.float())
    found = fisher.trace(copy.deepcopy(MLP).to(dtype), given).value
    assert found == pytest.approx(fisher.trace(MLP, X).value, rel=0.1)


@pytest.mark.parametrize("what, network", [("OrderedDict", MLP.state_dict()), ("function", lambda x: x), ("Tensor", X)])
def test_networks_that_are_none(what, network):
    for compute in (fisher.trace, fisher.entropy, fisher.diagonal):
        with pytest.raises(InputError, match=f"^the network is a {what}; expected a torch module$"):
            compute(network, X)


def test_gradients():
    infinite = Outputs(lambda z: z + (z[:, :1] * 0).abs().sqrt())  # the derivative of sqrt at 0
    for compute in (fisher.diagonal, fisher.sampled_diagonal, fisher.trace, lambda n, x: fisher.trace(n, x, "batch")):
        with pytest.raises(InputError, match=r"gradients of .* are not finite"):
            compute(infinite, X)
    with pytest.raises(InputError, match="gradients of the weights are not finite"):
        fisher.log_determinant(infinite, X, 1.0)
    with pytest.raises(InputError, match=r"torch\.func finds no gradients of this network sample by sample"):
        fisher.trace(Outputs(lambda z: z * (1.0 if z.sum().item() > 0 else 2.0)), X)


@pytest.mark.parametrize("how", ["exact", "sampled", "batch"])
def test_forward_without_gradients(how):
    network = Outputs(torch.Tensor.detach)
    with pytest.raises(InputError, match="no gradient reaches the weights"):
        fisher.trace(network, X, how)
    assert fisher.from_predictions(network, X, 0.01).value > 0  # which needs none


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
        (lambda: fisher.noise_curve(MLP, X, None), "labels are a NoneType; expected 6 numbers"),
        (lambda: fisher.noise_curve(MLP, X, list("abcabc")), "labels are a list; expected 6 numbers"),
        (lambda: fisher.temperature_for(MLP, X, None), "entropy is None; expected between 0 and log 3"),
        (lambda: fisher.trace(nn.Sequential(nn.LazyLinear(3)), X), "lazy layers without weights yet; call it once"),
        (lambda: fisher.trace(nn.Linear(5, 3, device="meta"), X), "on the device meta"),
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
        (lambda: fisher.information(WIDER, fisher.diagonal(MLP, X), 9, 1.0), "is not of this network"),
        (lambda: fisher.information(nn.Linear(5, 3), fisher.diagonal(MLP, X), 9, 1.0), "is not of this network"),
        (lambda: fisher.information(MLP, fisher.diagonal(MLP, X, layers=["0"]), 9, 1.0), "is not of this network"),
        (lambda: fisher.information(MLP, fisher.trace(MLP, X), 9, 1.0), "is a Estimate; expected {parameter: a tensor"),
        (lambda: fisher.information(MLP, fisher.sampled_diagonal(MLP, X), 9, 1.0), "is a tuple; expected {parameter:"),
        (lambda: fisher.information(MLP, fisher.per_layer(fisher.diagonal(MLP, X)), 9, 1.0), "expected {parameter: a"),
        (lambda: fisher.information(MLP, fisher.diagonal(MLP, X), X, 1.0), r"samples is a Tensor of shape \(6, 5\);"),
        (lambda: fisher.information(MLP, fisher.diagonal(MLP, X), "9", 1.0), "samples is 9; expected a positive"),
        (lambda: fisher.information(MLP, fisher.diagonal(MLP, X), -1, 1.0), "number of samples is -1"),
        (lambda: fisher.information(MLP, fisher.diagonal(MLP, X), 9, 0.0), "prior variance is 0.0"),
        (lambda: fisher.log_determinant(MLP, X, None), "scale is None; expected a positive number"),
        (lambda: fisher.log_determinant(MLP, X[:0], 1.0), "there are no inputs"),
        (lambda: fisher.from_predictions(MLP, X, LABELS), r"sigma is a Tensor of shape \(6,\); expected a positive"),
        (lambda: fisher.trace(MLP, X, layers=3), "layers are 3; expected a list of names"),
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
