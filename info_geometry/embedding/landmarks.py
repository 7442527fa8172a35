"""The picture of more models than a matrix of all distances can hold: m landmarks, and everyone else placed by them.

1. `choose` landmarks; their distances (m, m) give their picture, with more axes than are wanted.
2. `place`: every model gets coordinates from its distances to the landmarks (`Embedding.transform`), which come in
   groups of models, so that memory is for M k + m m numbers and never for M m.
3. `turn`: the axes of the landmarks are not those of all models, which are found from the coordinates.
4. `unexplained`: how well the picture explains W cannot be summed over M M pairs; random models say it.

`fit` puts these together.  It stands below `inpca`, whose formulas `inpca.fit_landmarks` hands in.

This is landmark scaling (de Silva and Tenenbaum 2004), the method of Nystrom for kernels, with imaginary axes.
"""

import contextlib
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from info_geometry import distance, predictions
from info_geometry.embedding import spectrum, spread
from info_geometry.files import InputError
from info_geometry.sums.sharing import State, length

GROUP = 4096  # models whose distances to the landmarks are held at once
PLACING_AXES = 60  # of the landmarks that place the other models, at most
FEWEST_PROBES = 10


def fit(
    trajectories: list,
    landmarks: int | np.ndarray,
    k: int,
    *,
    fit_all: Callable,
    variance: Callable,
    distances: np.ndarray | None,
    seed: int,
    probes: int,
    group: int,
    progress: bool,
    state: Callable[[], State] | None,
    groups: np.ndarray | None = None,
    along: np.ndarray | None = None,
    **options,
) -> tuple[dict, np.ndarray]:
    """Return the fields of the `inpca.Embedding` of all models, but for its stress, and what its axes leave of W.

    fit_all, variance: `inpca.fit` and `inpca.distance_variance`.  options: device and precision of distances.  The
    rest is as for `inpca.fit_landmarks`, whose errors it raises.
    """
    trajectories = [predictions.as_trajectory(x, f"trajectory {i}") for i, x in enumerate(trajectories)]
    predictions.check_shapes(trajectories)
    M = sum(x.shape[0] for x in trajectories)
    which = choose(landmarks, M, seed, groups, along)
    chosen = part(trajectories, which)
    D = distance.pairwise(chosen, **options) if distances is None else np.asarray(distances)
    if D.shape != (len(which), len(which)):
        raise InputError(f"expected the distances of {len(which)} landmarks to each other, not an array {D.shape}")
    # axes beyond the k wanted make these ten times as exact; the last of the m are mostly chance
    of_landmarks = fit_all(D, max(k, min(PLACING_AXES, len(which) // 3)))
    sharing = state() if state else None
    points = place(of_landmarks, trajectories, chosen, group, state=sharing, progress=progress, **options)
    points[which] = of_landmarks.coordinates
    values, turned, origin = turn(points, of_landmarks.imaginary[: points.shape[1]])
    drawn, D = probe(trajectories, M, probes, seed, **options)
    fields = {
        "coordinates": points[:, :k].copy(),
        "eigenvalues": values,
        "imaginary": values < -spectrum.negligible(values, M),
        "column_means": of_landmarks.column_means,
        "landmarks": which,
        "placing": of_landmarks.dual() @ turned[:, :k],
        "origin": origin[:k],
    }
    return fields, unexplained(D, points[drawn], values, M, variance if len(drawn) == M else None)


def choose(
    landmarks: int | np.ndarray,
    M: int,
    seed: int = 0,
    groups: np.ndarray | None = None,
    along: np.ndarray | None = None,
) -> np.ndarray:
    """Return indices (m,), increasing, of landmarks among M models: those given, or as many as given, by this rule.

    One at random from each of m equal stretches of the models.  These are ordered by trajectory, then by checkpoint,
    so every trajectory and every phase of training gets its share.

    groups (M,): the configuration of each model; each has its share then: see `spread.by_group`.
    along (M,): where models stand in their group, such as progress.

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
    if along is not None and groups is None:
        raise InputError("along says where models stand in their groups; give groups as well")
    if which.ndim == 0 and groups is not None:
        if len(groups) != M:
            raise InputError(f"groups: expected one for each of {M} models, not {len(groups)}")
        return spread.by_group(count, groups, along, seed)
    if which.ndim == 0:
        edges = np.arange(count + 1) * M // count
        return np.random.default_rng(seed).integers(edges[:-1], edges[1:])
    if which.min() < 0 or which.max() >= M:
        raise InputError(f"landmarks: indices reach from {which.min()} to {which.max()}, expected 0 to {M - 1}")
    values, counts = np.unique(which, return_counts=True)
    if counts.max() > 1:
        raise InputError(f"landmarks: model {values[counts.argmax()]} is named {counts.max()} times; name it once")
    return values


def part(trajectories: list, which: np.ndarray) -> list:
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


class Placed:
    """Coordinates (M, k) of the models that were placed, zero for others: what a `sharing.State` keeps and adds up."""

    floored = 0

    def __init__(self, M: int, k: int) -> None:
        self.coordinates = np.zeros((M, k))

    def log(self) -> np.ndarray:
        """Return a copy of the coordinates, under the name that sums of logarithms have."""
        return self.coordinates.copy()


def place(
    embedding,
    trajectories: list,
    landmarks: list,
    group: int = GROUP,
    *,
    state: State | None = None,
    progress: bool = False,
    **options,
) -> np.ndarray | None:
    """Return the coordinates (M, k) of all models of the trajectories in the `inpca.Embedding` of the landmarks.

    landmarks: the trajectories that hold these alone.  group: models whose distances to the landmarks are held at
    once.  state: knows which models are placed, keeps what is, and shares them among processes; in those but the main
    one, the embedding is that of the main one, and None is returned.  options: device and precision of distances.
    """
    if group < 1:
        raise InputError(f"group: expected a positive number of models, not {group}")
    embedding = state.tell(embedding) if state else embedding
    ends, m = np.cumsum([x.shape[0] for x in trajectories]), sum(x.shape[0] for x in landmarks)
    M, found = int(ends[-1]), Placed(ends[-1], embedding.coordinates.shape[1])
    intervals = state.missing(M) if state else [(0, M)]
    bar = tqdm(
        total=M,
        initial=M - length(intervals),
        unit=" models",
        desc=f"distances to {m} landmarks",
        disable=None if progress else True,
    )
    with bar, state.signals() if state else contextlib.nullcontext():
        for models in _groups(ends, group, intervals):
            to = distance.cross(part(trajectories, models), landmarks, **options)
            found.coordinates[models] = embedding.transform(to)
            bar.update(len(models))
            if state:
                state.done(int(models[0]), int(models[-1]) + 1, found)
    if state is None:
        return found.coordinates
    result = state.result(found)
    return None if result is None else result[0]


def _groups(ends, size, intervals):
    """Yield the indices of all models of intervals, at most `size` at once, in whole trajectories where possible."""
    for start, last in intervals:
        while start < last:
            whole = ends[(ends > start) & (ends <= start + size)]  # a file in two groups may be decompressed twice
            stop = min(whole[-1] if len(whole) else start + size, last)
            yield np.arange(start, stop)
            start = stop


def turn(placed: np.ndarray, imaginary: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def probe(trajectories: list, M: int, count: int, seed: int, **options) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` random models of all M (h,), and their distances (h, h): what the stress is estimated from.

    Landmarks may be among them: the stress is that of all.  They are drawn with replacement; where there are no more
    than `count` models, each is taken once, and the stress is exact.

    Raises InputError for fewer than 10.
    """
    if count < FEWEST_PROBES:
        raise InputError(f"probes: {count} models say too little about the stress; expected {FEWEST_PROBES} or more")
    which = np.arange(M) if count >= M else np.sort(np.random.default_rng([seed, 1]).integers(0, M, count))
    return which, distance.pairwise(part(trajectories, which), **options)


def unexplained(
    D: np.ndarray, points: np.ndarray, eigenvalues: np.ndarray, M: int, whole: Callable | None = None
) -> np.ndarray:
    """Return what 0, 1, ..., q axes of a picture of M models leave of |W|^2, times 4 / M^2: estimates from h models.

    D (h, h): distances of these.  points (h, q): their coordinates.  eigenvalues (q,), of the picture.
    Returns (q + 1, 1 + h): the estimate, then those without model 0, 1, ..., of which its error follows.

    What k axes leave of W = -1/2 L D L is -1/2 L (D - D_k) L with the squared distances D_k in the picture, so

        stress = 1 - sqrt(V(D - D_k) / V(D)),    V(A) = |L A L|^2 / M^2.

    V(A) is a mean over pairs, triples and quadruples of models.  From h models drawn with replacement

        U(A) = sum_ij A_ij^2 / (h (h - 3)) - 2 sum_i a_i^2 / (h (h - 2) (h - 3)) + a^2 / (h (h - 1) (h - 2) (h - 3)),

    with row sums a_i and their sum a, is its unbiased estimate (Szekely and Rizzo 2014, section 3, where V is the
    squared distance variance); centring the h models by their own means and averaging would come out too small.

    Most of A is B = D_q - D_k (with D_0 = 0 for A = D), whose V(B) = 4 sum_{k<i<=q} lambda_i^2 / M^2 is known.  So
    U(A) - U(B) + V(B) is taken, as unbiased and several times less spread.

    whole: A -> V(A), where the models are all M, each once; then V itself is computed, (q + 1, 1).
    """
    D = np.asarray(D, dtype=np.float64)
    gaps = [np.sign(value) * np.subtract.outer(x, x) ** 2 for x, value in zip(points.T, eigenvalues)]
    rest, part_of_picture, known = D - sum(gaps), np.zeros_like(D), 0.0
    left = [[whole(rest)] if whole else _squares(rest)]
    for gap, value in zip(gaps[::-1], eigenvalues[::-1]):  # rest + part_of_picture = D - D_k for k = q, ..., 0
        part_of_picture += gap
        known += 4 * value**2 / M**2
        A = rest + part_of_picture
        left.append([whole(A)] if whole else _squares(A) - _squares(part_of_picture) + known)
    return np.array(left[::-1])


def _squares(A):
    """Return U(A) of `unexplained`, and its values without model 0, 1, ..., (1 + h,)."""
    h, rows, squares = len(A), A.sum(axis=1), np.einsum("ij,ij->i", A, A)
    everything, row_squares, sum_squares = rows.sum(), (rows**2).sum(), squares.sum()
    row_squares = np.append(row_squares, row_squares - 2 * A @ rows + squares - rows**2)
    sum_squares = np.append(sum_squares, sum_squares - 2 * squares)
    everything = np.append(everything, everything - 2 * rows)
    n = np.append(h, np.full(h, h - 1))
    return (sum_squares - 2 * row_squares / (n - 2) + everything**2 / ((n - 1) * (n - 2))) / (n * (n - 3))
