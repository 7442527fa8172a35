"""How far results would move with other samples (the bootstrap) or other seeds (the jackknife): standard errors.

Distances are means over N samples, drawn from some population of samples.  To draw N of them anew, with replacement,
would change each result a little; the standard deviation of these changes is its error (Efron 1979).  Here B random
groups of samples are drawn anew instead: sums over a group are kept, and every replicate is a sum of B terms.  As B
groups vary less about their own mean than about the population's, errors are multiplied by sqrt(B / (B - 1)).
The error of an error is about 1 / sqrt(2 B) of it: 13 % for 32 groups.

Of n seeds, results without each one of them are computed; their spread is the error of the result of all n.
"""
import numpy as np

from info_geometry import inpca, spectrum

GROUPS = 32
REPLICATES = 1000
RANK = 30  # eigenvectors in whose span the eigenvalues of replicates are sought


def groups(N, count=GROUPS, seed=0):
    """Return a random group in 0..count-1 for each of N samples, (N,); sizes differ by one at most.

    At random, because samples may be ordered by class.  There are no more groups than samples.
    """
    return np.random.default_rng([seed, N]).permutation(N) % min(count, N)


def weights(sizes, replicates=REPLICATES, seed=0):
    """Return how often each group is drawn over the number of samples drawn, (R, B), for groups of these sizes (B,)."""
    B = len(sizes)
    drawn = np.random.default_rng(seed).multinomial(B, np.full(B, 1 / B), replicates).astype(float)
    return drawn / (drawn @ sizes)[:, None]


def bootstrap_error(replicates, B):
    """Return the standard error of what has these values in replicates (R, ...) of B groups; NaN for a single group."""
    if B < 2:
        return np.full(np.shape(replicates)[1:], np.nan)
    return np.std(replicates, axis=0, ddof=1) * np.sqrt(B / (B - 1))


def jackknife_error(without):
    """Return the standard error of a result from its values (n, ...) without each one of n seeds; NaN for one seed.

    sqrt((n - 1) / n sum_i (x_i - mean x)^2)  (Tukey 1958)
    """
    without = np.asarray(without, float)
    if len(without) < 2:
        return np.full(without.shape[1:], np.nan)
    return np.sqrt((len(without) - 1) * np.var(without, axis=0))


def stress_error_of_seeds(D, seeds, k=5):
    """Return the standard errors (k,) of the explained stress of 1..k axes, as far as seeds are the cause.

    D (M, M); seeds (M,): of each model.  Every seed is left out of all runs at once, in pictures of the others.
    """
    names = np.unique(seeds)
    k = min(k, len(D))
    if len(names) < 2:
        return np.full(k, np.nan)
    found = np.ones((len(names), k))
    for i, name in enumerate(names):
        rest = np.flatnonzero(seeds != name)
        if len(rest) > 1:
            stress = inpca.fit(D[np.ix_(rest, rest)], 1).explained_stress()[:k]
            found[i, : len(stress)] = stress
    return jackknife_error(found)


def stress_error_of_samples(sums, sizes, k=5, *, replicates=REPLICATES, seed=0):
    """Return the standard errors (k,) of the explained stress of 1..k axes, as far as samples are the cause.

    sums (B, M, M): of -log affinities over the samples of each group, as `distance.pairwise` returns them; they are
    centred in place.  sizes (B,): of the groups.

    The stress needs |W|^2 and the largest |lambda| of each replicate W = sum_b w_b W_b.  |W|^2 = w' G w with the inner
    products G_bc = <W_b, W_c>, exactly.  The eigenvalues are those of U' W U, with the RANK largest eigenvectors U of
    the whole W (Rayleigh and Ritz): what they miss is of second order in how far a replicate turns its axes out of U.
    """
    B, M, _ = sums.shape
    W = sums
    for D in W:
        means = D.mean(axis=0)
        D -= means[:, None] + means - means.mean()
        D *= -0.5
    whole = np.tensordot(np.full(B, 1 / np.sum(sizes)), W, 1)
    rank = min(RANK, M)
    U = spectrum.eigenpairs(-2 * whole, rank)[1]  # W is centred already, so -2 W has W
    flat = W.reshape(B, -1)
    G, small = flat @ flat.T, np.stack([U.T @ w @ U for w in W])
    drawn = weights(sizes, replicates, seed)
    values = np.linalg.eigvalsh(np.einsum("rb,bij->rij", drawn, small))
    squares = -np.sort(-values**2, axis=1)[:, :k].cumsum(axis=1)
    total = np.einsum("rb,bc,rc->r", drawn, G, drawn)[:, None]
    stress = 1 - np.sqrt(np.clip(1 - squares / np.where(total > 0, total, 1), 0, 1))
    return bootstrap_error(np.where(total > 0, stress, 1.0), B)
