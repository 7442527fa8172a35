"""What the runs of runs.yaml left: files of what is known of networks, and of what they predict."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.weight_information.choices import Inspection
from experiments.weight_information.measured import NUISANCES, POSTERIORS, Course, Measured, Sweep
from info_geometry import distance, predictions, trajectory
from info_geometry.files import InputError
from learning.runs.run import Folders

BATCHES = 16, 64, 256, 1000


@dataclass(frozen=True)
class Size:
    """Which runs there are; those of `make information-quick` are fewer.

    betas: of right and random labels; partly: label noise besides; few: betas of all other sweeps; samples: N of the
    sweep that all is compared with, others: the N besides; bounded: N and betas of networks for bounds; again: {label
    noise: betas} of warm starts; nuisances: betas; ordinary: (label noise, N).
    """

    dataset: str = "fashion"
    betas: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 2, 5, 10)
    partly: tuple[float, ...] = (0.25, 0.5)
    few: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1)
    posteriors: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    samples: int = 500
    others: tuple[int, ...] = (125, 250, 1000)
    bounded: tuple[int, tuple[float, ...]] = (5000, (1, 2, 5, 10))
    again: tuple[tuple[str, int, tuple[float, ...]], ...] = (("random", 1, (0.1, 0.3)), ("right", 0, (2, 5)))
    nuisances: tuple[float, ...] = (0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
    batches: tuple[int, ...] = BATCHES
    ordinary: tuple[tuple[float, ...], tuple[int, ...]] = ((0, 0.25, 0.5, 1), (250, 1000))


FULL = Size()
QUICK = Size(
    dataset="digits",
    betas=(0.01, 0.1, 1, 10),
    partly=(0.25, 0.5),
    few=(0.01, 0.1, 1),
    posteriors=(0.01, 1),
    samples=200,
    others=(100,),
    bounded=(1000, (1, 5)),
    again=(("random", 1, (0.1, 1)), ("right", 0, (1, 10))),
    nuisances=(0.01, 0.1, 1),
    batches=(16, 200),
    ordinary=((0, 1), (100, 200)),
)


@dataclass(frozen=True, eq=False)  # what it read is its own
class Results:
    """Files of predictions of several seeds."""

    folders: Folders
    seeds: tuple[int, ...]
    size: Size = FULL

    @functools.lru_cache(1024)  # noqa: B019  kept as long as the process, which has one of these
    def open(self, run: str, seed: int) -> predictions.Trajectory:
        """Return the trajectory of a run; raise InputError where it is missing, or says nothing of weights."""
        name = Inspection().name(f"{self.size.dataset}_all_{run}")
        path, makes = self.folders.file(name, seed), f"`make information{'-quick' * (self.size == QUICK)}` makes it"
        if not path.exists():
            raise InputError(f"{path} is missing; {makes}")
        found = predictions.open_trajectory(path)
        if not isinstance(found.attributes.get("known"), dict):
            raise InputError(f"{path} does not say what its networks know; delete it, and {makes}")
        return found

    def measured(self) -> Measured:
        """Return all that is measured."""
        size = self.size
        by_noise = {noise: self.sweep(f"beta{{}}-ln{noise:g}", size.betas) for noise in (0, 1)}
        by_noise |= {noise: self.sweep(f"beta{{}}-ln{noise:g}", size.few) for noise in size.partly}
        by_samples = {
            (noise, N): self.sweep(f"n{N}-beta{{}}-ln{noise}", size.few) for noise in (0, 1) for N in size.others
        }
        by_samples |= {(noise, size.samples): by_noise[noise] for noise in (0, 1)}
        others = [name for name in POSTERIORS if name != "diagonal"]
        posteriors = {name: self.sweep(f"{name}-beta{{}}", size.posteriors) for name in others}
        N, betas = size.bounded
        nuisances = {kind: f"{kind}-beta{{}}" for kind in NUISANCES}
        noises, samples = size.ordinary
        return Measured(
            self.seeds,
            dict(sorted(by_noise.items())),
            dict(sorted(by_samples.items())),
            {name: posteriors.get(name, by_noise[1]) for name in POSTERIORS},
            {noise: self.sweep(f"warm_{name}-beta{{}}", betas) for name, noise, betas in size.again},
            {noise: self.sweep(f"n{N}-beta{{}}-ln{noise}", betas) for noise in (0, 1)},
            {kind: self.sweep(run, size.nuisances) for kind, run in nuisances.items()},
            {kind: self.untrained(run, size.nuisances[0]) for kind, run in nuisances.items()},
            self.course("point_course"),
            {batch: self.course(f"point_batch{batch}") for batch in size.batches},
            {(noise, N): self.course(f"point_ti{N}-ln{noise:g}") for noise in noises for N in samples},
        )

    def sweep(self, run: str, betas: Sequence[float]) -> Sweep:
        """Return what is known of the last networks of runs, in whose name {} is beta."""
        found = [[self.open(f"variational_{run.format(f'{b:g}')}", seed) for b in betas] for seed in self.seeds]
        first = found[0][0].attributes
        known = {
            key: np.array([[x.attributes["known"][key][-1] for x in row] for row in found]) for key in first["known"]
        }
        ends = [[self._end(x) for x in row] for row in found]
        known |= {
            key: np.array([[end[k] for end in row] for row in ends]) for k, key in enumerate(("accuracy", "ignorance"))
        }
        noise = first["config"]["label_noise"]
        return Sweep(np.array(betas, float), first["samples"], noise, derived(known, first["samples"]))

    def untrained(self, run: str, beta: float) -> dict[str, np.ndarray]:
        """Return what is known of networks that were not trained, (S,)."""
        found = [self.open(f"variational_{run.format(f'{beta:g}')}", seed).attributes for seed in self.seeds]
        known = {key: np.array([x["known"][key][0] for x in found]) for key in found[0]["known"]}
        return derived(known, found[0]["samples"])

    def course(self, run: str) -> Course:
        """Return what is known of ordinary networks through training."""
        found = [self.open(run, seed) for seed in self.seeds]
        first = found[0].attributes
        summaries = [trajectory.summarise(x, x.labels) for x in found]
        known = {key: np.array([x.attributes["known"][key] for x in found]) for key in first["known"]}
        known["accuracy"] = np.array([x.accuracy for x in summaries])
        return Course(
            np.array(found[0].t),
            first["samples"],
            first["config"].get("label_noise", 0),
            derived(known, first["samples"]),
            np.array([x.steps for x in summaries]),
            np.array([x.length for x in summaries]),
        )

    def _end(self, x):
        """Return the accuracy of the last model of a trajectory, and the mean d_B to equal probabilities."""
        last = x.select([x.shape[0] - 1])
        P = np.square(last.roots(dtype=np.float64))[0]
        equal = np.full(P.shape, 1 / P.shape[1])
        return (P.argmax(axis=1) == x.labels).mean(), distance.cross([last], [equal])[0, 0]


def derived(known: dict[str, np.ndarray], samples: int) -> dict[str, np.ndarray]:
    """Return what is known and what follows from it: see `measured`."""
    return known | {
        "information": known["norm"] + known["determinant"],
        "trace_of_all": samples * known["trace"],
        "fineness": -np.log2(known["noise"]),
    }
