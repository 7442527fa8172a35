"""The analyses of many configurations, one function each: what `manifold.py` runs in processes of their own.

Each takes a Study, keeps what later ones need in its folder, and returns a sentence on what came out.
"""

import functools
from pathlib import Path

import manifold_data as generated
import numpy as np

from experiments.manifold import dimension, factors, joint, means, outliers, speed, tangents, tubes
from info_geometry import distance, equal_progress, geodesic, inpca, predictions, trajectory
from info_geometry.embedding import landmarks, spread, weighted
from info_geometry.figures import page
from info_geometry.files import InputError

MEANS_AT = (0.1, 0.3, 0.5, 0.7, 0.9)
AXES = 10
FACTORS = (*generated.FACTORS, "rate")


class Study:
    """Generated runs in a folder: count, T models of N samples each; and what earlier steps found of them."""

    def __init__(self, folder: Path, count: int, T: int, N: int, m: int) -> None:
        self.folder, self.count, self.T, self.N, self.m = folder, count, T, N, m

    def found(self, file: str) -> Path:
        """Return the path of what an earlier step has kept; raise InputError, naming the step, where it has not."""
        path, step = self.folder / file, next(step for step, files in KEPT.items() if file in files)
        if not path.exists():
            raise InputError(f"{path} is not there: run the step {step!r} first, or all (leave --steps out)")
        return path

    def load(self, name: str) -> np.ndarray:
        return np.load(self.found(f"{name}.npy"))

    def keep(self, name: str, values: np.ndarray) -> None:
        np.save(self.folder / f"{name}.npy", values)

    @functools.cached_property
    def kept(self) -> np.ndarray:
        """Which runs (R,) are compared: those that did not end badly."""
        return self.load("kept")

    def opened(self) -> list:
        """Return the trajectories of the runs that are kept."""
        paths = generated.paths(self.folder / "predictions", self.count)
        return [predictions.open_trajectory(paths[i]) for i in self.kept]

    def progress(self) -> np.ndarray:
        """Return the progress (R, T) of these."""
        return self.load("progress")[self.kept]

    def levels(self) -> dict:
        """Return {factor: level of each of these}."""
        return {name: values[self.kept] for name, values in generated.table(self.count).items()}

    def landmarks(self) -> tuple[list, np.ndarray, np.ndarray]:
        """Return all trajectories, which of their models are landmarks (m,), and the distances (m, m) of these."""
        return self.opened(), self.load("landmarks"), self.load("landmark_distances")


def write_files(study):
    written = generated.write(study.folder / "predictions", study.count, study.T, study.N)
    return f"{sum(path.stat().st_size for path in written) / 1e9:.2f} GB in {len(written):,} files"


def progress_of_all(study):
    paths, found, errors = generated.paths(study.folder / "predictions", study.count), [], {}
    for i, path in enumerate(paths):
        run = predictions.open_trajectory(path)
        found.append(geodesic.progress(run, run.labels))
        errors[i] = float((run.select([-1]).roots()[0].argmax(axis=1) != run.labels).mean())
    study.keep("progress", np.array(found))
    study.keep("errors", np.array(list(errors.values())))
    return f"the last models reach {np.min([p[-1] for p in found]):.2f} to {np.max([p[-1] for p in found]):.2f}"


def outliers_and_common(study):
    kept = np.array(outliers.by_final_error(dict(enumerate(study.load("errors")))).kept)
    study.keep("kept", kept)
    grid = equal_progress.common(study.load("progress")[kept], trajectory.GRID)
    study.keep("grid", grid)
    return f"{len(kept):,} runs kept; {len(grid)} values of progress are common, {grid[0]:.2f} to {grid[-1]:.2f}"


def slices_and_means(study):
    """The geodesic is one more trajectory of the slices."""
    runs, progress, grid = study.opened(), list(study.progress()), study.load("grid")
    runs.append(predictions.as_trajectory(tubes.path(runs[0].labels, generated.CLASSES, trajectory.GRID), "geodesic"))
    progress.append(trajectory.GRID)
    total, of = np.zeros((len(runs), len(runs))), [f"{i:04d}" for i in study.levels()["setting"]] + ["geodesic"]

    def parts():
        for s, D in equal_progress.slices(runs, progress, grid):
            np.add(total, D, out=total)
            yield s, D

    names, D, within, seen = equal_progress.means(parts(), of)
    study.keep("runs_apart", total[:-1, :-1] / len(seen))
    study.keep("settings_apart", D[:-1, :-1])
    return f"{len(seen)} matrices of {len(runs):,}, means of {len(names) - 1} settings; within {np.nanmean(within):.3f}"


def importance_of_settings(study):
    levels, (_, first) = study.levels(), np.unique(study.levels()["setting"], return_index=True)
    found = factors.importance(study.load("settings_apart"), {name: levels[name][first] for name in FACTORS})
    return f"{len(first)} objects; " + ", ".join(f"{x.name} {x.test.share:.0%}" for x in found)


def importance_of_runs(study):
    """As many objects as there are runs, each as if it were a configuration of its own."""
    found = factors.importance(study.load("runs_apart"), {name: study.levels()[name] for name in FACTORS})
    return f"{study.kept.size:,} objects; " + ", ".join(f"{x.name} {x.test.share:.0%}" for x in found)


def dendrogram(study):
    purity, correlation = factors.separated(study.load("runs_apart"), study.levels()["network"])
    return f"{study.kept.size:,} leaves; purity of networks {purity:.2f}, cophenetic correlation {correlation:.2f}"


def grouped(study):
    """Return trajectories and progress by setting, of those that have two runs or more."""
    groups, progress = {}, {}
    for run, p, setting in zip(study.opened(), study.progress(), study.levels()["setting"]):
        groups.setdefault(int(setting), []).append(run)
        progress.setdefault(int(setting), []).append(p)
    few = [name for name, runs in groups.items() if len(runs) < 2]
    return ({name: x for name, x in part.items() if name not in few} for part in (groups, progress))


def tubes_of_settings(study):
    found = tubes.measure(*grouped(study), study.load("grid"))
    return f"{len(found.own)} tubes; width {found.mean_width():.3f}, {found.ratio():.2f} of the distance to the mean"


def to_geodesic(study):
    grid = study.load("grid")
    far = [tubes.to_geodesic(run, p, run.labels, grid) for run, p in zip(study.opened(), study.progress())]
    return f"mean distance {np.nanmean(far):.3f}"


def six_means_of_settings(study):
    groups, progress = grouped(study)
    for name, runs in groups.items():
        means.at_progress(runs, progress[name], np.array(MEANS_AT))
    return f"{len(groups)} settings, {len(MEANS_AT)} values of progress"


def six_means_of_all(study):
    found = means.at_progress(study.opened(), list(study.progress()), np.array(MEANS_AT))
    apart = max(distance.pairwise([P[i] for P in found.values()]).max() for i in range(len(MEANS_AT)))
    return f"{study.kept.size:,} runs, {len(MEANS_AT)} values of progress; means are at most {apart:.1e} apart"


def landmarks_picture(study):
    """Chosen by run; distances on both halves of the samples at once, as if they were training and evaluation."""
    runs, of = study.opened(), np.repeat(np.arange(study.kept.size), study.T)
    which = spread.by_group(min(study.m, len(of)), of, study.progress().ravel())
    halves = (np.arange(study.N) >= study.N // 2).astype(int)
    sums = distance.pairwise(landmarks.part(runs, which), groups=halves)
    D = [part / count for part, count in zip(sums, np.bincount(halves))]
    study.keep("landmarks", which)
    study.keep("halves", np.array(D))
    D = joint.together(*D, tuple(np.bincount(halves)))
    study.keep("landmark_distances", D)
    picture = inpca.fit_landmarks(runs, which, AXES, distances=D)
    inpca.save(study.folder / "picture.npz", picture)
    stress = ", ".join(f"{x:.3f}" for x in picture.explained_stress()[:3])
    return f"{len(of):,} models by {len(which):,} landmarks; 1 to 3 axes explain {stress}"


def joint_pictures(study):
    found = joint.compare(*study.load("halves"))
    return f"{found.objects} objects; Mantel {found.mantel.statistic:.3f}, m^2 of Procrustes {found.procrustes.m2:.1e}"


def dimensions(study):
    runs, which, D = study.landmarks()
    shuffled = [dimension.shuffled(run, i) for i, run in enumerate(runs)]
    chance = inpca.fit(distance.pairwise(landmarks.part(shuffled, which)), AXES)
    ratios = [dimension.of_picture(picture) for picture in (inpca.fit(D, AXES), chance)]
    return f"participation {ratios[0]:.1f}; by chance {ratios[1]:.1f}"


def tangent_picture(study):
    (runs, which, D), progress = study.landmarks(), study.progress()
    middle = [tangents.kernel_mean(runs, progress, at) for at in (tangents.FIRST, tangents.LAST)]
    points = tangents.basis(runs[0].labels, *middle)
    picture = tangents.picture(points)
    placed = tangents.place(picture, points, runs)
    share = tangents.explained(D, placed[which], picture.imaginary[:3])
    return (
        f"{len(placed):,} models placed; three axes explain {share[-1]:.2f} of distances; {tangents.turn(points):.2f}"
    )


def weighted_picture(study):
    _, which, D = study.landmarks()
    lengths = np.unique(which // study.T, return_counts=True)[1]
    stress = inpca.fit(D, weights=weighted.per_trajectory(lengths)).explained_stress(3)
    return f"{len(D):,} landmarks; 3 axes explain {stress:.3f}"


def speeds(study):
    t = [run.t for run in study.opened()]
    found = speed.by_width(t, list(study.progress()), 2.0 ** study.levels()["network"])
    return f"rank {found.rank:.2f}"


def written_page(study):
    picture, levels = inpca.load(study.found("picture.npz")), study.levels()
    index = {name: np.repeat(levels[name].astype(str), study.T) for name in ("network", "optimiser")}
    index["run"] = np.repeat([f"setting {i}" for i in levels["setting"]], study.T)
    index["seed"] = np.repeat(levels["seed"], study.T)
    index["checkpoint"] = np.tile(np.arange(study.T), study.kept.size)
    index["t"], index["progress"] = index["checkpoint"].astype(float), study.progress().ravel()
    [path] = page.write(
        study.folder, picture.coordinates, picture.eigenvalues, picture.imaginary, index, picture.explained_stress()
    )
    return f"{path.stat().st_size / 1e6:.1f} MB"


KEPT = {  # what steps keep for later ones
    "progress of all": ("progress.npy", "errors.npy"),
    "outliers, common progress": ("kept.npy", "grid.npy"),
    "slices and means": ("runs_apart.npy", "settings_apart.npy"),
    "landmarks, joint picture": ("landmarks.npy", "halves.npy", "landmark_distances.npy", "picture.npz"),
}
STEPS = {
    "writing the files": write_files,
    "progress of all": progress_of_all,
    "outliers, common progress": outliers_and_common,
    "slices and means": slices_and_means,
    "importance, settings": importance_of_settings,
    "importance, runs": importance_of_runs,
    "dendrogram": dendrogram,
    "tubes": tubes_of_settings,
    "distance to the geodesic": to_geodesic,
    "six means, of settings": six_means_of_settings,
    "six means, of all runs": six_means_of_all,
    "landmarks, joint picture": landmarks_picture,
    "training and evaluation": joint_pictures,
    "dimension": dimensions,
    "tangents": tangent_picture,
    "weighted picture": weighted_picture,
    "speed": speeds,
    "page": written_page,
}
