"""The picture of more models than a matrix of all distances can hold: m landmarks, and everyone else placed by them.

1. `choose` landmarks; their distances (m, m) give their picture, with more axes than are wanted.
2. `place`: every model gets coordinates from its distances to the landmarks (`Embedding.transform`), which come in
   groups of models, so that memory is for M k + m m numbers and never for M m.
3. `turn`: the axes of the landmarks are not those of all models, which are found from the coordinates.
4. `estimate_stress`: how well the picture explains W cannot be summed over M M pairs; random models say it.

This is landmark scaling (de Silva and Tenenbaum 2004), the method of Nystrom for kernels, with imaginary axes.
"""

import numpy as np
from tqdm import tqdm

from info_geometry import distance
from info_geometry.embedding import spectrum
from info_geometry.files import InputError

AXES = 60  # of the landmarks that place the other models, at most
FEWEST_PROBES = 10


def choose(landmarks, M, seed=0):
    """Return indices (m,), increasing, of landmarks among M models: those given, or as many as given, by this rule.

    One at random from each of m equal stretches of the models.  These are ordered by trajectory, then by checkpoint,
    so every trajectory and every phase of training gets its share.

    Raises InputError unless there are 2 to M, and indices are of different models.
    """
    which = np.asarray(landmarks)  # an empty list is of floats, and refused with them
    if which.ndim > 1 or which.dtype.kind not in "iu":
        raise InputError(f"landmarks: expected a number of models, or their indices, not {landmarks!r}")
    count = int(which) if which.ndim == 0 else len(which)
    if not 2 <= count <= M:
        raise InputError(
            f"{count} landmarks among {M} models: expected 2 to {M}; take another number, or the whole "
            "matrix of distances (no landmarks)"
        )
    if which.ndim == 0:
        edges = np.arange(count + 1) * M // count
        return np.random.default_rng(seed).integers(edges[:-1], edges[1:])
    if which.min() < 0 or which.max() >= M:
        raise InputError(f"landmarks: indices reach from {which.min()} to {which.max()}, expected 0 to {M - 1}")
    values, counts = np.unique(which, return_counts=True)
    if counts.max() > 1:
        raise InputError(f"landmarks: model {values[counts.argmax()]} is named {counts.max()} times; name it once")
    return values


def part(trajectories, which):
    """Return the trajectories that hold the models `which` (indices among all models, increasing), and only these."""
    parts, start = [], 0
    for x in trajectories:
        first, last = np.searchsorted(which, [start, start + x.shape[0]])
        inside = np.asarray(which[first:last]) - start
        if np.array_equal(inside, np.arange(x.shape[0])):
            parts.append(x)
        elif len(inside):
            parts.append(x.select(inside))
        start += x.shape[0]
    return parts


def place(embedding, trajectories, which, *, group, progress=False, **options):
    """Return the coordinates (M, k) of all models in the `embedding` of the landmarks `which` (m,).

    group: models whose distances to the landmarks are held at once.  options: device and precision of distances.
    """
    if group < 1:
        raise InputError(f"group: expected a positive number of models, not {group}")
    M = sum(x.shape[0] for x in trajectories)
    landmarks, placed = part(trajectories, which), np.empty((M, embedding.coordinates.shape[1]))
    with tqdm(
        total=M, unit=" models", desc=f"distances to {len(which)} landmarks", disable=None if progress else True
    ) as bar:
        for models in _groups(trajectories, group):
            placed[models] = embedding.transform(distance.cross(part(trajectories, models), landmarks, **options))
            bar.update(len(models))
    placed[which] = embedding.coordinates
    return placed


def _groups(trajectories, size):
    """Yield the indices of all models, at most `size` at once, in whole trajectories where that is possible."""
    ends, start = np.cumsum([x.shape[0] for x in trajectories]), 0
    while start < ends[-1]:
        whole = ends[(ends > start) & (ends <= start + size)]  # a file in two groups may be decompressed twice
        stop = whole[-1] if len(whole) else start + size
        yield np.arange(start, stop)
        start = stop


def turn(placed, imaginary):
    """Turn coordinates (M, q) on axes of the landmarks to the principal axes of all models, in place.

    Returns the eigenvalues (q,) of these, and the turn (q, q) and the origin (q,) with which
    new coordinates = old ones @ turn - origin.  imaginary (q,): of the axes of the landmarks.

    Where centred coordinates are X = Q T, Q'Q = 1, and the axes have signs S, W is approximated by X S X' =
    Q (T S T') Q'.  With T S T' = Z diag(lambda) Z', coordinates are Q Z sqrt|lambda| = X S T' Z sign(lambda) /
    sqrt|lambda|.  T'T = X'X.
    """
    signs = np.where(imaginary, -1.0, 1.0)
    centre = placed.mean(axis=0)
    placed -= centre
    squares, V = np.linalg.eigh(placed.T @ placed)
    T = np.sqrt(np.maximum(squares, 0.0))[:, None] * V.T
    values, Z = np.linalg.eigh(T * signs @ T.T)
    order = spectrum.order(values)
    values, Z = values[order], Z[:, order]
    known = np.abs(values) > spectrum.negligible(values, len(placed))
    scale = np.divide(np.sign(values), np.sqrt(np.abs(values)), out=np.zeros_like(values), where=known)
    turned = signs[:, None] * (T.T @ Z) * scale
    for start in range(0, len(placed), spectrum.ROWS):
        placed[start : start + spectrum.ROWS] = placed[start : start + spectrum.ROWS] @ turned
    flips = spectrum.signs(placed)
    placed *= flips
    turned *= flips
    return values, turned, centre @ turned


def probe(trajectories, points, eigenvalues, count, seed, **options):
    """Return `estimate_stress` of a picture, from the distances of `count` random models of all.

    points (M, q), eigenvalues (q,).  Landmarks may be among the models: the stress is that of all.  They are drawn with
    replacement; where there are no more than `count` models, each is taken once, and the stress is exact.

    Raises InputError for fewer than 10.
    """
    M = len(points)
    if count < FEWEST_PROBES:
        raise InputError(f"probes: {count} models say too little about the stress; expected {FEWEST_PROBES} or more")
    which = np.arange(M) if count >= M else np.sort(np.random.default_rng([seed, 1]).integers(0, M, count))
    D = distance.pairwise(part(trajectories, which), **options)
    return estimate_stress(D, points[which], eigenvalues, M, exact=count >= M)


def estimate_stress(D, points, eigenvalues, M, *, exact=False):
    """Estimate the explained stress of 1..q axes of a picture of M models from h random ones.

    D (h, h): distances of these.  points (h, q): their coordinates.  eigenvalues (q,), of the picture.
    Returns the stress (q,), its standard error (q,), and an estimate of |W|^2 (float).

    What k axes leave of W = -1/2 L D L is -1/2 L (D - D_k) L with the squared distances D_k in the picture, so

        stress = 1 - sqrt(V(D - D_k) / V(D)),    V(A) = |L A L|^2 / M^2.

    V(A) is a mean over pairs, triples and quadruples of models.  From h models drawn with replacement

        U(A) = sum_ij A_ij^2 / (h (h - 3)) - 2 sum_i a_i^2 / (h (h - 2) (h - 3)) + a^2 / (h (h - 1) (h - 2) (h - 3)),

    with row sums a_i and their sum a, is its unbiased estimate (Szekely and Rizzo 2014, section 3, where V is the
    squared distance variance); centring the h models by their own means and averaging would come out too small.

    Most of A is B = D_q - D_k (with D_0 = 0 for A = D), whose V(B) = 4 sum_{k<i<=q} lambda_i^2 / M^2 is known.  So
    U(A) - U(B) + V(B) is taken, as unbiased and several times less spread.

    Pairs share models and are not independent, so the error bar is the jackknife's over models: with the estimate
    f_i that leaves out model i, the standard error is the root of (h - 1)/h sum_i (f_i - mean f)^2.

    exact: the models are all M, each once; then V itself is computed, and the error is 0.
    """
    D = np.asarray(D, dtype=np.float64)
    gaps = [np.sign(value) * np.subtract.outer(x, x) ** 2 for x, value in zip(points.T, eigenvalues)]
    rest, part_of_picture, known = D - sum(gaps), np.zeros_like(D), 0.0
    found = [_centred_squares(rest, exact)]
    for gap, value in zip(gaps[::-1], eigenvalues[::-1]):  # rest + part_of_picture = D - D_k for k = q, ..., 0
        part_of_picture += gap
        known += 4 * value**2 / M**2
        one, other = (_centred_squares(A, exact) for A in (rest + part_of_picture, part_of_picture))
        found.append(one if exact else one - other + known)
    total, rests = found[-1], found[-2::-1]  # of each: the estimate, then without model 0, 1, ...
    stress = [_explained(rest, total) for rest in rests]
    error = [0.0 if exact else np.sqrt((len(D) - 1) * values[1:].var()) for values in stress]
    return np.array([values[0] for values in stress]), np.array(error), max(float(total[0]), 0.0) * M**2 / 4


def _explained(rest, total):
    ratio = np.divide(rest, total, out=np.zeros_like(total), where=total > 0)  # all models coincide: all explained
    return 1 - np.sqrt(np.clip(ratio, 0.0, 1.0))


def _centred_squares(A, exact):
    """Return U(A) of `estimate_stress` and its values without model 0, 1, ... (h + 1,); V(A) alone, (1,), if exact."""
    if exact:
        means = A.mean(axis=0)
        return ((A - means[:, None] - means + means.mean()) ** 2).mean(keepdims=True)[0]
    h, rows, squares = len(A), A.sum(axis=1), np.einsum("ij,ij->i", A, A)
    everything, row_squares, sum_squares = rows.sum(), (rows**2).sum(), squares.sum()
    row_squares = np.append(row_squares, row_squares - 2 * A @ rows + squares - rows**2)
    sum_squares = np.append(sum_squares, sum_squares - 2 * squares)
    everything = np.append(everything, everything - 2 * rows)
    n = np.append(h, np.full(h, h - 1))
    return (sum_squares - 2 * row_squares / (n - 2) + everything**2 / ((n - 1) * (n - 2))) / (n * (n - 3))
