"""Embeddings of tasks of digits: by every method, against the Fisher information itself; and as files."""

import re

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from experiments.task_distances import distances, embedding
from experiments.task_distances.embedding import METHODS, embed, read, write
from experiments.task_distances.probes import fitted
from experiments.task_distances.variational import filter_precisions
from info_geometry.files import ROOT, InputError
from learning import fisher, networks
from learning.imprinting import evenly
from tests.experiments.task_distances.conftest import TASKS

FEW = 60  # images


@pytest.fixture(scope="session")
def exact(probe, task):
    """Return embeddings of each task on each half of its images."""
    return {(name, half): embed(probe, *task(name, half)) for name in TASKS for half in (0, 1)}


def test_an_entry_is_the_mean_square_of_gradients_of_a_filter(probe, task):
    """By loops over images, classes and filters; images are those of `evenly`, labels the model's."""
    x, y = task("odd")
    found = embed(probe, x, y, samples=10)
    network = fitted(probe, x, y)[0].double().eval()
    chosen, expected = evenly(y, 10), dict.fromkeys(found.filters, 0.0)
    for image in x[torch.from_numpy(chosen)].double():
        log_p = torch.log_softmax(network(image[None]), dim=1)[0]
        for c in range(5):
            network.zero_grad()
            log_p[c].backward(retain_graph=True)
            for name, w in network.named_parameters():
                for i in range(len(w) if f"{name}[0]" in expected else 0):
                    square = w.grad[i].square().mean().item()
                    expected[f"{name}[{i}]"] += log_p[c].exp().item() * square / 10
    assert sorted(np.bincount(y[chosen])[1::2]) == [2] * 5
    assert found.vector == pytest.approx(np.array([*expected.values()]), rel=1e-3)
    assert len(found.filters) == 4 + 8 + 16 and found.filters[5] == "body.3.weight[1]"
    assert (found.samples, found.classes, found.method) == (10, 5, "exact") and not found.floor.any()
    assert 0 < found.head_cross_entropy < 1 and found.norm == pytest.approx(sum(expected.values()), rel=1e-3)


def test_a_task_is_nearest_to_itself_on_other_images(exact):
    for name in ("cosine", "plain_cosine"):
        D = distances.matrix([exact[task, 0] for task in TASKS] + [exact[task, 1] for task in TASKS], name)[:5, 5:]
        assert D.diagonal() == pytest.approx(D.min(axis=1))
        assert (D.argmin(axis=0) == np.arange(5)).all()


def test_names_of_classes_and_the_order_of_images_do_not_matter(probe, task, exact):
    x, y = task("low", 0)
    order, expected = np.random.default_rng(0).permutation(len(y)), exact["low", 0].vector
    other = embed(probe, x, np.array([2, 9, 0, 5, 1])[y])
    assert other.vector == pytest.approx(expected, rel=1e-2)
    everything = embed(probe, x, y, samples=len(y))
    again = embed(probe, x[torch.from_numpy(order)], y[order], samples=len(y))
    assert everything.samples == len(y) and again.vector == pytest.approx(everything.vector, rel=1e-2)


def test_sampled_labels_agree_with_all_of_them_within_errors(probe, task):
    x, y = task("even", 0)
    exact = embed(probe, x, y, samples=FEW).vector
    found = np.stack([embed(probe, x, y, "sampled", samples=FEW, draws=10, seed=seed).vector for seed in range(12)])
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - exact) < 6 * error + 1e-12).all()
    assert np.sqrt(np.mean(np.square((found.mean(axis=0) - exact)[exact > 0] / error[exact > 0]))) < 1.7
    again = embed(probe, x, y, "sampled", samples=FEW, draws=10, seed=0).vector
    assert (again == found[0]).all() and (found[0] != found[1]).any()


def test_predictions_agree_with_gradients_as_sigma_goes_to_0(task):
    """In float64, and with the same noise."""
    x, y = task("high", 0)
    probe = networks.build("mlp_small", 1, 8, 10, 0, width=6).double()
    exact = embed(probe, x, y, samples=FEW).vector

    def off(sigma, draws):
        found = embed(probe, x, y, "predictions", samples=FEW, draws=draws, sigma=sigma)
        return found.vector, np.linalg.norm(found.vector - exact) / np.linalg.norm(exact)

    found, error = off(1e-4, 400)
    assert error < 0.15 and np.corrcoef(found, exact)[0, 1] > 0.97
    limit = off(1e-6, 20)[0]
    biases = [np.linalg.norm(off(sigma, 20)[0] / limit - 1) for sigma in (0.1, 0.01, 0.001)]
    assert biases[0] > 3 * biases[1] > 9 * biases[2] > 0


def test_filters_have_noise_of_their_own(task):
    """Two filters with the same weights, before and behind, have the same entry, and different draws."""
    probe = networks.build("mlp_small", 1, 8, 10, 0, width=6).double()
    with torch.no_grad():
        probe.body[1].weight[1] = probe.body[1].weight[0]
    found = embed(probe, *task("high", 0), samples=FEW).vector
    drawn = embed(probe, *task("high", 0), "predictions", samples=FEW, draws=5)
    assert found[0] == pytest.approx(found[1], rel=1e-4) and abs(drawn.vector[0] / drawn.vector[1] - 1) > 1e-2
    again = embed(probe, *task("high", 0), "predictions", samples=FEW, draws=5)
    assert (again.vector == drawn.vector).all()


def test_of_one_filter_predictions_are_unbiased(task):
    """Noise along each weight of a filter alone, instead of random noise, gives the entry with no error of draws."""
    x, y = task("high", 0)
    network = fitted(networks.build("mlp_small", 1, 8, 10, 0, width=6).double(), x, y)[0]
    expected = fisher.per_filter(fisher.diagonal(network, x[:30], layers=["body.1.weight"]))["body.1.weight"][2].item()
    P, total, w = torch.softmax(network.eval()(x[:30].double()), 1), 0.0, network.body[1].weight
    for j in range(64):
        with torch.no_grad():
            w[2, j] += 1e-4
            Q = torch.softmax(network(x[:30].double()), 1)
            w[2, j] -= 1e-4
        total += 4 * (P.sqrt() - Q.sqrt()).square().sum(dim=1).mean().item() / 1e-8
    assert total == pytest.approx(expected, rel=1e-2)


def test_variational_is_the_mean_fisher_information_and_a_floor(task):
    x, y = task("even", 0)
    probe = networks.build("mlp_small", 1, 8, 10, 0, width=12)
    exact = embed(probe, x, y, samples=FEW).vector
    found = embed(probe, x, y, "variational", samples=FEW, beta=1e-5)
    weight = probe.body[1].weight.detach()
    assert found.floor == pytest.approx(1e-5 / weight.square().mean().item(), rel=1e-5)
    assert scipy.stats.spearmanr(found.vector - found.floor, exact).statistic > 0.9
    ratios = (found.vector - found.floor)[exact > 1e-3] / exact[exact > 1e-3]
    assert np.median(np.abs(ratios - 1)) < 0.05 and np.abs(ratios - 1).max() < 0.5


def test_what_is_far_from_the_minimum_is_refused(task):
    x, y = task("even", 0)
    network = fitted(networks.build("mlp_small", 1, 8, 10, 0, width=6), x, y)[0]
    options = {"beta": 1e-7, "steps": 100, "rate": 0.01, "start": 0.05}
    with pytest.raises(InputError, match=r"log variances still move, by .* over the last 25 of 100 steps.*more steps"):
        filter_precisions(network, x[:FEW], ["body.1.weight"], **options)
    options["tolerance"] = float("inf")
    forced, again = (filter_precisions(network, x[:FEW], ["body.1.weight"], **options)[0] for _ in range(2))
    assert torch.equal(forced["body.1.weight"], again["body.1.weight"])
    exact = fisher.per_filter(fisher.diagonal(network, x[:FEW], layers=["body.1.weight"]))["body.1.weight"] / 64
    assert (forced["body.1.weight"] < exact / 5)[exact > exact.median()].all()


def test_embeddings_of_two_methods_or_probes_are_not_compared(probe, task, exact):
    x, y = task("low", 0)
    for other, what in (
        (embed(probe, x, y, "sampled", samples=20), "method 'sampled'"),
        (embed(networks.build("small_cnn", 1, 8, 10, 5, width=4), x, y, samples=20), "probe 'small_cnn "),
        (embed(probe, x, y, samples=20, layers=["body.3"]), "8 filters"),
    ):
        with pytest.raises(InputError, match=f"embedding 1 has {what}"):
            distances.matrix([exact["low", 0], other])


def test_what_is_refused(probe, task):
    x, y = task("low", 0)
    for given, options, message in (
        ((probe, x, y, "empirical"), {}, "embedded by exact, sampled, predictions, variational, not 'empirical'"),
        ((probe, x, y), {"classifier": "fc"}, "the probe has no classifier 'fc'; its linear maps are head"),
        ((probe, x[y == 3], y[y == 3]), {}, "all .* labels are 3: a task of one class"),
        ((probe, x, y), {"samples": 1}, "samples is 1; expected 2 or more"),
        ((probe, x, y), {"layers": ["body.9"]}, "there is no layer 'body.9'"),
        ((probe, x, y), {"layers": ["head"]}, "no weight with filters is left beside the classifier 'head'"),
        ((probe, x, y), {"layers": "body.0"}, "expected a list of names"),
        ((probe, x, y, "predictions"), {"sigma": 0}, "sigma is 0"),
        ((probe, x, y, "sampled"), {"draws": -1}, "draws is -1"),
        ((probe, x, y, "predictions"), {"draws": 0}, "draws is 0"),
        ((probe, x, y, "variational"), {"beta": 0}, "beta is 0"),
        ((nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), x, y), {"classifier": "1"}, "no weight with filters is left"),
    ):
        with pytest.raises(InputError, match=message):
            embed(*given, **options)


@pytest.mark.parametrize("method", METHODS)
def test_files_hold_all_of_an_embedding(method, tmp_path, task):
    probe = networks.build("mlp_small", 1, 8, 10, 0, width=3)
    found = embed(probe, *task("low", 0), method, samples=20, beta=1e-3, draws=2 if method != "exact" else None)
    write(tmp_path / "low.npz", found)
    again = read(tmp_path / "low.npz")
    for field in ("filters", "probe", "method", "samples", "classes", "head_cross_entropy"):
        assert getattr(again, field) == getattr(found, field)
        assert type(getattr(again, field)) is type(getattr(found, field))
    assert (again.vector == found.vector).all() and (again.floor == found.floor).all()
    assert distances.matrix([found, again])[0, 1] == 0 and [*tmp_path.iterdir()] == [tmp_path / "low.npz"]


def test_files_that_are_something_else(tmp_path, exact):
    path = tmp_path / "task.npz"
    with pytest.raises(InputError, match="no such file"):
        read(path)
    write(path, exact["low", 0])
    content, whole = dict(np.load(path)), path.read_bytes()
    for data in (b"", b"no archive", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"task.npz is not an embedding of a task"):
            read(path)
    for changes, message in (
        ({"format": "task2vec 2"}, "is not an embedding of a task: it holds task2vec 2; expected 'task2vec 1'"),
        ({"probe": np.array([{}], object)}, "is not an embedding of a task"),
        ({"vector": content["vector"][:-1]}, r"\(27,\) numbers, \(28,\) filters"),
        ({"vector": -content["vector"]}, "the vector is negative or not finite"),
        ({"vector": np.where(content["vector"] > 0, np.nan, 0)}, "the vector is negative or not finite"),
        ({"samples": "many"}, "are no numbers"),
        ({"method": "guessed"}, "method 'guessed' is unknown"),
        ({"more": 1}, "it holds format, .*, more; expected"),
    ):
        np.savez(path, **{**content, **changes})
        with pytest.raises(InputError, match=message):
            read(path)


def test_the_probe_stays_as_it_is(probe, task):
    before = {name: value.clone() for name, value in probe.state_dict().items()}
    modes = [module.training for module in probe.modules()]
    embedding.embed(probe, *task("odd", 0), "predictions", samples=20, draws=1)
    assert all(torch.equal(value, before[name]) for name, value in probe.state_dict().items())
    assert [module.training for module in probe.modules()] == modes


def test_the_lines_of_the_readme_run_as_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "experiments" / "task_distances" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    network = nn.Sequential()
    network.add_module("conv", nn.Conv2d(1, 4, 8))
    network.add_module("flat", nn.Flatten())
    network.add_module("fc", nn.Linear(4, 9))
    y = np.arange(20)
    given = {"network": network, "images": torch.randn(20, 1, 8, 8), "labels": y % 2, "other_labels": y % 3}
    for block in blocks:
        exec(block, given)
    assert len(blocks) == 2 and len([*filter(None, blocks[0].splitlines())]) == 3
    assert given["D"].shape == (2, 2) and read("mine.npz").filters == [f"conv.weight[{i}]" for i in range(4)]


@pytest.mark.parametrize(
    "name, classifier, layer, filters",
    [("resnet18", "fc", "layer4.1.conv2", 512), ("mobilenet_v3_small", "classifier.3", "features.12.0", 576)],
)
def test_networks_of_torchvision_are_probes(name, classifier, layer, filters):
    models = pytest.importorskip("torchvision.models")
    network = getattr(models, name)()
    x, y = torch.randn(4, 3, 32, 32), np.arange(4) % 2
    found = embed(network, x, y, "sampled", classifier=classifier, layers=[layer])
    assert found.vector.shape == (filters,) and found.vector.max() > 0 and found.filters[7] == f"{layer}.weight[7]"
