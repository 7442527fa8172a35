"""Matrices that pass through an activation: for which A is there a B with sigma(A x) = B sigma(x) for all x?

For an activation sigma of single numbers, applied to the n entries of x, these invertible A form the group

    G_sigma = {A in GL_n : there is B in GL_n with sigma(A x) = B sigma(x) for all x in R^n}.

Where sigma(I), entry by entry, is invertible, B is unique: B = phi(A) = sigma(A) sigma(I)^-1, and phi(A B) =
phi(A) phi(B).  That is so for all of the activations here.  With P a permutation and D diagonal:

    activation                      G_sigma                          phi(A)
    identity                        all of GL_n                      A
    relu, leaky_relu                P D, D_ii > 0                    A
    power2, power3, ... (x^d)       P D, D_ii != 0                   A^d, entry by entry
    tanh, erf                       P D, D_ii = 1 or -1              A
    gaussian (exp(-x^2 / 2))        P D, D_ii = 1 or -1              |A|, entry by entry
    sigmoid, gelu, silu, softplus   P                                A                        (Godfrey et al. 2022)
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import scipy.integrate
import scipy.special
import torch

from info_geometry.files import InputError

TOLERANCE = 1e-12  # of entries, relative to the largest one
SPREAD = 0.5  # of the logarithms of random scales


@dataclasses.dataclass(frozen=True)
class Activation:
    """An activation, and the D of its group: of "any" matrix, "positive", "nonzero", "sign" or "one"."""

    function: Callable[[torch.Tensor], torch.Tensor]
    scales: str
    phi: Callable[[np.ndarray], np.ndarray] = np.copy


ACTIVATIONS = {
    "identity": Activation(lambda x: x, "any"),
    "relu": Activation(torch.relu, "positive"),
    "leaky_relu": Activation(torch.nn.functional.leaky_relu, "positive"),
    "tanh": Activation(torch.tanh, "sign"),
    "erf": Activation(torch.erf, "sign"),
    "gaussian": Activation(lambda x: torch.exp(-x.square() / 2), "sign", np.abs),
    "sigmoid": Activation(torch.sigmoid, "one"),
    "gelu": Activation(torch.nn.functional.gelu, "one"),
    "silu": Activation(torch.nn.functional.silu, "one"),
    "softplus": Activation(torch.nn.functional.softplus, "one"),
}
GROUPS = {
    "any": "an invertible matrix",
    "positive": "a permutation with positive scales",
    "nonzero": "a permutation with scales that are not 0",
    "sign": "a permutation with signs",
    "one": "a permutation",
}


def activation(name: str) -> Activation:
    """Return the activation of a name of the table above; "power3" is x^3.

    Raises InputError, which lists the names, if there is none of that name.
    """
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    degree = name.removeprefix("power")
    if degree != name and degree.isdecimal() and int(degree) >= 2:
        return Activation(lambda x: x ** int(degree), "nonzero", lambda A: A ** int(degree))
    raise InputError(f"unknown activation {name!r}; there are {', '.join(ACTIVATIONS)}, power2, power3, ...")


def random_element(name: str, n: int, rng: np.random.Generator, spread: float = SPREAD) -> np.ndarray:
    """Return a random element A (n, n) of the group of an activation, in float64.

    A = P D with P uniform among permutations; signs of D are fair coins, and sizes of D, where they are free,

        exp(s z - s^2 / 2),  z normal,  s the spread:  log-normal, of mean 1.

    For the identity A = Q D R with such sizes and random rotations Q, R.  Raises InputError if the activation is
    unknown, if n is below 1, and if the spread is below 0.
    """
    scales = activation(name).scales
    _check_size(n)
    if not (spread >= 0 and math.isfinite(spread)):
        raise InputError(f"the spread of scales is 0 or more, not {spread}")
    d = np.exp(spread * rng.standard_normal(n) - spread**2 / 2) if scales in ("any", "positive", "nonzero") else 1.0
    if scales == "any":
        return random_rotation(n, rng) * d @ random_rotation(n, rng)
    if scales in ("nonzero", "sign"):
        d = d * rng.choice([-1.0, 1.0], n)
    return np.eye(n)[rng.permutation(n)] * d


def random_rotation(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random orthogonal matrix (n, n), of determinant 1 or -1, uniform in the sense of Haar; float64.

    The Q of the QR decomposition of a normal matrix, its columns times the signs of R_ii (Mezzadri 2007): without
    these it depends on the sign convention of the decomposition.  Raises InputError if n is below 1.
    """
    _check_size(n)
    Q, R = np.linalg.qr(rng.standard_normal((n, n)))
    return Q * np.where(np.diag(R) < 0, -1.0, 1.0)


def is_element(name: str, A: np.ndarray, tol: float = TOLERANCE) -> bool:
    """Return whether A (n, n) is in the group of an activation.

    Entries of at most tol times the largest are taken for 0; a 1, or -1, is one to within tol; an invertible matrix
    has no singular value of at most tol times the largest.  Raises InputError if the activation is unknown, and if A
    is not a square matrix of finite numbers.
    """
    scales, A = activation(name).scales, _square(A)
    if scales == "any":
        values = np.linalg.svd(A, compute_uv=False)
        return bool(values[-1] > tol * values[0])
    there = np.abs(A) > tol * np.abs(A).max()
    if not ((there.sum(axis=0) == 1).all() and (there.sum(axis=1) == 1).all()):
        return False
    d = A[there]
    if scales == "positive":
        return bool((d > 0).all())
    if scales == "nonzero":
        return True
    return bool((np.abs((np.abs(d) if scales == "sign" else d) - 1) <= tol).all())


def phi(name: str, A: np.ndarray) -> np.ndarray:
    """Return phi(A) (n, n), for which sigma(A x) = phi(A) sigma(x), in float64.

    Raises InputError if the activation is unknown, if A is not a square matrix of finite numbers, and if A is not in
    the group: then there is no such matrix.
    """
    A = _square(A)
    if not is_element(name, A):
        what = GROUPS[activation(name).scales]
        raise InputError(f"this matrix does not pass through {name}: expected {what}; `is_element` tells")
    return activation(name).phi(A)


def gelu_defect(scale: np.ndarray | float) -> np.ndarray | float:
    """Return how far GELU is from passing on positive scales, of the shape of the scales l.

        xi(l) = sqrt(E[(GELU(l X) - l GELU(X))^2]) = l sqrt(E[(X (Phi(l X) - Phi(X)))^2]),    X normal,

    with Phi its distribution function (Godfrey et al. 2022).  xi(0) = xi(1) = 0.  By adaptive quadrature, to 1e-8 of
    l.  Raises InputError if a scale is below 0 or not finite.
    """
    scale = np.asarray(scale, np.float64)
    if not (np.isfinite(scale) & (scale >= 0)).all():
        raise InputError("scales of GELU are finite numbers of 0 or more")
    found = np.array([_gelu_defect(l) for l in scale.ravel()]).reshape(scale.shape)
    return found if found.ndim else float(found)


def _gelu_defect(l):
    def integrand(x):
        return (x * (scipy.special.ndtr(-x) - scipy.special.ndtr(-l * x))) ** 2 * math.exp(-(x**2) / 2)

    # even in x; beyond 12 it is below 1e-30; where l is large it bends at 1 / l
    ends = sorted({0.0, min(10 / max(l, 1), 6.0), 12.0})
    total = sum(scipy.integrate.quad(integrand, a, b, epsabs=1e-18)[0] for a, b in itertools.pairwise(ends))
    return l * math.sqrt(2 * total / math.sqrt(2 * math.pi))


def _check_size(n):
    if n < 1:
        raise InputError(f"a matrix has 1 row or more, not {n}")


def _square(A):
    A = np.asarray(A, np.float64)
    if A.ndim != 2 or A.shape[0] != A.shape[1] or A.size == 0 or not np.isfinite(A).all():
        raise InputError(f"expected a square matrix of finite numbers, not what has shape {A.shape}")
    return A
