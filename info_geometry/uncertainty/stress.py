"""Standard errors of the explained stress, for other seeds and for other samples."""

import numpy as np

from info_geometry import inpca
from info_geometry.embedding import spectrum
from info_geometry.uncertainty.resampling import REPLICATES, bootstrap_error, jackknife_error, weights

RANK = 30  # eigenvectors in whose span the eigenvalues of replicates are sought


def errors(
    D: np.ndarray, seeds: np.ndarray, sums: np.ndarray | None = None, groups: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the standard errors (k,) of the explained stress of 1..k axes by what causes them, those that are known.

    D (M, M); seeds (M,): of each model.  sums (B, M, M) over groups (N,) of samples, centred in place, or None.
    """
    found = {"seeds": stress_error_of_seeds(D, seeds)}
    if sums is not None:
        found["samples"] = stress_error_of_samples(sums, np.bincount(groups))
    return {cause: error for cause, error in found.items() if np.isfinite(error).all()}


def stress_error_of_seeds(D: np.ndarray, seeds: np.ndarray, k: int = 5) -> np.ndarray:
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
            stress = inpca.fit(D, 1, which=rest).explained_stress()[:k]
            found[i, : len(stress)] = stress
    return jackknife_error(found)


def stress_error_of_samples(
    sums: np.ndarray, sizes: np.ndarray, k: int = 5, *, replicates: int = REPLICATES, seed: int = 0
) -> np.ndarray:
    """Return the standard errors (k,) of the explained stress of 1..k axes, as far as samples are the cause.

    sums (B, M, M): of -log affinities over the samples of each group, as `distance.pairwise` returns them; they are
    centred in place.  sizes (B,): of the groups.

    The stress needs |W|^2 and the largest |lambda| of each replicate W = sum_b w_b W_b.  |W|^2 = w' G w with the inner
    products G_bc = <W_b, W_c>, exactly.  The eigenvalues are those of U' W U, with the RANK largest eigenvectors U of
    the whole W (Rayleigh and Ritz): what they miss is of second order in how far a replicate turns its axes out of U.
    """
    B, M, _ = sums.shape
    rank = min(RANK, M)
    D = np.tensordot(np.full(B, 1 / np.sum(sizes)), sums, 1)
    U = spectrum.eigenpairs(inpca.Centred(D), rank)[1]
    W = sums
    for D in W:
        D[:] = inpca.Centred(D).rows()
    flat = W.reshape(B, -1)
    G, small = flat @ flat.T, np.stack([U.T @ w @ U for w in W])
    drawn = weights(sizes, replicates, seed)
    values = np.linalg.eigvalsh(np.einsum("rb,bij->rij", drawn, small))
    squares = -np.sort(-(values**2), axis=1)[:, :k].cumsum(axis=1)
    total = np.einsum("rb,bc,rc->r", drawn, G, drawn)[:, None]
    return bootstrap_error(inpca.explained_stress(total - squares, total), B)
