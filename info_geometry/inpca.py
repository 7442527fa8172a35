"""InPCA: from a distance matrix to an embedding, its explained stress, and places for new models.      [command]

    W = -1/2 L D L,  L = I - 11'/M,  W = U diag(lambda) U'                        (Ramesh et al. 2023, section 2)
    coordinate k of model j = sqrt|lambda_k| u_jk,  eigenpairs by decreasing |lambda|

An axis with lambda_k < 0 is imaginary: squared distances along it count negative.

    python inpca.py [RUN ...] [--name NAME] [--seeds S ...]      all runs of a data set when none is named
    python inpca.py RUN ... --into NAME                          runs placed in a stored picture, which stays as it is
    python inpca.py [RUN ...] --landmarks 300                    tens of thousands of models: see `fit_landmarks`
    torchrun --nproc-per-node 2 -m info_geometry.inpca [RUN ...]     distances shared among processes, or machines

reads predictions/<run>/preds_<seed>.h5, writes predictions/embedding/<name>.npz and figures in plots/<name>/, and
prints the explained stress.  720 models of 600 samples over 10 classes take 3 seconds on 2 CPU cores.
Distances that were interrupted go on with --resume, on any number of processes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from info_geometry import geodesic
from info_geometry.embedding import landmarks as by_landmarks
from info_geometry.embedding import spectrum, weighted
from info_geometry.files import InputError
from info_geometry.storage import embeddings
from info_geometry.sums.sharing import State


def centre(D: np.ndarray, row_means: np.ndarray, column_means: np.ndarray) -> np.ndarray:
    """Return -1/2 (D_ij - mean_i - mean_j + mean), (m, M): rows of W = -1/2 L D L, or what they are of new models.

    D (m, M): distances of m models to the M models of an embedding.  row_means (m,): of each of the m over the M.
    column_means (M,): the same of each of the M, whose mean is that of all distances.
    """
    g = D - row_means[:, None] - column_means
    g += column_means.mean()
    g *= -0.5
    return g


class Centred:
    """W = -1/2 L D L of distances D (M, M), by rows or as what it makes of a vector: it need not be formed.

    which: (n,) of the models, by default all; of these alone is W then, and D is not copied either.
    """

    def __init__(self, D: np.ndarray, which: np.ndarray | None = None) -> None:
        self.D, self.which = D, which
        self.means = D.mean(axis=0) if which is None else (D @ self._among(np.full(len(which), 1 / len(which))))[which]

    def __len__(self) -> int:
        return len(self.means)

    def rows(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the rows start..stop of W (n, M), by default all of them."""
        part = slice(start, stop)
        D = self.D[part] if self.which is None else self.D[self.which[part]][:, self.which]
        return centre(D, self.means[part], self.means)

    def times(self, v: np.ndarray) -> np.ndarray:
        """Return W v = -1/2 L D (L v), for a vector v (M,)."""
        w = self.product(v.ravel() - v.mean())
        return -0.5 * (w - w.mean())

    def product(self, v: np.ndarray) -> np.ndarray:
        """Return D v, for a vector v (M,)."""
        return self.D @ v if self.which is None else (self.D @ self._among(v))[self.which]

    def squares(self, rows: int = 256) -> float:
        """Return |W|^2, which is the sum of the squares of all eigenvalues; so many rows of W are held at once."""
        return sum((self.rows(start, start + rows) ** 2).sum() for start in range(0, len(self), rows))

    def _among(self, values):
        """Return values (n,) of some models among zeros for all, (M,)."""
        found = np.zeros(len(self.D))
        found[self.which] = values
        return found


def explained_stress(rest: np.ndarray, total: np.ndarray | float) -> np.ndarray:
    """Return the explained stress 1 - sqrt(rest / total) of axes that leave `rest` of |W|^2 = `total`, and 1 of W = 0.

        rest = sum_{i > k} lambda_i^2,  total = sum_i lambda_i^2:    1 - sqrt(1 - sum_{i<=k} lambda_i^2 / total)

    (Ramesh et al. 2023, section 2.)  The two are arrays that broadcast.
    """
    rest, total = np.broadcast_arrays(np.asarray(rest, float), np.asarray(total, float))
    ratio = np.divide(rest, total, out=np.zeros(rest.shape), where=total > 0)  # all models coincide: all is explained
    return 1 - np.sqrt(np.clip(ratio, 0.0, 1.0))


@dataclass(frozen=True)
class Embedding:
    """Models as points whose squared distances, imaginary axes counting negative, approximate D.

    coordinates (M, k).  eigenvalues (M,) by decreasing magnitude, or the largest of them.  imaginary, as long: bool.
    column_means (M,): mean_j D, or None where D is not known.  index: a table of equal-length arrays that says which
    model each point is (run, seed, checkpoint, t, ...).  total_squares: the sum of the squares of all eigenvalues,
    or None where `eigenvalues` holds them all.  weights (M,): of the models, or None where all count the same;
    column_means are then weighted means.

    Of `fit_landmarks`: landmarks (m,): which models these are; column_means (m,) of the distances between them;
    placing (m, k) and origin (k,): what places a model from its distances to them; stress (k,) of 1..k axes and
    stress_error (k,): its estimate and the standard error.  eigenvalues and total_squares are estimates as well.
    """

    coordinates: np.ndarray
    eigenvalues: np.ndarray
    imaginary: np.ndarray
    column_means: np.ndarray | None = None
    index: dict = field(default_factory=dict)
    total_squares: float | None = None
    landmarks: np.ndarray | None = None
    placing: np.ndarray | None = None
    origin: np.ndarray | None = None
    stress: np.ndarray | None = None
    stress_error: np.ndarray | None = None
    weights: np.ndarray | None = None

    def explained_stress(self, k: int | None = None) -> np.ndarray | float:
        """Return the explained stress (see the function of this name) of k axes (float), or of 1, 2, ... axes.

        Its total runs over all eigenvalues, known because it is |W|^2, so the value for M axes is 1.  If all
        models coincide it is 1 for any k.  Of landmarks, it is the estimate.  Raises InputError for more axes than
        are known: M, or as many as there are in `eigenvalues` (or `stress`).
        """
        known = self._stress() if self.stress is None else self.stress
        whole = self.stress is None and self.total_squares is None
        if k is not None and k > len(known) and not whole:
            raise InputError(
                f"the explained stress of {k} axes is not known, only that of up to {len(known)}; fit with k={k}"
            )
        return known if k is None else float(known[min(k, len(known)) - 1]) if k > 0 else 0.0

    def _stress(self):
        squares = self.eigenvalues**2
        rest = np.append(np.cumsum(squares[::-1])[::-1][1:], 0.0)  # summed from the small end: exact where it is 0
        total = squares.sum() if self.total_squares is None else self.total_squares
        return explained_stress(rest + max(total - squares.sum(), 0.0), total)

    def transform(self, D_new: np.ndarray) -> np.ndarray:
        """Return coordinates (m, k) of new models from their distances (m, M) to the models of the embedding.

        g_j = -1/2 (q_j - mean q - mean_j D + mean D),  coordinate k = sum_j g_j u_jk / (sign(lambda_k) sqrt|lambda_k|)

        The models of the embedding come out at their own coordinates.  An embedding by landmarks wants the distances
        to its landmarks.  Raises InputError for another shape.
        """
        q = np.atleast_2d(np.asarray(D_new, dtype=np.float64))
        if self.column_means is None:
            raise InputError("new models cannot be placed: this embedding does not hold the means of its distances")
        if q.ndim != 2 or q.shape[1] != len(self.column_means) or not np.isfinite(q).all():
            what = "models" if self.landmarks is None else "landmarks"
            raise InputError(f"expected finite distances to {len(self.column_means)} {what}, not an array {q.shape}")
        return self._centred(q) @ self.dual() - (0.0 if self.origin is None else self.origin)

    def _centred(self, q):
        """Return g (m, M) of `transform`; with weights, means are weighted ones."""
        if self.weights is None:
            return centre(q, q.mean(axis=1), self.column_means)
        m = self.weights / self.weights.sum()
        return -0.5 * (q - (q @ m)[:, None] - self.column_means + m @ self.column_means)

    def placed_stress(self, D_new: np.ndarray, k: int) -> np.ndarray:
        """Return the explained stress (k,) of 1..k axes for new models, from distances (m, M) as `transform` has.

            1 - sqrt(|g - sum_i<=k sign(lambda_i) x_i y_i'|^2 / |g|^2)

        with g (m, M) of `transform`, coordinates x_i (m,) of the new models and y_i (M,) of those of the embedding
        along axis i: what `explained_stress` says of W, of the rows that new models would add to it.
        """
        old = self.coordinates if self.landmarks is None else self.coordinates[self.landmarks]
        shift = np.zeros(old.shape[1]) if self.origin is None else self.origin
        q = np.atleast_2d(np.asarray(D_new, dtype=np.float64))
        rest = self._centred(q)
        if self.weights is not None:  # a model counts as many times as its weight says
            rest, old = rest * np.sqrt(self.weights), old * np.sqrt(self.weights)[:, None]
        total, left = (rest**2).sum(), []
        for x, y, imaginary in zip((self.transform(D_new) + shift).T[:k], (old + shift).T, self.imaginary):
            rest -= np.outer(-x if imaginary else x, y)
            left.append((rest**2).sum())
        return explained_stress(np.array(left), total)

    def dual(self) -> np.ndarray:
        """Return what g of `transform` is multiplied with, (M, k): u / (sign(lambda) sqrt|lambda|)."""
        if self.placing is not None:
            return self.placing
        values = self.eigenvalues[: self.coordinates.shape[1]]
        known = np.abs(values) > spectrum.negligible(self.eigenvalues, len(self.coordinates))
        dual = self.coordinates * np.divide(1.0, values, out=np.zeros_like(values), where=known)
        return dual if self.weights is None else dual * self.weights[:, None]


def fit(
    D: np.ndarray,
    k: int = 3,
    index: dict | None = None,
    *,
    which: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Embedding:
    """Return the Embedding, with k axes, of models with distances D (M, M), or of `which` (n,) of these models alone.

    Order: by decreasing |lambda|; where these differ by less than 1e-12 of the largest, the positive eigenvalue comes
    first.  Sign: the entry of largest magnitude is positive, the first of those that are as large within 1e-6.  So
    the picture is the same on every computer, but for axes of one eigenvalue: these may be turned into each other.

    Of 300 models and more only the 30 (or k) largest |lambda| are computed, by a method of Lanczos that multiplies
    with D and holds no second matrix; their coordinates are those of the full decomposition up to rounding.

    weights: positive numbers, of each of these models, that count as if they were there so many times (see
    `embedding.weighted`, which has the formulas); by default all count the same.

    Raises InputError if D is not a finite symmetric matrix of at least two models, and for other weights.
    """
    W = Centred(spectrum.checked(D), which)
    w = None if weights is None else weighted.checked(weights, len(W))
    values, vectors, total = spectrum.eigenpairs(W if w is None else weighted.Weighted(W, w), k)
    floor = spectrum.negligible(values, len(W))
    sizes = np.where(np.abs(values) > floor, np.abs(values), 0.0)  # what is rounding is nothing
    coordinates, means = vectors * np.sqrt(sizes[:k]), W.means
    if w is not None:
        coordinates, means = coordinates / np.sqrt(w)[:, None], W.product(w / w.sum())
        coordinates *= spectrum.signs(coordinates)
    return Embedding(coordinates, values, values < -floor, means, index or {}, total, weights=w)


def fit_landmarks(
    trajectories: list,
    landmarks: int | np.ndarray,
    k: int = 3,
    *,
    index: dict | None = None,
    seed: int = 0,
    groups: np.ndarray | None = None,
    along: np.ndarray | None = None,
    probes: int = 300,
    group: int = by_landmarks.GROUP,
    distances: np.ndarray | None = None,
    device: str | None = None,
    precision: str | None = None,
    progress: bool = False,
    state: Callable[[], State] | None = None,
) -> Embedding:
    """Return the Embedding, with k axes, of all M models of the trajectories, from distances to m landmarks.

    Costs m M + m^2/2 + probes^2/2 distances instead of M^2/2, and memory for M k + m^2 numbers (see
    `info_geometry.embedding.landmarks`, which has the formulas).

    trajectories: as for `distance.pairwise`.  landmarks: how many models to choose (see `landmarks.choose`), or their
    indices (m,).  groups (M,): the configuration of each model, of which each then gets its share of landmarks, spread
    over `along` (M,), such as progress (see `embedding.spread`).  distances: of the landmarks (m, m), if known.
    probes: random models whose distances to each other say the explained stress and its standard error.  group: models
    whose distances to the landmarks are held at once; results do not depend on it.  seed: of landmarks and probes.
    device, precision: as for `distance.pairwise`.
    state: returns the `sharing.State` of the placing, which shares it among processes and goes on where it stopped; the
    others call `landmarks.place`.

    Raises InputError for fewer than 2 landmarks, more than there are models, or indices that are none.
    """
    fields, left = by_landmarks.fit(
        trajectories,
        landmarks,
        k,
        fit_all=fit,
        variance=distance_variance,
        distances=distances,
        seed=seed,
        groups=groups,
        along=along,
        probes=probes,
        group=group,
        progress=progress,
        device=device,
        precision=precision,
        state=state,
    )
    stress, error, total = estimate_stress(left, len(fields["coordinates"]))
    return Embedding(**fields, index=index or {}, total_squares=total, stress=stress[:k], stress_error=error[:k])


def distance_variance(A: np.ndarray) -> float:
    """Return |L A L|^2 / M^2 = 4 |W|^2 / M^2 of distances A (M, M), of which `landmarks.unexplained` tells more."""
    return 4 * Centred(A).squares() / len(A) ** 2


def estimate_stress(left: np.ndarray, M: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the explained stress (q,) of 1..q axes of M models, its standard errors (q,), and |W|^2.

    left (q + 1, 1 + h): what 0..q axes leave, estimated from h of the models (see `landmarks.unexplained`), which share
    pairs and are not independent.  So the error is the jackknife's over models: with the estimate f_i without model i,
    the root of (h - 1)/h sum_i (f_i - mean f)^2.  Where only the first column is there, it is exact and the errors 0.
    """
    stress, h = explained_stress(left[1:], left[0]), left.shape[1] - 1
    error = np.sqrt((h - 1) * stress[:, 1:].var(axis=1)) if h else np.zeros(len(stress))
    return stress[:, 0], error, max(float(left[0, 0]), 0.0) * M**2 / 4


def place_geodesic(
    embedding: Embedding, trajectories: list, s: np.ndarray = geodesic.POINTS
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the geodesic from ignorance P_0 to truth P_* in an embedding of trajectories (or of these landmarks).

    That is progress s (S,) and coordinates (S, k), placed as new models are; None where true labels are not known.
    """
    if any(x.labels is None for x in trajectories):
        return None
    return s, embedding.transform(np.concatenate([geodesic.distances(x, x.labels, s) for x in trajectories]).T)


def save(path: Path, embedding: Embedding) -> None:
    """Write an embedding as `.npz`, atomically."""
    embeddings.write(path, vars(embedding))


def load(path: Path) -> Embedding:
    """Read an embedding written by `save`.  Raises InputError for anything else; nothing executable is loaded."""
    return Embedding(**embeddings.read(path))


def load_published(path: Path, names: tuple = ()) -> Embedding:
    """Read a published embedding (`.pkl`), admitting numpy arrays only; see `embeddings.read_published`."""
    return Embedding(**embeddings.read_published(path, names))


if __name__ == "__main__":
    import runpy

    runpy.run_module("info_geometry.commands.inpca", run_name="__main__")
