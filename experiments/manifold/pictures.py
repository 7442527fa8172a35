"""Pictures of all models of the grid of one seed: training and evaluation predictions, both as one, and nulls."""

import numpy as np
from scipy.stats import rankdata

from experiments.manifold import dimension, joint, tangents
from experiments.manifold.measured import ALL, NETWORK, PERMUTED, TOGETHER, WITHIN, Picture
from experiments.manifold.parts import EVALUATION, PARTS, TRAINING
from experiments.manifold.results import Known, factors_of
from info_geometry import distance, inpca, predictions
from info_geometry.files import InputError
from info_geometry.storage import runs as storage
from info_geometry.uncertainty.procrustes import procrustes

EXCHANGES = 49  # of whole runs
AXES = 30
CROSS_ENTROPY = 4.0  # nats


def measure(runs: list[Known]) -> Picture:
    """Return the Picture of runs of one seed."""
    D = {which: distance.pairwise([run.parts[which] for run in runs]) for which in PARTS}
    counts = tuple(runs[0].parts[which].shape[1] for which in PARTS)
    D[TOGETHER] = joint.together(D[TRAINING], D[EVALUATION], counts)
    pictures = {which: inpca.fit(matrix) for which, matrix in D.items()}
    lengths = [len(run.parts[TRAINING].t) for run in runs]
    orders = list(exchanges(lengths))
    for what, within in ((PERMUTED, False), (WITHIN, True)):
        pictures[what] = inpca.fit(distance.pairwise([_shuffled(run, k, within) for k, run in enumerate(runs)]))
    correlation, exchanged = alike(D[TRAINING], D[EVALUATION], orders)
    x, y = (pictures[which].coordinates for which in PARTS)
    full, four, turns, wild, four_whole = tangent(runs, D[TRAINING])
    named = (*PARTS, TOGETHER)
    return Picture(
        index(runs),
        {which: pictures[which].coordinates for which in named},
        {which: pictures[which].imaginary[:3] for which in named},
        {what: picture.explained_stress()[:AXES] for what, picture in pictures.items()},
        {what: dimension.of_picture(picture) for what, picture in pictures.items()},
        {what: float(dimension.axes(picture) or np.nan) for what, picture in pictures.items()},
        correlation,
        exchanged,
        {f"{a} {b}": _m2(pictures[a].coordinates, pictures[b].coordinates) for a, b in _pairs(named)},
        np.array([_m2(x, y[order]) for order in orders]),
        full,
        four,
        turns,
        wild,
        four_whole,
    )


def index(runs: list[Known]) -> dict[str, np.ndarray]:
    """Return the table (M,) that says which model is which: its run and seed, factors, progress and accuracy."""
    lengths = [len(run.parts[TRAINING].t) for run in runs]
    found = storage.index([run.parts[TRAINING] for run in runs])
    levels = factors_of({run.name: run.config for run in runs})
    for factor in next(iter(levels.values())):
        found[factor] = np.repeat([levels[run.name][factor] for run in runs], lengths)
    for which in PARTS:
        for what in ("progress", "accuracy"):
            found[f"{which}_{what}"] = np.concatenate([getattr(run.summaries[which], what) for run in runs])
    return found


def exchanges(lengths: list[int], count: int = EXCHANGES, seed: int = 0):
    """Yield orders (M,) of models in which whole runs, of so many models each, change places with others as long."""
    rng, starts, lengths = np.random.default_rng(seed), np.cumsum([0, *lengths[:-1]]), np.asarray(lengths)
    for _ in range(count):
        order = np.arange(len(lengths))
        for length in np.unique(lengths):
            which = np.flatnonzero(lengths == length)
            order[which] = rng.permutation(which)
        yield np.concatenate([starts[k] + np.arange(lengths[k]) for k in order])


def alike(A: np.ndarray, B: np.ndarray, orders: list[np.ndarray]) -> tuple[float, np.ndarray]:
    """Return Spearman's correlation of distances A and B (M, M), i < j, and those (P,) for models of B in orders."""
    upper = np.triu_indices(len(A), 1)
    ranks = []
    for D in (A, B):
        values = rankdata(D[upper].astype(np.float32)).astype(np.float32)
        values -= values.mean(dtype=np.float64)
        values /= np.sqrt(np.square(values, dtype=np.float64).sum())
        whole = np.zeros(D.shape, np.float32)
        whole[upper] = values
        ranks.append(whole + whole.T)
    a, b = ranks

    def correlation(other):
        return float(np.einsum("ij,ij->", a, other, dtype=np.float64)) / 2

    return correlation(b), np.array([correlation(b[np.ix_(order, order)]) for order in orders])


def tangent(runs: list[Known], D: np.ndarray) -> tuple[dict, dict, dict, int, np.ndarray]:
    """Return what 1..3 axes explain of distances D (M, M) of training predictions: those of all, and of four points.

    Of all runs, and of those of each network in pictures of their own; NaN where no checkpoint is near the two means.
    And the cosine of the first and the last direction of the path through these four (`tangents.turn`).
    Models whose mean cross entropy is CROSS_ENTROPY or more are left out, as in the study: surely wrong, they are those
    of norm layers that have seen few batches.  Also how many these are, and what four points explain with them.
    """
    lengths = np.array([len(run.parts[TRAINING].t) for run in runs])
    levels = factors_of({run.name: run.config for run in runs})
    networks = np.array([levels[run.name][NETWORK] for run in runs])
    entropy = np.concatenate([tangents.cross_entropy(run.parts[TRAINING]) for run in runs])
    of = {ALL: np.full(len(runs), True)} | {each: networks == each for each in np.unique(networks)}
    full, four, turns, fine = {}, {}, {}, entropy < CROSS_ENTROPY
    for name, which in of.items():
        models = np.flatnonzero(np.repeat(which, lengths) & fine)
        part = D[np.ix_(models, models)]
        picture = inpca.fit(part)
        full[name] = tangents.explained(part, picture.coordinates, picture.imaginary)
        four[name], turns[name] = _four(runs, lengths, np.repeat(which, lengths) & fine, part)
    return full, four, turns, int((~fine).sum()), _four(runs, lengths, np.full(len(fine), True), D)[0]


def _four(runs, lengths, chosen, D):
    """Return what the picture of four points explains of distances D of chosen models (M,) of runs, and its turn."""
    rows = [np.flatnonzero(x) for x in np.split(chosen, np.cumsum(lengths)[:-1])]
    some = [(run.parts[TRAINING].select(x), run.progress()[x]) for run, x in zip(runs, rows) if len(x)]
    parts, progress = zip(*some)
    try:
        means = [tangents.kernel_mean(parts, progress, at) for at in (tangents.FIRST, tangents.LAST)]
    except InputError:
        return np.full(3, np.nan), np.nan
    points = tangents.basis(parts[0].labels, *means)
    picture = tangents.picture(points)
    shares = tangents.explained(D, tangents.place(picture, points, list(parts)), picture.imaginary)
    return shares, tangents.turn(points)


def _shuffled(run, seed, within):
    """Return the training predictions (T, N, C) of a run, in memory, with samples permuted."""
    x = run.parts[TRAINING]
    P = dimension.shuffled(x, seed, x.labels if within else None).roots() ** 2
    return predictions.as_trajectory(P, f"{x.name}, samples permuted")


def _pairs(names):
    return [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]


def _m2(X, Y):
    return procrustes(X, Y, permutations=1).m2
