"""Heads are the optimum of a convex problem, and probes that are none are said to be."""

import copy

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from experiments.task_distances import probes
from info_geometry.files import InputError
from learning import networks


def problem(seed, N=60, F=5, C=3):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(C), rng.integers(C, size=N - C)])
    return rng.standard_normal((C, F))[y] + rng.standard_normal((N, F)) + 2, y


class Small(nn.Module):
    """A network whose classifier is called as that of a residual network of torchvision."""

    def __init__(self, end=None):
        super().__init__()
        self.conv, self.bn, self.drop = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.inside, self.fc, self.end = nn.Sequential(nn.Linear(4, 3)), nn.Linear(4, 7), end

    def forward(self, x):
        z = self.fc(self.drop(torch.relu(self.bn(self.conv(x))).mean(dim=(2, 3))))
        return z if self.end is None else self.end(z)


class Deep(Small):
    """A network whose classifier is called as that of a VGG of torchvision."""

    def __init__(self):
        super().__init__()
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 7))

    def forward(self, x):
        return self.classifier(self.conv(x).mean(dim=(2, 3)))


def images(N=20):
    return torch.randn(N, 1, 8, 8, generator=torch.Generator().manual_seed(0)), np.arange(N) % 3


@pytest.mark.parametrize("seed", range(3))
def test_a_head_is_the_one_of_scikit_learn(seed):
    X, y = problem(seed)
    scale = np.sqrt(np.square(X - X.mean(axis=0)).mean())
    Z = (X - X.mean(axis=0)) / scale
    for decay in (1e-3, 0.1):
        head = probes.fit_head(X, y, decay)
        other = LogisticRegression(C=1 / decay / len(y), tol=1e-9, max_iter=10_000).fit(Z, y)
        P = np.exp(X @ head.weight.T + head.bias)
        P /= P.sum(axis=1, keepdims=True)
        assert other.predict_proba(Z) == pytest.approx(P, abs=1e-4)
        assert head.cross_entropy == pytest.approx(-np.log(P[np.arange(60), y]).mean(), rel=1e-9)


def test_a_head_is_the_same_for_other_orders_scales_and_names():
    X, y = problem(0)
    head, order = probes.fit_head(X, y), np.random.default_rng(0).permutation(60)
    again = probes.fit_head(X, y)
    assert (again.weight == head.weight).all() and again.cross_entropy == head.cross_entropy
    for features, labels in ((X[order], y[order]), (X * 1000, y), (X + 50, y), (X, 2 - y)):
        assert probes.fit_head(features, labels).cross_entropy == pytest.approx(head.cross_entropy, abs=1e-6)


def test_features_that_say_nothing_leave_the_shares_of_classes():
    y = np.array([0] * 6 + [1] * 3 + [2])
    head = probes.fit_head(np.ones((10, 4)), y)
    shares = np.array([0.6, 0.3, 0.1])
    assert head.cross_entropy == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-8)
    assert np.abs(head.weight).max() < 1e-8


def test_classes_that_a_plane_separates_have_a_head_with_decay():
    X, y = np.linspace(-1, 1, 20)[:, None], np.arange(20) // 10
    found = [probes.fit_head(X, y, decay).cross_entropy for decay in (1e-1, 1e-3, 1e-5)]
    assert found[0] > found[1] > found[2] > 0
    for decay in (0, -1, np.inf, np.nan):
        with pytest.raises(InputError, match="expected a positive number, without which a head may have no optimum"):
            probes.fit_head(X, y, decay)


@pytest.mark.parametrize("name, width", [("fc", 4), ("classifier.3", 4), ("head", 8)])
def test_any_module_with_a_named_classifier_is_a_probe(name, width):
    network = {"fc": Small, "classifier.3": Deep, "head": lambda: networks.build("mlp_small", 1, 8, 10, 0, 8)}[name]()
    x, y = images()
    before, modes = copy.deepcopy(network.state_dict()), [each.training for each in network.modules()]
    found, head, C = probes.fitted(network, x, np.array([4, 0, -2])[y], name)
    assert C == 3 and head.weight.shape == (3, width)
    X = probes.features(network, x, name)
    with torch.no_grad():
        z = found.eval()(x)
    assert z.shape == (20, 3) and np.abs(z.numpy() - X @ head.weight.T - head.bias).max() < 1e-4
    assert [each.training for each in network.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_probe_without_a_head_is_given_one():
    network = networks.build("mlp_small", 1, 8, 0, 0, 8)
    x, y = images()
    found, _, _ = probes.fitted(network, x, y)
    assert isinstance(found.head, nn.Linear) and isinstance(network.head, nn.Identity)


def test_a_probe_is_known_by_its_weights_but_not_its_head():
    network = networks.build("small_cnn", 1, 8, 10, 0, width=2)
    name = probes.identity(network)
    assert name.startswith("small_cnn ") and probes.identity(Small(), "fc").startswith("Small ")
    other = copy.deepcopy(network)
    nn.init.normal_(other.head.weight)
    assert probes.identity(other) == name
    for change in (lambda w: w.body[0].weight.data.add_(1e-3), lambda w: w.body[1].running_mean.add_(1e-3)):
        other = copy.deepcopy(network)
        change(other)
        assert probes.identity(other) != name


@pytest.mark.parametrize(
    "make, classifier, message",
    [
        (Small, "head", "no classifier 'head'; its linear maps are inside.0, fc: say classifier="),
        (Small, "", "no classifier ''"),
        (Small, "inside", "the classifier 'inside' of the probe is a Sequential, expected a linear map"),
        (lambda: nn.Sequential(nn.Conv2d(1, 3, 8), nn.Flatten()), "fc", "no classifier 'fc'; it has no linear map"),
        (Small, "inside.0", "is given 0 tensors"),
        (
            lambda: Small(lambda z: torch.log_softmax(2 * z, 1)),
            "fc",
            "not those of its classifier 'fc', which is not its",
        ),
        (lambda: Small(lambda z: (z, z)), "fc", "not those of its classifier 'fc'"),
        (lambda: nn.Sequential(nn.Linear(8, 5)), "0", "expected features .N, F., once"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 5)),
            "1",
            "does not take inputs of shape .20, 1, 8, 8",
        ),
    ],
)
def test_probes_that_are_refused(make, classifier, message):
    with pytest.raises(InputError, match=message):
        probes.fitted(make(), *images(), classifier)


def test_inputs_and_labels_that_are_refused():
    x, y = images()
    for inputs, labels, message in (
        (x, np.full(20, 7), "all 20 labels are 7: a task of one class; expected two classes or more"),
        (x, y[:-1], "expected 20 numbers of classes"),
        (x, y + 0.5, "labels are float64"),
        (x, torch.eye(20), "labels are float32 of shape .20, 20."),
        (torch.where(x > 2, torch.nan, x), y, "of the inputs are not finite"),
        (x[:0], y[:0], "there are no inputs"),
    ):
        with pytest.raises(InputError, match=message):
            probes.fitted(Small(), inputs, labels, "fc")
    broken = Small()
    nn.init.constant_(broken.conv.weight, torch.nan)
    with pytest.raises(InputError, match="features of 20 of 20 inputs are not finite"):
        probes.fitted(broken, x, y, "fc")
