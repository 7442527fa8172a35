"""Families of posteriors: KL, noise and draws of each against a Gaussian whose covariance is written out."""

import dataclasses
import math
import shutil

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import MultivariateNormal, kl_divergence

from experiments.weight_information import predicting
from experiments.weight_information.config import POSTERIORS
from info_geometry.files import InputError
from learning import networks
from learning.runs import run as runs
from learning.runs import weights
from learning.variational import SHARE, SLOWER, Layer, Variational, fit, of_config
from tests.experiments.weight_information.test_config import config
from tests.experiments.weight_information.test_training import FAST, NAME, TRAIN, job_of, trained, two_steps
from tests.support import stages
from tests.support.runs import folder_of
from tests.support.stages import done, run

PREDICT = "experiments/weight_information/02_predicting/store_variational.py"
EACH = pytest.mark.parametrize("posterior", POSTERIORS)
LAYERS = pytest.mark.parametrize(
    "mean, shape",
    [
        (lambda: torch.nn.Linear(3, 2), (2, 3)),
        (lambda: torch.nn.Conv2d(1, 2, 2, padding=1), (2, 1, 2, 2)),
        (lambda: torch.nn.Linear(3, 2, bias=False), (2, 3)),
    ],
    ids=["linear", "convolution", "no bias"],
)


def changed(layer, size=0.5):
    """Return a layer whose variances, U and prior are not as they begin, in float64."""
    layer.double()
    with torch.no_grad():
        for name, value in layer.named_parameters():
            if "mean" not in name:
                value += torch.randn_like(value) * size
    return layer


def made(posterior, mean):
    torch.manual_seed(0)
    return changed(Layer(mean(), -1.0, posterior, 2, torch.Generator().manual_seed(0)))


def model_of(posterior, rank=2, seed=0):
    torch.manual_seed(0)
    model = Variational(networks.build("mlp_small", 1, 2, 3, 0, 2), -1.0, posterior, rank, seed)
    for layer in model.layers.values():
        changed(layer)
    return model.double()


def mean_and_covariance(layer):
    """Return w (k,) and Sigma (k, k) of a layer, written out from its parameters."""
    named = list(layer.mean.named_parameters())
    if isinstance(layer.log_variance, torch.nn.ParameterDict):
        variances = torch.cat([layer.log_variance[name].exp().flatten() for name, _ in named])
    else:
        variances = layer.log_variance.exp().repeat(sum(w.numel() for _, w in named))
    sigma = torch.diag(variances)
    if layer.directions is not None:
        sigma = sigma + layer.directions @ layer.directions.T
    return torch.cat([w.flatten() for _, w in named]).detach(), sigma.detach()


def close(drawn, mean, covariance):
    """Hold the moments of draws (count, k) against what is expected, within 6 standard errors."""
    count, variance = len(drawn), covariance.diagonal()
    assert ((drawn.mean(dim=0) - mean).abs() < 6 * (variance / count).sqrt()).all()
    errors = ((variance[:, None] * variance[None] + covariance.square()) / count).sqrt()
    assert ((drawn.T.cov() - covariance).abs() < 6 * errors).all()


# KL


@LAYERS
@EACH
def test_kl_is_that_of_torch(posterior, mean, shape):
    layer = made(posterior, mean)
    w, sigma = mean_and_covariance(layer)
    for log_prior in (layer.log_prior.detach(), torch.tensor(0.3, dtype=torch.float64)):
        prior = MultivariateNormal(torch.zeros_like(w), torch.eye(len(w)).double() * log_prior.exp())
        expected = kl_divergence(MultivariateNormal(w, sigma), prior)
        torch.testing.assert_close(layer.kl(log_prior).detach(), expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(layer.kl(), layer.kl(layer.log_prior))


@EACH
def test_gradient_of_kl(posterior):
    layer = made(posterior, lambda: torch.nn.Linear(3, 2))
    names = [name for name, _ in layer.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in layer.parameters()]

    class Kl(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self):
            return self.layer.kl()

    def kl(*values):
        return torch.func.functional_call(Kl(), {f"layer.{n}": v for n, v in zip(names, values)}, ())

    assert torch.autograd.gradcheck(kl, values)


@EACH
def test_the_best_prior_is_where_the_slope_is_0(posterior):
    layer = made(posterior, lambda: torch.nn.Linear(3, 2))
    with torch.no_grad():
        layer.log_prior.copy_(layer.best_log_prior())
    layer.kl().backward()
    assert float(layer.log_prior.grad) == pytest.approx(0, abs=1e-10)
    w, sigma = mean_and_covariance(layer)
    assert math.exp(float(layer.log_prior.detach())) == pytest.approx(float((w.square() + sigma.diagonal()).mean()))


# Noise and draws


@LAYERS
@EACH
def test_noise_of_outputs_has_the_mean_and_variance_of_q(posterior, mean, shape):
    """Of one image a batch, which has a z of its own then: each output is sum_j J_j w_j, J its slope."""
    layer, count = made(posterior, mean), 4000
    w, sigma = mean_and_covariance(layer)
    x = torch.randn(shape, dtype=torch.float64)
    named = dict(layer.mean.named_parameters())

    def outputs(flat):
        parts = flat.split([p.numel() for p in named.values()])
        state = {name: part.view_as(p) for (name, p), part in zip(named.items(), parts)}
        return torch.func.functional_call(layer.mean, state, (x,)).flatten()

    slope = torch.func.jacrev(outputs)(w)
    expected, variance = outputs(w).detach(), (slope @ sigma @ slope.T).diagonal().detach()
    layer.generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        found = torch.stack([layer(x).flatten() for _ in range(count)])
    assert ((found.mean(dim=0) - expected).abs() < 6 * (variance / count).sqrt()).all()
    torch.testing.assert_close(found.var(dim=0), variance, rtol=6 * math.sqrt(2 / count), atol=0)


def test_one_z_moves_all_images_of_a_batch():
    layer = made("low_rank", lambda: torch.nn.Linear(3, 2))
    with torch.no_grad():
        for value in layer.log_variance.values():
            value.fill_(-60.0)
        layer.generator = torch.Generator().manual_seed(0)
        one, other = (layer(torch.ones(2, 3, dtype=torch.float64)) for _ in range(2))
        layer.generator = None
    torch.testing.assert_close(one[0], one[1])
    assert not torch.allclose(one[0], other[0])


@EACH
def test_draws_have_the_mean_and_covariance_of_q_and_follow_from_the_seed(posterior):
    model = model_of(posterior)
    network = networks.build("mlp_small", 1, 2, 3, 1, 2).double()
    network.load_state_dict(model.draw(3))
    assert all(torch.equal(w, model.draw(3)[name]) for name, w in model.draw(3).items())
    drawn = [model.draw(seed) for seed in range(4000)]
    for at, layer in model.layers.items():
        names = [f"{at}.{name}" for name, _ in layer.mean.named_parameters()]
        found = torch.stack([torch.cat([state[name].flatten() for name in names]) for state in drawn])
        close(found, *mean_and_covariance(layer))


@EACH
def test_every_parameter_has_a_gradient_and_the_rate_of_its_kind(posterior):
    model, images = model_of(posterior), torch.randn(4, 1, 2, 2, dtype=torch.float64)
    loss = F.cross_entropy(model(images, 0), torch.tensor([0, 1, 2, 0])) + sum(model.kl().values())
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())
    groups = model.groups(10.0)
    assert [group.get("factor") for group in groups] == [None, 10.0, *[SLOWER] * (posterior == "low_rank")]
    every = [id(p) for group in groups for p in group["params"]]
    assert sorted(every) == sorted(id(p) for p in model.parameters())
    slow = [id(p) for group in groups if group.get("factor") == SLOWER for p in group["params"]]
    assert slow == [id(layer.directions) for layer in model.layers.values() if layer.directions is not None]


# Families beside each other


def like(model, posterior):
    """Return a network of another posterior, which has the mean weights, priors and diagonal of a diagonal one."""
    found = model_of(posterior)
    state = {key: w for key, w in model.state_dict().items() if posterior != "isotropic" or "log_variance" not in key}
    found.load_state_dict(state, strict=False)
    return found


def same(one, other, images):
    for key in (None, 5):
        torch.testing.assert_close(one(images, key), other(images, key))
    for name, value in one.kl().items():
        torch.testing.assert_close(value, other.kl()[name])
    assert all(torch.equal(w, other.mean_network()[name]) for name, w in one.mean_network().items())


def test_isotropic_is_diagonal_with_equal_variances():
    diagonal, images = model_of("diagonal"), torch.randn(4, 1, 2, 2, dtype=torch.float64)
    other = like(diagonal, "isotropic")
    with torch.no_grad():
        for layer, single in zip(diagonal.layers.values(), other.layers.values()):
            assert single.log_variance.shape == ()
            for value in layer.log_variance.values():
                value.copy_(single.log_variance)
    same(diagonal, other, images)
    for name, w in diagonal.draw(7).items():
        torch.testing.assert_close(w, other.draw(7)[name])


def test_low_rank_is_diagonal_where_u_is_0():
    diagonal, images = model_of("diagonal"), torch.randn(4, 1, 2, 2, dtype=torch.float64)
    other = like(diagonal, "low_rank")
    with torch.no_grad():
        for layer in other.layers.values():
            layer.directions.zero_()
    same(diagonal, other, images[:0])
    for name, layer in diagonal.layers.items():
        alike = other.layers[name]
        torch.testing.assert_close(layer.best_log_prior(), alike.best_log_prior())
        torch.testing.assert_close(mean_and_covariance(layer), mean_and_covariance(alike))
        alike.generator = torch.Generator().manual_seed(0)
        moved = alike.moved()
        assert all(torch.equal(moved[own], w) for own, w in layer.mean.named_parameters())


def test_u_begins_small_and_follows_from_the_seed():
    network = networks.build("mlp", 1, 8, 10, 0, 64)
    one, again, other = (Variational(network, -9.0, "low_rank", 4, seed) for seed in (3, 3, 4))
    for layers in zip(*(model.layers.values() for model in (one, again, other))):
        u = layers[0].directions
        assert torch.equal(u, layers[1].directions) and not torch.equal(u, layers[2].directions)
        assert u.shape == (sum(w.numel() for w in layers[0].mean.parameters()), 4)
        assert float(u.square().sum(dim=1).mean().detach()) == pytest.approx(SHARE * math.exp(-9), rel=0.2)
        assert torch.equal(layers[0].log_prior, layers[0].best_log_prior())


def test_a_checkpoint_of_another_posterior_is_refused():
    for posterior in POSTERIORS:
        state = model_of(posterior).state_dict()
        for expected in POSTERIORS:
            model = model_of(expected)
            if expected == posterior:
                fit(state, model, "x.pth")
                continue
            with pytest.raises(InputError, match=f"x.pth holds {posterior}, expected the posterior {expected}, which"):
                fit(state, model, "x.pth")
    with pytest.raises(InputError, match=r"x.pth holds no variational network, expected the posterior isotropic"):
        fit(networks.build("mlp_small", 1, 2, 3, 0, 2).state_dict(), model_of("isotropic"), "x.pth")
    with pytest.raises(InputError, match=r"x.pth does not fit the network.*directions \(10, 2\), expected \(10, 3\)"):
        fit(model_of("low_rank").state_dict(), model_of("low_rank", rank=3), "x.pth")


# Configurations


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"posterior": "full"}, "posterior is 'full', expected one of isotropic, diagonal, low_rank"),
        ({"rank": 3}, "rank is 3, but the posterior is diagonal; leave it out"),
        ({"rank": 3, "posterior": "isotropic"}, "rank is 3, but the posterior is isotropic; leave it out"),
        ({"rank": 0, "posterior": "low_rank"}, "rank is 0, expected a positive number"),
        ({"rank": -1, "posterior": "low_rank"}, "rank is -1, expected a finite number that is not negative"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        config(**changes)


def test_the_posterior_is_that_of_the_configuration():
    assert config().posterior == "diagonal" and config(posterior="low_rank", rank=3).rank == 3
    network = networks.build("mlp_small", 1, 8, 10, 0)
    model = of_config(config(posterior="low_rank", rank=3, initial_log_variance=-5.0), network, 2)
    expected = Variational(network, -5.0, "low_rank", 3, 2).state_dict()
    assert all(torch.equal(w, expected[name]) for name, w in model.state_dict().items())
    kept = Variational(network).state_dict()  # as those of runs that do not say a posterior
    assert of_config(config(), network, 2).state_dict().keys() == kept.keys()
    assert {name.rpartition("head.")[2] for name in kept if "head." in name} == {
        "log_prior",
        "mean.weight",
        "mean.bias",
        "log_variance.weight",
        "log_variance.bias",
    }


# Stages


@pytest.mark.parametrize("posterior", ["isotropic", "low_rank"])
def test_a_run_that_stops_after_every_few_steps_ends_with_the_same_bits(tmp_path, posterior):
    usual = {"label_noise": 0.5, "posterior": posterior}
    one = trained(tmp_path / "one", **usual)
    job = job_of(tmp_path / "other", **usual)
    for _ in range(6):
        two_steps(job)
    assert stages.contents(one.folder, "ckpt/*") == stages.contents(job.folder, "ckpt/*") != {}
    assert stages.log_lines(one.folder) == stages.log_lines(job.folder)
    first, last = (weights.load(one.run.path(one.folder, one.run.schedule[k])) for k in (0, -1))
    assert all(not torch.equal(w, last[name]) for name, w in first.items())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("trained")
    done(TRAIN, found, "digits_variational", "--variant", "u", posterior="low_rank", rank=2, **FAST)
    done(TRAIN, found, "digits_variational", "--variant", "i", posterior="isotropic", **FAST)
    return found


@pytest.mark.parametrize("variant, posterior", [("u", "low_rank"), ("i", "isotropic")])
def test_stage_2_predicts_draws_of_what_the_log_tells(folder, variant, posterior):
    name = f"{NAME}_{variant}"
    assert "1 done" in done(PREDICT, folder, name)
    there, settings = runs.read(folder_of(folder, name)), {"posterior": posterior, "batch_size": 10, "epochs": 4}
    assert there.config["posterior"] == posterior
    settings |= {"kl_warmup": 2, "training_images": 200} | ({"rank": 2} if posterior == "low_rank" else {})
    job = job_of(folder, seed=0, **{**settings, "width": there.config["width"]})
    model, path = of_config(job.config, job.network(), 0), there.path(folder_of(folder, name), there.schedule[-1])
    fit(weights.load(path), model, path)
    line = stages.log_lines(folder_of(folder, name))[-1]
    assert line["kl_of_layers"] == pytest.approx({at: float(x.detach()) for at, x in model.kl().items()}, rel=1e-5)


def test_a_run_starts_from_mean_weights_of_any_posterior(folder, tmp_path):
    place = shutil.copytree(folder, tmp_path / "copy")
    done(TRAIN, place, "digits_variational", "--start", f"{NAME}_u", **FAST)
    done(TRAIN, place, "digits_variational", "--start", f"{NAME}_i", "--variant", "u", posterior="low_rank", **FAST)
    for name, start in ((f"{NAME}_warm", f"{NAME}_u"), (f"{NAME}_warm_u", f"{NAME}_i")):
        there, first = (runs.read(folder_of(place, x)) for x in (name, start))
        model = weights.load(there.path(folder_of(place, name), 0))
        saved = weights.load(first.path(folder_of(place, start), first.schedule[-1]))
        assert all(torch.equal(w, saved[key]) for key, w in model.items() if ".mean." in key)


def test_a_checkpoint_of_another_run_is_said(folder, tmp_path):
    place = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    other, path = (folder_of(place, f"{NAME}_{x}") / "ckpt" / "0_0.pth" for x in "iu")
    shutil.copy(other, path)
    code, text = run(PREDICT, place, f"{NAME}_u")
    assert code == 1 and "0_0.pth holds isotropic, expected the posterior low_rank, which its run has; take" in text
    code, text = run(TRAIN, place, "digits_variational", "--variant", "u", posterior="low_rank", rank=3, **FAST)
    assert code == 1 and "rank 2 -> 3" in text


def test_a_sweep_is_of_one_posterior_which_older_runs_do_not_say(folder):
    there = runs.read(folder_of(folder, f"{NAME}_i"))

    def of(beta, **changes):
        config = {key: value for key, value in there.config.items() if key not in ("posterior", "rank")}
        config |= {"beta": beta, **changes}
        run = dataclasses.replace(there, name=f"{NAME}_beta{beta}", variant=f"beta{beta}", config=config)
        return predicting.Trained(run, folder, None)

    assert predicting._swept([of(0.1), of(0.2, posterior="diagonal", rank=4)]).name == f"{NAME}_by_beta"
    with pytest.raises(InputError, match="differ in posterior; expected beta alone"):
        predicting._swept([of(0.1), of(0.2, posterior="isotropic")])


def test_random_labels_are_learned_no_worse_with_low_rank(tmp_path):
    found = {}
    for posterior in POSTERIORS:
        settings = {"beta": 0.05, "label_noise": 1.0, "epochs": 40, "kl_warmup": 10, "learning_rate": 5e-3, "draws": 10}
        line = stages.log_lines(trained(tmp_path / posterior, posterior=posterior, **settings).folder)[-1]
        found[posterior] = line["cross_entropy_of_draws"] + 0.05 * line["kl"]
    assert found["low_rank"] < found["diagonal"] + 0.05 and found["diagonal"] < found["isotropic"] + 0.05
