"""How many single channels are selective, for a class or a property of images, before and after features are turned.

    relu(A x),    x features before the activation,    A of G_ReLU, or a rotation, or part of the way to one, Q^t

An element of G_ReLU, a permutation with positive scales, changes the channels' order and sizes, and no count.  A
rotation makes new channels of all, and the old ones count as single ones no longer: axes of features mean something if
fewer are selective then (Zhou et al. 2018; Godfrey et al. 2022, section 6, whose images have labels of concepts).
Here concepts are classes, see `selectivity`, and three properties that every image has, see `properties`.
"""

import itertools

import numpy as np
import scipy.linalg
import torch
from torch import nn

from experiments.symmetries import groups, selectivity, stitching
from info_geometry.files import InputError

CORRELATED = 0.5  # |Pearson correlation| of a channel with a property, above which it is selective for it
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)  # t of Q^t
KINDS = "live", "class", "brightness", "contrast", "orientation"
SAME = 1e-12  # spread relative to size, of what is the same for all images


def counts(before: np.ndarray, labels: np.ndarray, images: np.ndarray, seed: int, draws: int = 10) -> dict[str, dict]:
    """Return how many channels are selective, of features as they are, under symmetries, and as they are rotated.

    before (N, C, height, width) or (N, C): features before a ReLU, see `before`; labels (N,), of at least two classes;
    images (N, channels, height, width).  {kind: {"own": int, "symmetry": (draws,), "turned": (len(STEPS), draws)}},
    integers of 0 to C, for the kinds of `selective`.  "symmetry": random elements of G_ReLU (`groups.random_element`).
    "turned": Q^t for t of STEPS, Q uniform among rotations of determinant 1, the same for all t; row 0 is "own", the
    last one is of random rotations.  Raises InputError for fewer draws than 1, features that are rectified already, a
    layer that is dead, and what `selective` refuses.
    """
    x, rng = np.asarray(before, np.float64), np.random.default_rng(seed)
    if draws < 1:
        raise InputError(f"{draws} draws of random matrices; expected 1 or more")
    if x.ndim < 2 or x.size == 0 or not np.isfinite(x).all():
        raise InputError(f"expected features (N, C, ...) that are finite, not of shape {x.shape} or of other values")
    if x.min() >= 0:
        raise InputError("no feature is below 0; expected those before a ReLU, which are turned and then rectified")
    if x.max() <= 0:
        raise InputError(f"no feature is above 0: all {x.shape[1]} channels are dead on these images; train longer")

    def counted(A):
        return selective(selectivity.transformed(x, A), labels, images)

    own, C = counted(np.eye(x.shape[1])), x.shape[1]
    symmetry = [counted(groups.random_element("relu", C, rng)) for _ in range(draws)]
    turned = [[counted(A) for A in powers(_rotation(C, rng), STEPS)] for _ in range(draws)]
    return {
        kind: {
            "own": own[kind],
            "symmetry": np.array([found[kind] for found in symmetry]),
            "turned": np.array([[found[kind] for found in steps] for steps in turned]).T,
        }
        for kind in KINDS
    }


def selective(features: np.ndarray, labels: np.ndarray, images: np.ndarray) -> dict[str, int]:
    """Return the numbers of channels selective for {kind}, of features (N, C, ...) after a ReLU.

        live                                    those that are above 0 anywhere
        class                                   index above selectivity.SELECTIVE, see `selectivity.indices`
        brightness, contrast, orientation       |`correlation`| with the property above CORRELATED, see `properties`

    labels (N,), images (N, channels, height, width).  Raises InputError as `selectivity.indices`, `properties` and
    `correlation` do: where shapes differ, features are below 0, or there is one class.
    """
    x = np.asarray(features, np.float64)
    of_class, live = selectivity.selective(x, labels)
    found = {"live": live, "class": of_class}
    for name, values in properties(images).items():
        found[name] = int((np.abs(correlation(x, values)) > CORRELATED).sum())
    return found


def properties(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return properties {name: (N,)} of images (N, channels, height, width).

        brightness      mean of all pixels
        contrast        their standard deviation
        orientation     (V - H) / (V + H), of sums of squared differences of pixels that are neighbours: H side by side,
                        V one above the other; 1 for horizontal stripes, -1 for vertical ones, 0 for one colour

    Raises InputError for other shapes, and images of less than 2 x 2 pixels.
    """
    x = np.asarray(images, np.float64)
    if x.ndim != 4 or min(x.shape[2:]) < 2:
        raise InputError(f"expected images (N, channels, height, width) of 2 x 2 pixels or more, not {x.shape}")
    V, H = (np.square(np.diff(x, axis=axis)).sum(axis=(1, 2, 3)) for axis in (2, 3))
    return {
        "brightness": x.mean(axis=(1, 2, 3)),
        "contrast": x.std(axis=(1, 2, 3)),
        "orientation": np.divide(V - H, V + H, out=np.zeros(len(x)), where=V + H > 0),
    }


def correlation(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation (C,) of each channel's mean activity with a property, over images.

    features (N, C, ...), a mean over pixels being an activity; values (N,).  NaN for a channel whose activity is the
    same for all images.  Raises InputError where shapes differ, and for a property that all images share.
    """
    x, y = np.asarray(features, np.float64), np.asarray(values, np.float64)
    if x.ndim < 2 or y.shape != x.shape[:1]:
        raise InputError(f"expected features (N, C, ...) and a value for each image (N,), not {x.shape} and {y.shape}")
    activity = x.reshape(*x.shape[:2], -1).mean(axis=2)
    (a, varies), (b, differs) = _centred(activity), _centred(y[:, None])
    if not differs.all():
        raise InputError(f"all {len(y)} images have the same property {y[0]:.3g}, with which nothing correlates")
    products = (a * b).sum(axis=0)
    norms = np.linalg.norm(a, axis=0) * np.linalg.norm(b)
    return np.divide(products, norms, out=np.full(len(norms), np.nan), where=varies)


def _centred(x):
    """Return columns less their means, and which of them are not the same all along."""
    centred = x - x.mean(axis=0)
    return centred, np.linalg.norm(centred, axis=0) > SAME * np.linalg.norm(x, axis=0)


def powers(Q: np.ndarray, steps: tuple[float, ...]) -> np.ndarray:
    """Return Q^t (len(steps), C, C) of a rotation Q (C, C) of determinant 1, from the identity, t = 0, to Q, t = 1.

        Q^t = exp(t log Q) = Z exp(t L) Z^T,    Q = Z exp(L) Z^T

    the real Schur decomposition: L turns planes by angles of -pi to pi, half turns being pairs of -1, so that all Q^t
    are rotations.  Raises InputError for what is no such matrix.
    """
    Q = np.asarray(Q, np.float64)
    n = len(Q)
    if Q.shape != (n, n) or not np.allclose(Q @ Q.T, np.eye(n), atol=1e-8) or np.linalg.det(Q) < 0:
        raise InputError(f"expected a rotation, orthogonal and of determinant 1, not this matrix of shape {Q.shape}")
    T, Z = scipy.linalg.schur(Q)
    L, half, i = np.zeros((n, n)), [], 0
    while i < n:
        if i + 1 < n and T[i + 1, i] != 0:
            L[i + 1, i] = np.arctan2(T[i + 1, i] - T[i, i + 1], T[i, i] + T[i + 1, i + 1])
            i += 1
        elif T[i, i] < 0:
            half.append(i)
        i += 1
    L[half[1::2], half[::2]] = np.pi
    L -= L.T
    return np.stack([np.eye(n) + Z @ (scipy.linalg.expm(t * L) - np.eye(n)) @ Z.T for t in steps])  # I at 0, exactly


def _rotation(n, rng):
    """Return a random rotation (n, n) of determinant 1, uniform in the sense of Haar."""
    Q = groups.random_rotation(n, rng)
    Q[0] *= np.sign(np.linalg.det(Q))
    return Q


def layers(network: nn.Module) -> dict[str, str]:
    """Return {ReLU: the layer whose output it rectifies} of those that `stitching.layers` has one after the other.

    Those within residual blocks are not among them.  Raises InputError for a body that is no sequence.
    """
    modules = stitching.layers(network)
    return {name: last for last, name in itertools.pairwise(modules) if isinstance(modules[name], nn.ReLU)}


def before(network: nn.Module, layer: str, images: torch.Tensor) -> np.ndarray:
    """Return features (N, C, height, width) of images (N, channels, size, size) before a ReLU, one of `layers`.

    Raises InputError, with those that there are, for another name, and for a body that is no sequence.
    """
    found = layers(network)
    if layer not in found:
        raise InputError(f"layer {layer!r} is no ReLU that stands by itself; there are {', '.join(found)}")
    return stitching.features(stitching.cut(network, found[layer])[0], images).cpu().numpy()
