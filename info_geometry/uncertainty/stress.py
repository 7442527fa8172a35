"""Standard errors of the explained stress, for other seeds and for other samples."""

import numpy as np

from info_geometry import inpca
from info_geometry.embedding import spectrum
from info_geometry.uncertainty.resampling import REPLICATES, bootstrap_error, jackknife_error, weights

RANK = 30  # eigenvectors in whose span the eigenvalues of replicates are sought


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
    squares = -np.sort(-(values**2), axis=1)[:, :k].cumsum(axis=1)
    total = np.einsum("rb,bc,rc->r", drawn, G, drawn)[:, None]
    stress = 1 - np.sqrt(np.clip(1 - squares / np.where(total > 0, total, 1), 0, 1))
    return bootstrap_error(np.where(total > 0, stress, 1.0), B)
