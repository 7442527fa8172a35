"""A probe: a trained network without its classifier, in whose place one is fitted to a task, on fixed features."""

import contextlib
import copy
import dataclasses
import hashlib

import numpy as np
import scipy.optimize
import torch
from scipy.special import log_softmax
from torch import nn

from info_geometry.files import InputError
from learning.fisher.subject import FORWARD, checked, evaluation, weights_of

DECAY = 1e-2  # less, and a few images that are hard to fit make up the Fisher information of a task
STEPS = 20_000  # of L-BFGS, and evaluations
FLAT = 1e-5  # largest entry of the gradient where a fit has converged
ALIKE = 1e-3  # by which logits of the probe may differ from those of its head, relative to the largest


@dataclasses.dataclass(frozen=True)
class Head:
    """A linear classifier: weight (C, F), bias (C,), and the mean cross entropy of what it was fitted to, in nats."""

    weight: np.ndarray
    bias: np.ndarray
    cross_entropy: float


def classes_of(labels: np.ndarray | torch.Tensor, samples: int) -> tuple[np.ndarray, int]:
    """Return labels (N,) as numbers 0 to C - 1 in the order of the classes that occur, and C.

    Raises InputError unless they are whole numbers, as many as samples, of at least two classes.
    """
    y = np.asarray(labels.cpu() if isinstance(labels, torch.Tensor) else labels)
    if y.shape != (samples,) or y.dtype.kind not in "iub":
        raise InputError(f"labels are {y.dtype} of shape {y.shape}; expected {samples} numbers of classes")
    found, y = np.unique(y, return_inverse=True)
    if len(found) < 2:
        raise InputError(f"all {samples} labels are {found[0]}: a task of one class; expected two classes or more")
    return y, len(found)


def classifier_of(probe: nn.Module, classifier: str) -> nn.Module:
    """Return the module of a probe that is called `classifier`: a linear map, or nothing (nn.Identity).

    Raises InputError if there is none of this name, or if it is another module.
    """
    modules = dict(probe.named_modules())
    linear = [name for name, module in modules.items() if isinstance(module, nn.Linear) and name]
    told = f"; its linear maps are {', '.join(linear[-3:])}: say classifier=" if linear else "; it has no linear map"
    if classifier not in modules or not classifier:
        raise InputError(f"the probe has no classifier {classifier!r}{told}")
    if not isinstance(modules[classifier], (nn.Linear, nn.Identity)):
        kind = type(modules[classifier]).__name__
        raise InputError(f"the classifier {classifier!r} of the probe is a {kind}, expected a linear map{told}")
    return modules[classifier]


@torch.no_grad()
def features(probe: nn.Module, inputs: torch.Tensor, classifier: str = "head") -> np.ndarray:
    """Return what the classifier of a probe, in evaluation, is given for inputs (N, ...): (N, F), float64.

    Raises InputError for a classifier that is not there, for inputs that are not finite, and if what it is given is no
    vector of finite numbers.
    """
    module, found = classifier_of(probe, classifier), []
    hook = module.register_forward_pre_hook(lambda module, given: found.append(given[0].double().cpu()))
    inputs = checked(inputs).to(next(iter(weights_of(probe).values())))
    try:
        with evaluation(probe), _said(inputs):
            for x in inputs.split(FORWARD):
                probe(x)
    finally:
        hook.remove()
    shapes = {tuple(x.shape[1:]) for x in found}
    if sum(map(len, found)) != len(inputs) or len(shapes) != 1 or len(*shapes) != 1:
        raise InputError(
            f"the classifier {classifier!r} is given {len(found)} tensors of shape (N, *{sorted(shapes)}) for "
            f"{len(inputs)} inputs; expected features (N, F), once"
        )
    X = torch.cat(found).numpy()
    if not np.isfinite(X).all():
        raise InputError(f"features of {(~np.isfinite(X)).any(axis=1).sum()} of {len(X)} inputs are not finite")
    return X


def fit_head(X: np.ndarray, y: np.ndarray, decay: float = DECAY) -> Head:
    """Return the linear classifier of features X (N, F), labels y (N,) from 0 to C - 1, with the smallest

        1/N sum_n -log p(y_n | x_n) + decay / 2 |W|^2,
        p = softmax(W (x - mean x) / s + b),   s^2 = mean over n, f of (x - mean x)^2

    so that `decay` does not depend on the scale of features.  The problem is convex, and solved from W = 0 by L-BFGS on
    all samples at once until no entry of the gradient is above 1e-5: the same data give the same head.

    Raises InputError if decay is not positive (of classes that a plane separates there would be no optimum), and if it
    does not converge.
    """
    if not 0 < decay < np.inf:
        raise InputError(f"decay is {decay}; expected a positive number, without which a head may have no optimum")
    (N, F), C = X.shape, int(y.max()) + 1
    mean = X.mean(axis=0)
    scale = np.sqrt(np.square(X - mean).mean()) or 1.0
    Z, truth = (X - mean) / scale, np.eye(C)[y]

    def objective(theta):
        W, b = theta[: C * F].reshape(C, F), theta[C * F :]
        log_p = log_softmax(Z @ W.T + b, axis=1)
        error = (np.exp(log_p) - truth) / N
        value = -(log_p * truth).sum() / N + decay / 2 * np.square(W).sum()
        return value, np.concatenate([(error.T @ Z + decay * W).ravel(), error.sum(axis=0)])

    options = {"maxiter": STEPS, "maxfun": STEPS, "gtol": FLAT / 100, "ftol": 1e-15, "maxcor": 20}
    found = scipy.optimize.minimize(objective, np.zeros(C * (F + 1)), jac=True, method="L-BFGS-B", options=options)
    steepest = np.abs(objective(found.x)[1]).max()
    if not steepest < FLAT:
        raise InputError(
            f"the head did not converge in {found.nit} steps: its gradient is {steepest:.2g}; expected below {FLAT}: "
            "give a larger decay"
        )
    W, b = found.x[: C * F].reshape(C, F), found.x[C * F :]
    cross_entropy = -(log_softmax(Z @ W.T + b, axis=1) * truth).sum() / N
    return Head(W / scale, b - W @ mean / scale, float(cross_entropy))


def with_head(probe: nn.Module, classifier: str, head: Head) -> nn.Module:
    """Return a copy of a probe in which a head has the place of its classifier."""
    other = copy.deepcopy(probe)
    like = next(iter(weights_of(probe).values()))
    linear = nn.Linear(head.weight.shape[1], head.weight.shape[0]).to(like)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(head.weight))
        linear.bias.copy_(torch.from_numpy(head.bias))
    parent, _, name = classifier.rpartition(".")
    setattr(other.get_submodule(parent), name, linear)
    return other


def fitted(
    probe: nn.Module, inputs: torch.Tensor, labels: np.ndarray, classifier: str = "head", decay: float = DECAY
) -> tuple[nn.Module, Head, int]:
    """Return a copy of a probe with the head of a task, this head, and the number of classes C.

    inputs (N, ...), labels (N,), any whole numbers.  Raises InputError as `classes_of`, `features` and `fit_head` do,
    and if the probe does something to the outputs of its classifier.
    """
    y, C = classes_of(labels, len(checked(inputs)))
    X = features(probe, inputs, classifier)
    head = fit_head(X, y, decay)
    network = with_head(probe, classifier, head)
    few = inputs[:FORWARD].to(next(iter(weights_of(network).values())))
    with evaluation(network), torch.no_grad():
        found = network(few)
    expected = X[: len(few)] @ head.weight.T + head.bias
    if (
        not isinstance(found, torch.Tensor)
        or tuple(found.shape) != expected.shape
        or not np.abs(found.double().cpu().numpy() - expected).max() <= ALIKE * max(1.0, np.abs(expected).max())
    ):
        raise InputError(f"outputs of the probe are not those of its classifier {classifier!r}, which is not its end")
    return network, head, C


def identity(probe: nn.Module, classifier: str = "head") -> str:
    """Return what tells a probe from others: its name, and a digest of its weights and statistics but the head's."""
    digest = hashlib.sha256()
    for name, value in probe.state_dict().items():
        if not name.startswith(classifier + ".") and value.is_floating_point():
            digest.update(name.encode() + str((value.dtype, tuple(value.shape))).encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return f"{getattr(probe, 'name', '') or type(probe).__name__} {digest.hexdigest()[:12]}"


@contextlib.contextmanager
def _said(inputs):
    """Turn an error of torch, but for memory, into one that says what it means here."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise InputError(f"the probe does not take inputs of shape {tuple(inputs.shape)}: {reason}") from error
