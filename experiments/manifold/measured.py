"""What claims about the manifold are about.  S seeds; K configurations, M models, R runs of the grid; G of progress.

Sections stand for themselves: one whose runs are not there is None, and `missing` says what trains them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from experiments.manifold.factors import Factor, Nearest

NETWORK, OPTIMISER, BATCH, DECAY, AUGMENTATION = FACTORS = (
    "network",
    "optimiser",
    "batch size",
    "weight decay",
    "augmentation",
)
TOGETHER, PERMUTED, WITHIN = "together", "permuted", "permuted within classes"  # beside the two parts
ALL = "all"  # runs, beside those of a network


@dataclass(frozen=True)
class Picture:
    """The models of one seed, M of them, in pictures of training, of evaluation predictions, and of both as one.

    index {column: (M,)}: run, seed, checkpoint, t, the factors; training_progress, evaluation_accuracy, and so on.
    coordinates {part: (M, 3)}, imaginary {part: (3,)}, of both parts and TOGETHER.
    stress {what: (k,)}: explained by 1..k axes; of the parts, TOGETHER, and the nulls PERMUTED and WITHIN, of training
    predictions.  participation {what: float}; axes {what: number that explains 95 %, NaN where more than are known}.
    correlation: Spearman's of the distances of both parts; exchanged (P,): with whole runs of one part exchanged.
    m2 {"training evaluation", "training together", "evaluation together": float}: of Procrustes, of 3 coordinates;
    m2_exchanged (P,): of training and evaluation, with whole runs exchanged.
    full, four {ALL or a network: (3,)}: of distances (L1) by 1..3 axes of a picture; of that of four points; without
    `wild` models, whose mean cross entropy is CROSS_ENTROPY or more.  four_whole (3,): with these.  turns {as four:
    cosine of the first and the last direction through the four points}.
    """

    index: Mapping[str, np.ndarray]
    coordinates: Mapping[str, np.ndarray]
    imaginary: Mapping[str, np.ndarray]
    stress: Mapping[str, np.ndarray]
    participation: Mapping[str, float]
    axes: Mapping[str, float]
    correlation: float
    exchanged: np.ndarray
    m2: Mapping[str, float]
    m2_exchanged: np.ndarray
    full: Mapping[str, np.ndarray]
    four: Mapping[str, np.ndarray]
    turns: Mapping[str, float]
    wild: int
    four_whole: np.ndarray


@dataclass(frozen=True)
class Tree:
    """Of each seed, (S,): purity of as many clusters as networks, cophenetic correlation, and the purity by chance.

    whole (S,): purity without leaving out what ended badly; NaN where nothing was, or too little progress is common.
    """

    purity: np.ndarray
    cophenetic: np.ndarray
    chance: np.ndarray
    whole: np.ndarray


@dataclass(frozen=True)
class Paths:
    """Runs of the grid at equal progress: values of it (G,) that all reached.  What a run has not is NaN.

    names (K,) and table {factor: levels (K,)} of configurations.
    distances (S, K, K): of runs of one seed, mean over progress; snapshot: at the progress `at` alone.
    near (S, S): mean distance of runs of two seeds, of the same configuration; far (S, S): of all; NaN of a seed and
    itself.  random (P, S): their `ratio`, where configurations of each seed are permuted; alike (P, S): where they are
    permuted within each network.
    geodesic (S, K, G): distance to the geodesic from ignorance to truth.
    own, others, everyone (S, K, G): to the mean of its configuration, to that of its other runs, and to that of all.
    factors {factor: of each seed}.  ratios {factor: (S,)}: their ratios, permuted among configurations that agree in
    all else.  permuted (S,): the share of networks, these permuted among configurations.
    apart {factor: of each seed}: nearest configurations among those that differ in more than weight decay; of factors
    but this one, where it has several levels.
    first, last {run: progress}: where runs begin and stop.
    """

    grid: np.ndarray
    names: np.ndarray
    table: Mapping[str, np.ndarray]
    distances: np.ndarray
    snapshot: np.ndarray
    at: float
    near: np.ndarray
    far: np.ndarray
    random: np.ndarray
    alike: np.ndarray
    geodesic: np.ndarray
    own: np.ndarray
    others: np.ndarray
    everyone: np.ndarray
    factors: Mapping[str, tuple[Factor, ...]]
    ratios: Mapping[str, np.ndarray]
    permuted: np.ndarray
    apart: Mapping[str, tuple[Nearest, ...]]
    tree: Tree
    first: Mapping[str, float]
    last: Mapping[str, float]

    @property
    def ratio(self) -> np.ndarray:
        """Distance of runs of the same configuration over that of all (S,), `of_seeds`: 1 where they do not matter."""
        return of_seeds(self.near, self.far)

    def width(self, curves: np.ndarray) -> np.ndarray:
        """Return the mean over configurations of curves (S, K, G) such as `others`, (S, G)."""
        return np.nanmean(curves, axis=1)


def of_seeds(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Return the ratio of the sums of near and far (S, S) over pairs of seeds as pseudo-values (S,) of the jackknife.

    S theta - (S - 1) theta_(-s), theta_(-s) of all pairs without those of seed s: their mean and its standard error are
    those of the ratio (Tukey 1958).  Means over the pairs of each seed would not do: a pair is in two of them, and they
    spread too little.  Pairs of which one is not finite do not count.  Two seeds have one pair, its ratio twice, which
    has no spread; NaN where there is no pair.
    """
    seeds, known = np.arange(len(near)), np.isfinite(near) & np.isfinite(far)

    def theta(which):
        own = np.ix_(which, which)
        pairs = np.triu(known[own], 1)
        return near[own][pairs].sum() / far[own][pairs].sum() if pairs.any() else np.nan

    whole = theta(seeds)
    if len(seeds) < 3:
        return np.full(len(seeds), whole)
    return len(seeds) * whole - (len(seeds) - 1) * np.array([theta(seeds[seeds != s]) for s in seeds])


@dataclass(frozen=True)
class Means:
    """Six means of the runs of a network, an optimiser and a batch size, all seeds and other settings: Q groups.

    table {factor: (Q,)}; times (Q, m): epochs.  Of evaluation images, {kind of mean: (Q, m)}: progress, error.
    single {"progress", "error": (Q, m)}: the means of those of single runs.  counts (Q,): runs.
    """

    table: Mapping[str, np.ndarray]
    times: np.ndarray
    progress: Mapping[str, np.ndarray]
    error: Mapping[str, np.ndarray]
    single: Mapping[str, np.ndarray]
    counts: np.ndarray


def known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean over an axis of what is known; NaN, without a warning, where nothing is."""
    known = np.isfinite(values)
    counts = known.sum(axis=axis)
    return np.divide(
        np.where(known, values, 0).sum(axis=axis), counts, out=np.full(counts.shape, np.nan), where=counts > 0
    )


@dataclass(frozen=True)
class Widths:
    """Runs of W widths.  times, progress (W, S, T).  steps (W, S): epochs to `level`; NaN where it was not reached.

    rank: Spearman's correlation of epochs and width over runs; exponent of the power law; p: of permuted widths.
    apart (W, W, S, G): from a run of a width (first) and a seed to the mean of the other seeds of a width (second), at
    equal progress, values of it (G,).
    """

    widths: np.ndarray
    times: np.ndarray
    progress: np.ndarray
    level: float
    steps: np.ndarray
    rank: float
    exponent: float
    p: float
    grid: np.ndarray
    apart: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """Distances (W, W, S) between widths over the tube of the second, means over progress; NaN where not known."""
        means = known_mean(self.apart, 3)
        return means / known_mean(np.diagonal(means), 0)[None, :, None]


@dataclass(frozen=True)
class Corner:
    """Runs from a corner.  distances (S, G): to the mean of usual runs at equal progress; width (S, G): of a usual run

    to the mean of the other usual ones; NaN where they have not been.  at (S,): the progress from which on distances
    stay within twice the mean width, NaN where they never do.  starts (S,): the progress at which runs begin.
    ends (S, 2): mean distance of the first and of the last model to the last models of usual runs of other seeds;
    between (S,): ... of the last model of a usual run.
    """

    grid: np.ndarray
    distances: np.ndarray
    width: np.ndarray
    at: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    between: np.ndarray


@dataclass(frozen=True)
class Sloppy:
    """Networks on Gaussian inputs: L cells of network, optimiser and batch size; `counts` (n,) of base points.

    cells: their names (L,).  stress {data set: (L, n)}: explained by 3 axes, of training predictions, mean over sets of
    so many base points; evaluation {data set: (L,)}: with all.  axes {data set: (L, k)}: by 1..k axes, with all.
    bootstrap (B,): the mean difference, of base points drawn anew.  p: of the sign of the differences, permuted.
    """

    cells: tuple[str, ...]
    counts: np.ndarray
    stress: Mapping[str, np.ndarray]
    evaluation: Mapping[str, np.ndarray]
    axes: Mapping[str, np.ndarray]
    bootstrap: np.ndarray
    p: float


@dataclass(frozen=True)
class Measured:
    """All that is measured.

    sloppy, flat: the names of the data sets of Gaussian inputs.  left_out: which runs are, section by
    section, as a text, and `why`, {name and seed: final error, or what else}.
    missing {section, or part of the grid: why, or what trains its runs}.  evaluation: paths of evaluation predictions.
    """

    seeds: tuple[int, ...]
    sloppy: str = "sloppy"
    flat: str = "flat"
    left_out: str = ""
    why: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] | None = None
    pictures: tuple[Picture, ...] | None = None
    paths: Paths | None = None
    evaluation: Paths | None = None
    means: Means | None = None
    widths: Widths | None = None
    corners: Mapping[str, Corner] | None = None
    synthetic: Sloppy | None = None
