"""What was measured of tasks as vectors: vectors, heads, and distances between networks that learn the tasks.

S seeds, n tasks.  Distances are (S, n, n), symmetric, 0 on the diagonal; those that look at classes alone are (n, n).
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.task_distances import distances, embedding
from experiments.task_distances.embedding import Embedding
from experiments.task_distances.sizes import QUICK, Size
from experiments.task_distances.vectors import heads, of_tasks
from experiments.task_distances.vectors.choices import Choices
from experiments.task_distances.vectors.heads import Known
from experiments.task_distances.vectors.suites import Word, resolved
from info_geometry import comparison, distance, predictions, trajectory
from info_geometry.files import InputError
from learning.imprinting import evenly
from learning.runs.run import Folders

IMPRINTED = "cosine_x10"  # how networks predict all classes
SAMPLES = 2000  # of evaluation, of which distances between networks are
BETAS = (1e-5,)  # of variational vectors
EARLY_NAME = "early"
EARLY = Choices("variational", beta=BETAS[0], steps=312, rate=0.01, batch=20, start=0.05, tolerance=math.inf)
METHODS = {
    "exact": Choices(),
    "again": Choices(subset=1),
    "sampled": Choices("sampled"),
    "untrained": Choices(untrained=True),
    "predictions": Choices("predictions", samples=100, draws=5),
}
HALF = "low"  # the task of the other probe
FEW = "footwear", "2,6"  # tasks with variational vectors
VARIATIONAL = {
    **{
        f"{beta:g}": Choices("variational", beta=beta, steps=1500, rate=0.02, batch=20, tolerance=0.2) for beta in BETAS
    },
    EARLY_NAME: EARLY,
}


@dataclass(frozen=True, eq=False)
class Measured:
    """All that is measured.

    words: the tasks, n.  vectors: {name of METHODS, or "half", by a probe of half of the classes: (S) of (n)};
    variational: {beta, or "early": (S) of (m)}, of the tasks `few` (m,).  known: (S) of (n).
    along, ends: (S, n, n) d_B between networks that learn two tasks from initial weights, at equal progress and at the
    end; together (n, n): the first between their means over seeds.
    """

    seeds: tuple[int, ...]
    words: tuple[Word, ...]
    vectors: Mapping[str, Sequence[Sequence[Embedding]]]
    variational: Mapping[str, Sequence[Sequence[Embedding]]]
    few: tuple[int, ...]
    known: Sequence[Sequence[Known]]
    along: np.ndarray
    ends: np.ndarray
    together: np.ndarray

    @functools.cached_property
    def plain(self) -> np.ndarray:
        """Which tasks are as they are, (p,): distances of classes say nothing of conditions."""
        return np.flatnonzero([word.condition.kind == "plain" for word in self.words])

    @functools.cached_property
    def of_classes(self) -> dict[str, np.ndarray]:
        """Distances (n, n) that look at classes alone, of those that the data set has."""
        tasks = [word.task for word in self.words]
        every = {
            "Jaccard": of_tasks.jaccard(tasks),
            "number of classes": of_tasks.numbers(tasks),
            "taxonomy": of_tasks.taxonomy(tasks),
            "WordNet": of_tasks.paths(tasks),
        }
        return {name: D for name, D in every.items() if D is not None}

    @functools.cached_property
    def places(self) -> np.ndarray | None:
        """Steps between the places of tasks in WordNet (n, n), nan where one has none; None where fewer than 3 have."""
        return of_tasks.places([word.task for word in self.words])

    @functools.cache  # noqa: B019  kept as long as the process, which has one of these
    def by(self, name: str = "cosine", what: str = "exact") -> np.ndarray:
        """Return distances (S, n, n) by a name of `distances.NAMES`; an asymmetric one is the mean of both directions.

        A distance that is infinite, where a filter is dead for one task alone, is nan.
        """
        found = np.stack([distances.matrix(row, name) for row in self.vectors[what]])
        found = (found + found.transpose(0, 2, 1)) / 2
        found[:, np.arange(len(self.words)), np.arange(len(self.words))] = 0
        return np.where(np.isfinite(found), found, np.nan)

    @functools.cache  # noqa: B019  kept as long as the process, which has one of these
    def apart(self, name: str = "cosine") -> np.ndarray:
        """Return distances (S, n, n) of vectors on images of two subsets, the mean of both ways round.

        No image is in both, so that tasks that share classes share no images; the diagonal says how far a task is from
        itself.
        """
        d = distances.SYMMETRIC[name]
        pairs = zip(self.vectors["exact"], self.vectors["again"])
        found = np.array([[[d(a.vector, b.vector) for b in other] for a in one] for one, other in pairs])
        return (found + found.transpose(0, 2, 1)) / 2

    @functools.cached_property
    def domain(self) -> np.ndarray:
        """1 - cos of the means of features, (S, n, n)."""
        return np.stack([of_tasks.square([x.mean for x in row], _angle) for row in self.known])

    @functools.cached_property
    def norms(self) -> np.ndarray:
        """|h|_1 of the vectors, (S, n)."""
        return np.array([[x.norm for x in row] for row in self.vectors["exact"]])

    def of_heads(self, what: str) -> np.ndarray:
        """Return "error", "cross_entropy" or "head_cross_entropy" of the heads of tasks, (S, n)."""
        return np.array([[getattr(x, what) for x in row] for row in self.known])

    def every(self) -> dict[str, np.ndarray]:
        """Return all distances, {name: (S, n, n) or (n, n)}."""
        found = {name: self.by(name) for name in (*distances.SYMMETRIC, "asymmetric")}
        found |= {f"cosine, {what}": self.by("cosine", what) for what in self.vectors if what not in ("exact", "again")}
        found["cosine, other images"] = self.apart()
        found |= {"means of features": self.domain, "networks along": self.along, "networks at end": self.ends}
        return found | self.of_classes

    def index(self, *texts: str) -> list[int] | None:
        """Return where tasks are, by their words; None where one is not among them."""
        at = {word.text: k for k, word in enumerate(self.words)}
        return [at[text] for text in texts] if all(text in at for text in texts) else None


def _angle(x, y):
    return (
        distances.plain_cosine(x, y)
        if min(x.min(), y.min()) >= 0
        else 1 - float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    )


def read(folders: Folders, seeds: Sequence[int], size: Size) -> Measured:
    """Return what the runs of vectors.yaml (of QUICK: vectors_quick.yaml) left.

    Raises InputError, naming the file and what makes it, for one that is missing.
    """
    words = resolved(size.dataset, size.suite)
    quick = size is QUICK
    probe, half = (f"{size.dataset}_{task}_plain_probe" for task in ("all", HALF))
    few = () if quick else tuple(k for k, word in enumerate(words) if word.text in FEW)

    def vectors(run, choices, of=words, reader=embedding.read):
        return tuple(tuple(_file(reader, folders, run, seed, choices, word, quick) for word in of) for seed in seeds)

    if quick:
        methods = {name: quicker(choices) for name, choices in METHODS.items()}
        variational = {}
    else:
        methods, variational = METHODS, VARIATIONAL
    found = {name: vectors(probe, choices) for name, choices in methods.items()}
    found["half"] = vectors(half, methods["exact"])
    some = [words[k] for k in few]
    known = vectors(probe, quicker(Choices("domain")) if quick else Choices("domain"), reader=heads.read)
    runs = [
        [_open(folders, f"{size.dataset}_{word.name}_{IMPRINTED}", seed, quick) for word in words] for seed in seeds
    ]
    along, ends, together = between(runs)
    return Measured(
        tuple(seeds),
        tuple(words),
        found,
        {name: vectors(probe, choices, some) for name, choices in variational.items()},
        few,
        known,
        along,
        ends,
        together,
    )


def quicker(choices: Choices) -> Choices:
    """Return the choices with as few images as the digits that are left beside those of a probe."""
    return dataclasses.replace(choices, images=80, samples=min(choices.samples, 60))


def between(runs: Sequence[Sequence[predictions.Trajectory]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return d_B between networks of tasks, runs (S) of (n): along (S, n, n), at the end (S, n, n), together (n, n).

    Along: at equal progress, the mean over the range that both reached (`info_geometry.comparison`); nan where that is
    less than two values.  Together: of the means over seeds.  Of SAMPLES samples, of each class as many.
    """
    labels = runs[0][0].labels
    chosen = evenly(labels, SAMPLES)
    P = [[np.square(x.roots(dtype=np.float64)[:, chosen]) for x in row] for row in runs]
    progress = [[trajectory.summarise(p, labels[chosen]).progress for p in row] for row in P]
    tasks = tuple(range(len(P[0])))

    def compared(seeds):
        groups = {k: [predictions.as_trajectory(P[s][k]) for s in seeds] for k in tasks}
        at = {k: [progress[s][k] for s in seeds] for k in tasks}
        return comparison.compare_all(groups, at, errors=False).means()

    each = np.stack([compared([s]) for s in range(len(P))])
    ends = np.stack([distance.pairwise([p[-1:] for p in row]) for row in P])
    return each, ends, each[0] if len(P) == 1 else compared(range(len(P)))


def _file(reader, folders, run, seed, choices, word, quick):
    path = choices.folder(folders.predictions, run, seed) / word.file
    if not path.exists():
        raise InputError(f"{path} is missing; {_makes(quick)}")
    return reader(path)


def _open(folders, name, seed, quick):
    path = folders.file(name, seed)
    if not path.exists():
        raise InputError(f"{path} is missing; {_makes(quick)}")
    found = predictions.open_trajectory(path)
    if found.labels is None:
        raise InputError(f"{path} holds no labels; delete it, and {_makes(quick)}")
    return found


def _makes(quick):
    return f"`make tasks{'-quick' * quick}` makes it"
