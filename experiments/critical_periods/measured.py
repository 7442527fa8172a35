"""What claims about critical periods are about: arrays, of which the first axis is S seeds.

A condition is a `Key`; its runs have T checkpoints, and L layers.  What is known of a checkpoint has the names that
stage 2 stores it under (`trace`, `trace_held_out`, `trace_at_entropy`, `entropy`, `cross_entropy`, ...), and besides:
`accuracy` on other images; `progress` from ignorance to truth; `off`, the distance d_B to the geodesic between these.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NONE = "none"


class Key(NamedTuple):
    """A condition: a protocol among PROTOCOLS, and a deficit such as `blur7` or `none` from one epoch to another."""

    protocol: str
    deficit: str
    onset: float = 0
    end: float = 0

    @property
    def control(self) -> "Key":
        """The condition without a deficit: of as many epochs, and with the same rate."""
        return Key(self.protocol, NONE, 0, 0 if self.protocol.startswith("window") else self.end)


# protocol: (whether there are as many epochs wherever the window is, the variant of its runs)
PROTOCOLS = {
    "restart": (False, ""),
    "annealed": (False, "annealed"),
    "constant": (False, "constant"),
    "cnn": (False, "cnn"),
    "cnn-annealed": (False, "cnn-annealed"),
    "window": (True, ""),
    "window-constant": (True, "constant"),
}


@dataclass(frozen=True)
class Condition:
    """Networks of one condition through training, at epochs (T,): known {what: (S, T)}.

    shares (S, T, L): of layers in the Fisher information, at one entropy.  steps (S, T - 1): d_B between neighbours.
    """

    epochs: np.ndarray
    known: Mapping[str, np.ndarray]
    shares: np.ndarray
    steps: np.ndarray

    def __getitem__(self, what: str) -> np.ndarray:
        """Return what is known, (S, T)."""
        return self.known[what]

    @property
    def accuracy(self) -> np.ndarray:
        """The accuracy (S,) at the end."""
        return self["accuracy"][:, -1]


@dataclass(frozen=True)
class Ends:
    """Distances between the last networks of a condition (first axis) and of its control (second), seed by seed.

    far (S, S): d_B of predictions as they are; cooled (S, S): at one mean entropy.  control, control_cooled (S, S):
    between the controls.
    """

    far: np.ndarray
    cooled: np.ndarray
    control: np.ndarray
    control_cooled: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """rho (S,): mean distance to controls of other seeds, over that of the control of this seed to them."""
        return _others(self.far) / _others(self.control)

    @property
    def ratio_cooled(self) -> np.ndarray:
        """`ratio`, of predictions at one entropy."""
        return _others(self.cooled) / _others(self.control_cooled)


@dataclass(frozen=True)
class Tube:
    """At equal progress, values of it (G,): distances (S, G) to the mean of the controls of other seeds, nan outside.

    around: of controls.  deficit: of runs with a deficit after its end.  last (S,): the progress that these end at.
    """

    progress: np.ndarray
    around: np.ndarray
    deficit: np.ndarray

    @property
    def width(self) -> np.ndarray:
        """The largest distance (G,) of a control from the mean of the others; nan where one is not known."""
        return self.around.max(axis=0)

    @property
    def joined(self) -> np.ndarray:
        """The first progress (S,) at which runs are in the tube, nan where they never are."""
        inside = self.deficit <= self.width
        return np.array([self.progress[row.argmax()] if row.any() else math.nan for row in inside])

    @property
    def excess(self) -> np.ndarray:
        """Distance over the width of the tube at the last progress (S,) where both are known, nan where none is."""
        both = np.isfinite(self.deficit) & np.isfinite(self.width)
        ratio = self.deficit / self.width
        return np.array([x[np.flatnonzero(known)[-1]] if known.any() else math.nan for x, known in zip(ratio, both)])


@dataclass(frozen=True)
class Measured:
    """All that is measured: {Key: ...} of conditions, of ends against their controls, and of tubes.

    again: ends of controls against those of a control of other epochs, which no deficit tells apart; or None.
    """

    seeds: tuple[int, ...]
    conditions: Mapping[Key, Condition]
    ends: Mapping[Key, Ends]
    tubes: Mapping[Key, Tube]
    again: Ends | None = None

    def drop(self, key: Key) -> np.ndarray:
        """Return by how much (S,) the accuracy of the control of each seed is above that of the condition."""
        return self.conditions[key.control].accuracy - self.conditions[key].accuracy

    def moved_layers(self, key: Key, control: Key | None = None) -> np.ndarray:
        """Return the total-variation distance of shares of layers from the control over that of other seeds, (S,).

        At the end of training, at one entropy: mean 1/2 sum |p - q| to controls of other seeds, over that of the
        controls themselves.
        """
        ends, controls = (self.conditions[k].shares[:, -1] for k in (key, control or key.control))
        return _others(_variation(ends, controls)) / _others(_variation(controls, controls))

    @property
    def spread(self) -> float:
        """The standard deviation of the accuracy at the end over seeds, pooled over conditions without a deficit."""
        variances = [
            x.accuracy.var(ddof=1) for key, x in self.conditions.items() if _plain(key) and len(self.seeds) > 1
        ]
        return math.sqrt(np.mean(variances)) if variances else 0.0


def _plain(key):
    """Return whether a condition is a control of perceptrons."""
    return key.deficit == NONE and "cnn" not in key.protocol


def _others(distances):
    """Return the mean (S,) over other seeds of distances (S, S); nan of a single seed."""
    S = len(distances)
    off = np.where(np.eye(S, dtype=bool), 0, distances)
    return off.sum(axis=1) / (S - 1) if S > 1 else np.full(1, math.nan)


def _variation(p, q):
    """Return the total-variation distances (S, S) of shares (S, L)."""
    return np.abs(p[:, None] - q[None]).sum(axis=2) / 2


def chance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the share of ways to give 2 S values their conditions in which means differ as much, in this direction.

    The permutation p of mean first > mean second, exact: the smallest is 1 / (2 S over S).
    """
    both, S = np.concatenate([first, second]), len(first)
    if not np.isfinite(both).all():
        return math.nan
    chosen = np.array(list(itertools.combinations(range(len(both)), S)))
    means = both[chosen].mean(axis=1)
    return float((means >= first.mean() - 1e-12).mean())
