"""Distances between tasks, from their Task2Vec embeddings (Achille et al. 2019).

a, b: vectors (F,) of two tasks, each filter a Gaussian of variance 1 / a_o.  A filter that is 0 in both, a dead one, is
left out.

    cosine             1 - cos(a / (a + b), b / (a + b)), a and b being divided by their means before
    published_cosine   the same, not divided before: it depends on how long vectors are, unless b = c a
    plain_cosine       1 - cos(a, b): few filters, those of large F, decide
    correlation        1 - Pearson's r of the variances, of filters that are 0 in neither
    directed_kl        KL(N(0, 1/a) || N(0, 1/b)) = 1/2 sum_o (b/a - 1 + log a/b), in nats
    kl                 sum_o of the larger of both directions
    jensen_shannon     mean_o of 1/2 (KL to m + KL of b to m), m the Gaussian of the mean variance
    asymmetric         d(a -> b) - alpha d(a, t), t the vector of a trivial task: of sources a that are as near to b the
                       more complex one counts as nearer; a score by which sources are ranked, which may be negative

The first three are between 0 and 1, and 0 for b = c a: they do not see how difficult tasks are.  A filter that is 0 in
one vector alone makes KL and Jensen-Shannon infinite.
"""

from collections.abc import Callable, Sequence

import numpy as np
import scipy.stats

from experiments.task_distances.embedding import Embedding
from info_geometry.files import InputError

ALPHA = 0.15  # for a probe that was trained on ImageNet, in the paper
KAPPA = 1e-3  # a trivial task is that much of the median over tasks and filters


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the scaled cosine of two vectors; each is divided by its mean, so that no factor of one counts."""
    return published_cosine(a / _length(a), b / _length(b))


def published_cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the scaled cosine of two vectors as they are."""
    a, b = _live(a, b)
    return plain_cosine(a / (a + b), b / (a + b))


def plain_cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return 1 - cos(a, b).  Raises InputError for a vector of zeros."""
    _length(a), _length(b)
    return _angle(a, b)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return 1 - Pearson's correlation of 1/a and 1/b, where neither is 0.

    Raises InputError if there are fewer than 3 such filters, or if all of a vector are the same.
    """
    both = (a > 0) & (b > 0)
    if both.sum() < 3:
        raise InputError(f"{both.sum()} of {len(a)} filters are above 0 in both vectors; a correlation needs 3")
    variances = [_length(x[both]) / x[both] for x in (a, b)]
    centred = [v - v.mean() for v in variances]
    if any(np.ptp(v) <= 1e-12 * v.mean() for v in variances):
        raise InputError("all filters of a vector are the same, so that it correlates with none")
    return _angle(*centred)


def directed_kl(a: np.ndarray, b: np.ndarray) -> float:
    """Return KL(N(0, 1/a) || N(0, 1/b)), in nats."""
    return float(_kl(*_live(a, b)).sum())


def kl(a: np.ndarray, b: np.ndarray) -> float:
    """Return the sum over filters of the larger of both KL, in nats."""
    a, b = _live(a, b)
    return float(np.maximum(_kl(a, b), _kl(b, a)).sum())


def jensen_shannon(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean over filters of half of both KL to the Gaussian of the mean variance, in nats."""
    a, b = _live(a, b)
    if not ((a > 0) & (b > 0)).all():
        return float("inf")
    m = 2 / (1 / a + 1 / b)
    return float((_kl(a, m) + _kl(b, m)).mean() / 2)


SYMMETRIC: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "cosine": cosine,
    "published_cosine": published_cosine,
    "plain_cosine": plain_cosine,
    "correlation": correlation,
    "kl": kl,
    "jensen_shannon": jensen_shannon,
}
NAMES = (*SYMMETRIC, "directed_kl", "asymmetric")


def trivial(embeddings: Sequence[Embedding], kappa: float = KAPPA) -> np.ndarray:
    """Return the vector (F,) of a trivial task among some, which needs no filter more than another.

    It is their floor, beta / lambda^2, where embeddings are variational, else kappa times the median over all tasks and
    filters, in each filter.  Errors are those of `matrix`; also if kappa is not positive.
    """
    check(embeddings)
    if not 0 < kappa < np.inf:
        raise InputError(f"kappa is {kappa}; expected a positive number")
    if embeddings[0].method == "variational":
        return embeddings[0].floor
    median = np.median(np.stack([each.vector for each in embeddings]))
    if not median > 0:
        raise InputError("the median over tasks and filters is 0: half of the filters are dead")
    return np.full(len(embeddings[0].vector), kappa * median)


def asymmetric(
    a: np.ndarray, b: np.ndarray, nothing: np.ndarray, alpha: float = ALPHA, by: str = "published_cosine"
) -> float:
    """Return d(a -> b) = d(a, b) - alpha d(a, nothing): from a source a to a target b; nothing: see `trivial`.

    by: one of SYMMETRIC.  With "cosine" kappa plays no part, since vectors are divided by their means.
    Raises InputError if alpha is negative, or `by` unknown.
    """
    if not 0 <= alpha < np.inf:
        raise InputError(f"alpha is {alpha}; expected 0 or more")
    if by not in SYMMETRIC:
        raise InputError(f"an asymmetric distance is made of {', '.join(SYMMETRIC)}, not {by!r}")
    return SYMMETRIC[by](a, b) - alpha * SYMMETRIC[by](a, nothing)


def matrix(
    embeddings: Sequence[Embedding],
    name: str = "cosine",
    *,
    alpha: float = ALPHA,
    kappa: float = KAPPA,
    by: str = "published_cosine",
) -> np.ndarray:
    """Return the distances of all pairs of n tasks, (n, n), by a name of NAMES; of asymmetric ones from row to column.

    alpha, kappa, by: of "asymmetric"; see `trivial` and `asymmetric`.  The diagonal of that one is not 0.
    Raises InputError for an unknown name, and if embeddings are of different methods, probes or filters.
    """
    if name not in NAMES:
        raise InputError(f"there is no distance {name!r}; there are {', '.join(NAMES)}")
    check(embeddings)
    vectors = [each.vector for each in embeddings]
    n = len(vectors)
    if name in SYMMETRIC:
        found = np.zeros((n, n))
        for i in range(n):
            for j in range(i):
                found[i, j] = found[j, i] = SYMMETRIC[name](vectors[i], vectors[j])
        return found
    if name == "directed_kl":
        return np.array([[directed_kl(a, b) for b in vectors] for a in vectors])
    nothing = trivial(embeddings, kappa)
    return np.array([[asymmetric(a, b, nothing, alpha, by) for b in vectors] for a in vectors])


def rank_stability(
    embeddings: Sequence[Embedding], alphas: Sequence[float], kappas: Sequence[float], by: str = "published_cosine"
) -> np.ndarray:
    """Return how far the ranking of sources depends on alpha and kappa: (alphas, kappas), 1 where it does not.

    For each target, the Spearman correlation over all other tasks, as sources, of their asymmetric distances to it and
    of those with ALPHA and KAPPA; the mean over targets.  Errors are those of `matrix`; also if there are fewer than 4
    tasks.
    """
    n = len(embeddings)
    if n < 4:
        raise InputError(f"there are {n} tasks; a ranking of sources needs 4 or more")
    others = ~np.eye(n, dtype=bool)

    def ranks(alpha, kappa):
        D = matrix(embeddings, "asymmetric", alpha=alpha, kappa=kappa, by=by)
        return [scipy.stats.rankdata(D[others[:, j], j]) for j in range(n)]

    usual = ranks(ALPHA, KAPPA)
    return np.array(
        [
            [np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(ranks(alpha, kappa), usual)]) for kappa in kappas]
            for alpha in alphas
        ]
    )


def check(embeddings: Sequence[Embedding]) -> None:
    """Raise InputError unless there are embeddings, of one method, one probe and the same filters.

    What is compared of variational ones is their floor too: one beta.
    """
    if len(embeddings) == 0:
        raise InputError("there are no embeddings; expected at least one")
    first = embeddings[0]
    for k, each in enumerate(embeddings):
        if not isinstance(each, Embedding):
            raise InputError(f"embedding {k} is a {type(each).__name__}; expected what `embed` or `read` returns")
        for what in ("method", "probe"):
            if getattr(each, what) != getattr(first, what):
                raise InputError(
                    f"embedding {k} has {what} {getattr(each, what)!r}, and embedding 0 {getattr(first, what)!r}; "
                    f"distances are between embeddings of one {what}"
                )
        if each.filters != first.filters:
            raise InputError(
                f"embedding {k} has {len(each.filters)} filters, and embedding 0 {len(first.filters)} other ones; "
                "distances are between embeddings of the same filters"
            )
        if not np.allclose(each.floor, first.floor, rtol=1e-6, atol=0):
            raise InputError(f"embedding {k} has another beta than embedding 0; give all the same")


def _live(a, b):
    """Return both vectors without the filters that are 0 in both."""
    live = (a > 0) | (b > 0)
    if not live.any():
        raise InputError(f"all {len(a)} filters are 0 in both vectors: the probe tells nothing of these tasks")
    return a[live], b[live]


def _angle(x, y):
    """Return 1 - cos(x, y), without what is lost where it is near 0."""
    return float(np.square(x / np.linalg.norm(x) - y / np.linalg.norm(y)).sum() / 2)


def _length(a):
    """Return the mean of a vector; raise InputError if that is 0."""
    mean = a.mean()
    if not mean > 0:
        raise InputError(f"all {len(a)} filters of a vector are 0: the probe tells nothing of this task")
    return mean


def _kl(a, b):
    """Return KL(N(0, 1/a) || N(0, 1/b)) of each filter: infinite where one is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        r = b / a
        return np.where((a > 0) & (b > 0), (r - 1 - np.log(r)) / 2, np.inf)
