"""What claims about symmetries are about: arrays, of which the first axis is seeds, networks or pairs of networks.

P directed pairs: of the first half of them the sender is the network of the smaller seed, of the second the receiver.
D undirected pairs, P = 2 D, in the same order.  L layers, from the first one.  K values of a setting.  Penalties are in
points: the mean accuracy of sender and receiver less that of the stitched network, in hundredths.
"""

from dataclasses import dataclass, field

import numpy as np

from experiments.symmetries.lines import barrier
from learning.finding import said

# kinds of stitches, in the order of tables and figures
G_RELU = "permutation with scales, learned"
ANY, RANK_1, RANK_2, RANK_4 = "any matrix", "rank 1", "rank 2", "rank 4"
GRADIENT, FROM_MATCH, GUMBEL = "by projected gradient", "from the match", "by Gumbel-Sinkhorn"
MATCHED, FITTED_ROTATION = "permutation with scales, matched", "rotation, fitted"
IDENTITY, RANDOM_PERMUTATION, RANDOM_ROTATION = "identity", "random permutation", "random rotation"
UNTRAINED, RANDOM_LABELS, NOISE = "untrained sender", "sender of random labels", "clustered noise"
ITSELF, PLANTED = "into itself", "planted symmetry"
BAD = (IDENTITY, RANDOM_PERMUTATION, RANDOM_ROTATION, RANK_1)
METRICS = "wreath Procrustes", "orthogonal Procrustes", "wreath CKA", "linear CKA"
WREATH = METRICS[0]
# fixed matrices behind which the rest of a network learned again
SAME, PERMUTED, SCALED, SCALED_MORE, ROTATED = "identity", "permutation", "G_ReLU, 0.5", "G_ReLU, 1", "rotation"
# lines between networks: how channels were aligned, and what was corrected
BEFORE, BY_WEIGHTS, ALIGNED = "not aligned", "aligned by weights", "aligned by activations"
UNCORRECTED, REPAIRED = "aligned by activations, uncorrected", "aligned by activations, REPAIR"
WAYS = BEFORE, BY_WEIGHTS, ALIGNED, UNCORRECTED, REPAIRED


@dataclass(frozen=True)
class Stitches:
    """Stitched networks of one kind (P, L): penalty in points; mean d_B to sender, to receiver, and to truth."""

    penalty: np.ndarray
    to_sender: np.ndarray
    to_receiver: np.ndarray
    to_truth: np.ndarray

    @property
    def by_pair(self) -> np.ndarray:
        """The penalty (D, L), of both directions on average."""
        return both_ways(self.penalty)


@dataclass(frozen=True)
class Sweep:
    """Stitches along a setting: values (K,); penalty, in the end saturation, or sparsity, (P, K, L)."""

    values: np.ndarray
    penalty: np.ndarray
    saturation: np.ndarray | None = None
    sparsity: np.ndarray | None = None


@dataclass(frozen=True)
class Line:
    """A line between two networks: t (T,), from 0 to 1; NLL and accuracy (D, T); Riemann length and chord (D,)."""

    t: np.ndarray
    nll: np.ndarray
    accuracy: np.ndarray
    length: np.ndarray
    chord: np.ndarray

    @property
    def barrier(self) -> np.ndarray:
        """The largest height (D,) of NLL above the straight line between its ends."""
        return np.array([barrier(self.t, each) for each in self.nll])


@dataclass(frozen=True)
class Measured:
    """What claims are about.

    layers (L,): names; channels (L,): of each.  apart (P,): d_B of sender and receiver.
    kinds: {kind: Stitches} at width 48.  ways: {GRADIENT, FROM_MATCH, GUMBEL: Stitches}; of these G_RELU is the one
    that images held out choose, alpha included.  chosen (P, L): the alpha of GRADIENT.
    hard, soft, soft_statistics: by projected gradient at alpha 0.3, the permutation, the soft matrix, and the
    permutation with batch norms of the soft matrix.
    alphas, published: Sweep by alpha.  strengths: Sweep of the lasso.
    widths: width -> {kind: Stitches}, of D pairs in one direction.  similar: width -> {metric: (D, L)}.
    live: width -> number of channels (D, L) that take part in it.
    maps: {metric: (D, L, L)}, of all pairs of layers, at width 48.
    transformed: {matrix: (S, L)}, points of accuracy lost behind it; transformed_layers (L,).
    lines: architecture or width -> {way: Line}.
    unchanged: architecture -> {"symmetry" or "rotation": {"change" or "d_B": (S,)}}, by planted.unchanged.
    recovered: architecture -> {key: (S, L)}, by planted.recovered.
    invariance: {metric: {"symmetry" or "rotation": (S, L)}}, by planted.invariance.
    residual: {kind: Stitches} of residual networks; residual_layers (L,).
    dissection: layer -> {property, or "live": {"own": (S,), "symmetry": (S, draws), "turned": (S, steps, draws)}}.
    zoo: {"d_B" or a metric: (Z, Z)}, distances and similarities of networks of all widths.
    nearest: kind -> (P, L), d_B to the nearest model that networks of other seeds have while they are trained;
    nearest_own (D,): of a trained network.
    """

    layers: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    kinds: dict[str, Stitches] = field(default_factory=dict)
    ways: dict[str, Stitches] = field(default_factory=dict)
    apart: np.ndarray | None = None
    hard: Stitches | None = None
    soft: Stitches | None = None
    soft_statistics: Stitches | None = None
    chosen: np.ndarray | None = None
    alphas: Sweep | None = None
    published: Sweep | None = None
    strengths: Sweep | None = None
    widths: dict[int, dict[str, Stitches]] = field(default_factory=dict)
    similar: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    live: dict[int, np.ndarray] = field(default_factory=dict)
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    transformed: dict[str, np.ndarray] = field(default_factory=dict)
    transformed_layers: tuple[str, ...] = ()
    lines: dict[str, dict[str, Line]] = field(default_factory=dict)
    unchanged: dict[str, dict[str, dict[str, np.ndarray]]] = field(default_factory=dict)
    recovered: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    invariance: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    residual: dict[str, Stitches] = field(default_factory=dict)
    residual_layers: tuple[str, ...] = ()
    dissection: dict[str, dict[str, dict[str, np.ndarray]]] = field(default_factory=dict)
    zoo: dict[str, np.ndarray] = field(default_factory=dict)
    nearest: dict[str, np.ndarray] = field(default_factory=dict)
    nearest_own: np.ndarray | None = None


def both_ways(values: np.ndarray) -> np.ndarray:
    """Return the means (D, ...) of values (P, ...) over the two directions of a pair: these are not independent."""
    assert len(values) % 2 == 0, "one direction is missing"
    half = len(values) // 2
    return (values[:half] + values[half:]) / 2


def by_layer(values: np.ndarray, digits: int = 1) -> str:
    """Return means over the first axis of (D, L), and their standard errors, as a text."""
    return ", ".join(said(x, digits, False) for x in values.T)
