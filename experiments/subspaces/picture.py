"""Subspaces in the picture: single networks, a line from ignorance on, averages and ensembles in one InPCA embedding.

And in numbers: does a line bow towards truth, is it longer than its chord, is its middle among networks trained apart?
"""

from dataclasses import dataclass

import numpy as np

from experiments.subspaces import kinds, measures
from experiments.subspaces.kinds import MIDDLE, SINGLE, STOPPED, TWO
from experiments.subspaces.results import CLEAN, Results, place
from info_geometry import distance, inpca, predictions, trajectory

SEEDS = 3  # in the picture
SURFACE = 2, 4, 6, 7, 8, 9, 10  # earlier checkpoints of a line, by their numbers
SHOWN = 20  # checkpoints of a single network, of geometrically growing epochs
IGNORANCE, TRUTH = "ignorance", "truth"


@dataclass(frozen=True)
class Picture:
    """An embedding, whose index says run, seed, checkpoint and t of each model, and the accuracy of it."""

    embedding: inpca.Embedding

    def where(self, run: str, seed: int | None = None) -> np.ndarray:
        """Return the numbers of the models of a run, in their order."""
        index = self.embedding.index
        chosen = index["run"] == run
        return np.flatnonzero(chosen if seed is None else chosen & (index["seed"] == seed))

    @property
    def surface(self) -> list[str]:
        """The runs that are a line at one checkpoint, in the order of epochs."""
        return [run for run in dict.fromkeys(self.embedding.index["run"]) if run.startswith("line at epoch")]


def draw(results: Results) -> Picture:
    """Return the Picture of clean labels, of the first seeds."""
    models, index = [], []
    for seed in results.seeds[:SEEDS]:
        for run, t, P in _of_seed(results, seed):
            trajectory_ = predictions.as_trajectory(P)
            models.append(trajectory_)
            index += [(run, seed, k, float(x)) for k, x in enumerate(t)]
    C, labels = models[0].shape[2], results.labels
    for name, P in ((IGNORANCE, np.full((len(labels), C), 1 / C)), (TRUTH, np.eye(C)[labels])):
        models.append(predictions.as_trajectory(P[None]))
        index.append((name, results.seeds[0], 0, 0.0))
    accuracy = np.concatenate([measures.accuracy(np.square(x.roots(dtype=np.float64)), labels) for x in models])
    columns = dict(zip(("run", "seed", "checkpoint", "t"), map(np.array, zip(*index))))
    return Picture(inpca.fit(distance.pairwise(models), 3, {**columns, "accuracy": accuracy}))


def _of_seed(results, seed):
    """Yield (run, t (T,), models) of a seed."""
    single = results.open(f"point_{CLEAN}_head", seed)
    wanted = np.geomspace(single.t[1], single.t[-1], SHOWN - 1)
    few = np.unique([0, *(int(np.abs(single.t - t).argmin()) for t in wanted)])
    yield SINGLE, single.t[few], single.select(few)
    for run in (*(f"line_{CLEAN}_at_{number}_head" for number in SURFACE), f"line_{CLEAN}_head"):
        x = results.open(run, seed)
        yield f"line at epoch {x.attributes['epoch']:.3g}", x.t, x
    middle = results.open(f"line_{CLEAN}_middle_head", seed)
    yield MIDDLE, middle.t, middle
    for run, name in (("SWA", f"point_constant-{CLEAN}_swa_head"), ("SWAG draws", f"point_constant-{CLEAN}_swag_head")):
        x = results.open(name, seed)
        yield run, x.t, x
    for name in (TWO, kinds.NEAR):
        yield f"ensemble: {name}", [0.0], kinds.KINDS[name].predict(results, CLEAN, seed)[None]


def answers(results: Results, level: str) -> dict[str, np.ndarray]:
    """Return what the picture says of lines at a level of label noise, one number a seed (S,) each.

    NLL of the middle, the ends (their mean), a single network, and of the middle of the great circle between the ends
    (circle), the mean of roots.  length, chord: of the line, of Riemann.
    Mean d_B to single networks of other seeds: of that of this seed (cloud), of the middle (to_cloud), and of a network
    that is stopped early (stopped_to_cloud).
    Mean over checkpoints of d_B to the nearest model of single networks of other seeds: of the middle (off), and of a
    single network (off_null).
    """
    rows = [_answers(results, level, seed) for seed in results.seeds]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _answers(results, level, seed):
    x = results.open(f"line_{level}_head", seed)
    P = results.P(f"line_{level}_head", seed)
    middle, ends = P[place(x.t, 0.5)], P[[0, -1]]
    others = [s for s in results.seeds if s != seed] or [seed]
    run = f"point_{level}_head"
    networks = [results.last(run, s) for s in others]
    stopped = kinds.KINDS[STOPPED].predict(results, level, seed)
    ways = [results.open(run, s) for s in others]
    own = results.open(f"line_{level}_middle_head", seed)
    single = results.open(run, seed)
    same = single.select([int(np.abs(single.t - t).argmin()) for t in own.t])

    def nll(Q):
        return float(measures.nll(Q, results.labels))

    return {
        "middle": nll(middle),
        "ends": float(measures.nll(ends, results.labels).mean()),
        "single": nll(results.last(run, seed)),
        "circle": nll(measures.mean_of_roots(ends)),
        "length": trajectory.riemann_length(x),
        "chord": trajectory.riemann_length(x.select([0, -1])),
        "cloud": float(distance.cross([results.last(run, seed)], networks).mean()),
        "to_cloud": float(distance.cross([middle], networks).mean()),
        "stopped_to_cloud": float(distance.cross([stopped], networks).mean()),
        "off": float(distance.cross([own], ways).min(axis=1).mean()),
        "off_null": float(distance.cross([same], ways).min(axis=1).mean()),
    }
