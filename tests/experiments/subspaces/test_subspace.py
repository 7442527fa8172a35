"""Subspaces: a point is the network whose weights are combined, in its logits, its gradients and its statistics."""

import copy
import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from experiments.subspaces.subspace import Subspace
from info_geometry.files import InputError
from learning import networks
from tests.support.networks import cnn

WEIGHTS = {2: [0.3, 0.7], 3: [0.2, 0.5, 0.3]}


class Attentive(nn.Module):
    """Rows of an image look at each other: norm layers and attention, whose modules lie in one another."""

    def __init__(self, size):
        super().__init__()
        self.map, self.norm = nn.Linear(size, 6), nn.LayerNorm(6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.scale = nn.Parameter(torch.rand(6))  # of no layer in it

    def forward(self, images):
        rows = self.norm(self.map(images[:, 0]))
        return self.scale * (rows + self.attention(rows, rows, rows, need_weights=False)[0]).mean(dim=1)


def attentive(size=8, outputs=10, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = networks.Network(Attentive(size), 6, outputs)
        for parameter in network.parameters():  # no biases of 0, no scales of 1
            nn.init.normal_(parameter, std=0.5)
        return network


EACH = pytest.mark.parametrize("build", [cnn, attentive])


def images(B=5, seed=0):
    return torch.randn(B, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def of(build, m=3):
    return Subspace([build(seed=seed) for seed in range(m)])


def combined(space, c):
    """Return a plain network with weights sum_i c_i w_i, added up one after the other."""
    network = copy.deepcopy(space.vertices[0])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.zero_()
            for share, vertex in zip(c, space.vertices):
                parameter += share * dict(vertex.named_parameters())[name]
    return network


# Points


@EACH
def test_a_vertex_is_a_point(build):
    space = of(build).eval()
    for i, vertex in enumerate(space.vertices):
        c = torch.eye(3, dtype=torch.float64)[i]
        vertex.load_state_dict({**vertex.state_dict(), **dict(space.vertices[0].named_buffers())})
        assert torch.equal(space(images(), c), vertex.eval()(images()))
        state = space.state(c)
        assert all(torch.equal(value, state[key]) for key, value in vertex.state_dict().items())
        assert state.keys() == vertex.state_dict().keys()


@EACH
@pytest.mark.parametrize("m", WEIGHTS)
def test_weights_are_combined(build, m):
    space, c = of(build, m).double(), torch.tensor(WEIGHTS[m], dtype=torch.float64)
    expected = combined(space, WEIGHTS[m])
    found = space.weights(c)
    assert found.keys() == dict(expected.named_parameters()).keys()
    for name, parameter in expected.named_parameters():
        torch.testing.assert_close(found[name], parameter, rtol=1e-12, atol=1e-15)
    pixels = images().double()
    torch.testing.assert_close(space.eval()(pixels, c), expected.eval()(pixels), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(space.train()(pixels, c), expected.train()(pixels), rtol=1e-10, atol=1e-10)


@EACH
@pytest.mark.parametrize("m", WEIGHTS)
def test_the_gradient_of_a_vertex_is_that_of_the_point_times_its_coefficient(build, m):
    space, pixels, outputs = of(build, m).double().train(), images().double(), torch.tensor([1, 3, 0, 9, 3])
    expected = combined(space, WEIGHTS[m]).train()
    F.cross_entropy(expected(pixels), outputs).backward()
    F.cross_entropy(space(pixels, torch.tensor(WEIGHTS[m], dtype=torch.float64)), outputs).backward()
    gradients = {name: parameter.grad for name, parameter in expected.named_parameters()}
    assert sum(gradient.abs().sum() for gradient in gradients.values()) > 0.1
    for share, vertex in zip(WEIGHTS[m], space.vertices):
        for name, parameter in vertex.named_parameters():
            torch.testing.assert_close(parameter.grad, share * gradients[name], rtol=1e-9, atol=1e-12)


@EACH
def test_layers_with_the_same_coefficients_are_one_point(build):
    space, c = of(build), torch.tensor(WEIGHTS[3])
    one, other = space.weights(c), space.weights(c.expand(len(space.layers), 3))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(space.eval()(images(), c), space(images(), c.expand(len(space.layers), 3)))


@EACH
def test_each_layer_has_coefficients_of_its_own(build):
    space = of(build)
    first, last = torch.eye(3)[0], torch.eye(3)[2]
    begin, end = (dict(space.vertices[i].named_parameters()) for i in (0, 2))
    for i, layer in enumerate(space.layers):
        c = first.repeat(len(space.layers), 1)
        c[i] = last
        found = space.weights(c)
        changed = {name for name in found if not torch.equal(found[name], begin[name])}
        own = {f"{layer}.{name}" for name, _ in space.vertices[0].get_submodule(layer).named_parameters(recurse=False)}
        assert changed == own and all(torch.equal(found[name], end[name]) for name in own)


def test_layers_are_the_modules_with_weights():
    assert of(attentive).layers == [
        "body",
        "body.map",
        "body.norm",
        "body.attention",
        "body.attention.out_proj",
        "head",
    ]
    assert of(cnn).layers == [*(f"body.{i}" for i in (0, 1, 3, 4, 6, 7)), "head"]


@EACH
def test_features_are_masked_before_the_head(build):
    space, c = of(build).eval(), torch.tensor(WEIGHTS[3])
    expected = combined(space, WEIGHTS[3]).eval()
    mask = torch.rand(5, expected.head.in_features, generator=torch.Generator().manual_seed(0)).round() * 2
    torch.testing.assert_close(space(images(), c, mask), expected.head(expected.body(images()) * mask))
    torch.testing.assert_close(space(images(), c, torch.ones_like(mask)), space(images(), c))
    nothing = space(images(), c, torch.zeros_like(mask))
    torch.testing.assert_close(nothing, expected.head.bias.expand(5, 10))


def test_training_moves_the_statistics_of_the_first_vertex_alone():
    space = of(cnn).train()
    before = [copy.deepcopy(dict(vertex.named_buffers())) for vertex in space.vertices]
    space(images(), torch.tensor(WEIGHTS[3]))
    for vertex, old in zip(space.vertices, before):
        changed = [key for key, value in vertex.named_buffers() if not torch.equal(value, old[key])]
        assert bool(changed) == (vertex is space.vertices[0])


@pytest.mark.parametrize(
    "shape, said", [((2,), "(2,)"), ((4,), "(4,)"), ((6, 3), "(6, 3)"), ((8, 3), "(8, 3)"), ((7, 2), "(7, 2)")]
)
def test_coefficients_that_do_not_fit(shape, said):
    with pytest.raises(InputError, match=re.escape(f"coefficients {said}, expected (3,) or (7, 3)")):
        of(cnn).weights(torch.ones(shape))


def test_vertices_of_other_architectures():
    for other in (cnn(outputs=9), attentive(), cnn(size=16, outputs=3)):
        with pytest.raises(InputError, match="networks of one architecture; these differ"):
            Subspace([cnn(), other])


# Angles and distances


def wide(seed, hidden=500):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.BatchNorm1d(hidden), nn.ReLU())
        return networks.Network(body, hidden, 10)


def by_hand(one, other, counted):
    """Return cos^2 and the distance of two networks over the parameters that are counted."""
    a, b = (torch.cat([x.state_dict()[name].flatten() for name in counted]).double() for x in (one, other))
    return float((a @ b) ** 2 / (a @ a) / (b @ b)), float((a - b).norm())


COUNTED = {
    cnn: ["body.0.weight", "body.3.weight", "body.6.weight", "head.weight"],
    attentive: ["body.map.weight", "body.attention.in_proj_weight", "body.attention.out_proj.weight", "head.weight"],
}


@EACH
def test_squared_cosine_is_that_of_all_matrices(build):
    space = of(build)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = [by_hand(space.vertices[j], space.vertices[k], COUNTED[build]) for j, k in pairs]
    for (j, k), (squared_cosine, _) in zip(pairs, expected):
        assert space.squared_cosine(j, k).item() == pytest.approx(squared_cosine, rel=1e-4, abs=1e-9)
        torch.testing.assert_close(space.squared_cosine(j, k), space.squared_cosine(k, j))
    found = space.geometry()
    assert found["squared_cosine"] == pytest.approx(sum(x for x, _ in expected) / 3, rel=1e-4)
    assert found["l2"] == pytest.approx(math.sqrt(sum(x**2 for _, x in expected) / 3), rel=1e-5)
    with torch.no_grad():  # what is not counted changes nothing
        for name, parameter in space.vertices[1].named_parameters():
            if name not in COUNTED[build]:
                parameter.normal_()
    assert space.geometry() == found


def test_squared_cosine_of_known_vertices():
    same = Subspace([wide(0), wide(0)])
    assert same.squared_cosine(0, 1).item() == pytest.approx(1, rel=1e-5) and same.geometry()["l2"] == 0
    with torch.no_grad():
        for parameter in same.vertices[1].parameters():
            parameter *= -3
    assert same.squared_cosine(0, 1).item() == pytest.approx(1, rel=1e-5)  # of a line through 0 too
    apart = Subspace([wide(0), wide(1)])
    assert apart.squared_cosine(0, 1).item() < 20 / (64 * 500)  # independent vectors of so many numbers
    assert Subspace([wide(0)]).geometry() == {}


@EACH
def test_the_gradient_of_the_squared_cosine(build):
    space = of(build, 2).double()
    with torch.no_grad():  # far from a right angle
        for a, b in zip(space.vertices[0].parameters(), space.vertices[1].parameters()):
            b += a
    space.squared_cosine(0, 1).backward()
    a, b = (torch.cat([w.flatten() for w in space.matrices(i)]).detach() for i in (0, 1))
    aa, bb, ab = a @ a, b @ b, a @ b
    gradients = 2 * ab * b / aa / bb - 2 * ab**2 * a / aa**2 / bb, 2 * ab * a / aa / bb - 2 * ab**2 * b / aa / bb**2
    for i, expected in enumerate(gradients):
        found = torch.cat([w.grad.flatten() for w in space.matrices(i)])
        torch.testing.assert_close(found, expected)
        others = [p for name, p in space.vertices[i].named_parameters() if name not in COUNTED[build]]
        assert all(p.grad is None for p in others)
