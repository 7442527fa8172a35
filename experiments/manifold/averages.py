"""Six means of the runs of a network, an optimiser and a batch size, at equal steps: how far each is, and how wrong."""

import numpy as np

from experiments.manifold import means
from experiments.manifold.measured import BATCH, NETWORK, OPTIMISER, Means
from experiments.manifold.parts import EVALUATION
from experiments.manifold.results import Known, factors_of
from info_geometry import geodesic
from info_geometry.files import InputError

MOMENTS = 5  # checkpoints, the last of them that at the end


def measure(runs: list[Known]) -> Means:
    """Return the Means of runs of the grid, of groups with two runs or more.

    Raises InputError where runs of a group have other checkpoints.
    """
    levels = factors_of({run.name: run.config for run in runs})
    groups: dict = {}
    for run in runs:
        key = tuple(levels[run.name][factor] for factor in (NETWORK, OPTIMISER, BATCH))
        groups.setdefault(key, []).append(run)
    groups = {key: members for key, members in sorted(groups.items()) if len(members) > 1}
    found = {key: _group(members) for key, members in groups.items()}
    columns = list(zip(*groups)) or [(), (), ()]

    def stacked(number, names):
        return {name: np.array([each[number][name] for each in found.values()]) for name in names}

    return Means(
        {factor: np.array(column) for factor, column in zip((NETWORK, OPTIMISER, BATCH), columns)},
        np.array([times for times, *_ in found.values()]),
        stacked(1, means.KINDS),
        stacked(2, means.KINDS),
        stacked(3, ("progress", "error")),
        np.array([len(members) for members in groups.values()]),
    )


def moments(length: int, count: int = MOMENTS) -> np.ndarray:
    """Return as many checkpoints of `length`, evenly from the first third to the last; the same one twice of few."""
    return np.round(np.linspace((length - 1) / 3, length - 1, count)).astype(int)


def _group(runs):
    """Return times (m,), progress and error {kind: (m,)}, and the means of both over single runs."""
    first = runs[0].parts[EVALUATION]
    for other in (run.parts[EVALUATION] for run in runs[1:]):
        if not np.array_equal(other.t, first.t):
            raise InputError(
                f"{other.path} has other checkpoints than {first.path}: {len(other.t)} up to {other.t[-1]:g}, and "
                f"{len(first.t)} up to {first.t[-1]:g}; means at equal steps are of runs of one schedule; train one of "
                "them anew"
            )
    which = moments(len(first.t))
    parts = [run.parts[EVALUATION].select(which) for run in runs]
    labels = first.labels
    progress, error = {}, {}
    for kind, P in means.at_steps(parts).items():
        progress[kind] = geodesic.progress(P, labels)
        error[kind] = (P.argmax(axis=2) != labels).mean(axis=1)
    single = {
        "progress": np.mean([run.progress(EVALUATION)[which] for run in runs], axis=0),
        "error": np.mean([1 - run.summaries[EVALUATION].accuracy[which] for run in runs], axis=0),
    }
    return parts[0].t, progress, error, single
