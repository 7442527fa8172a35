"""Runs placed in a picture that is there: what `inpca.py RUN ... --into NAME` does.

New models are placed by their distances to the models of the picture (`inpca.Embedding.transform`), which stay where
they are; to make a new picture of all would move them.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from info_geometry import comparison, distance, geodesic, inpca
from info_geometry.commands import arguments as shared
from info_geometry.commands import once, picture
from info_geometry.embedding import landmarks as by_landmarks
from info_geometry.files import InputError, log
from info_geometry.storage import beside, embeddings, runs
from info_geometry.storage.trajectories import check_shapes, open_trajectory

NEAR = 1e-3  # of the extent of a picture: how far its models may come out from where they were


def place(
    into: str,
    patterns: list[str],
    *,
    name: str,
    predictions: Path,
    plots: Path,
    seeds: list[int] | None = None,
    embedding: Path | None = None,
    device: str | None = None,
    precision: str | None = None,
    redo: bool = False,
) -> None:
    """Place the runs of these patterns in the stored picture `into`; draw and store all under another name.

    embedding: where that is stored, by default where embeddings are.
    """
    path = embeddings.find(predictions, plots, into)
    old = inpca.load(path)
    if name == into:
        raise InputError(f"--name {name} is that of the picture which stays as it is; choose another")
    there = opened(path, old, predictions)
    new, _ = runs.find(predictions, patterns, name=name, seeds=seeds)
    shared.check_plots(plots, name)
    check_shapes([*there, *new])
    runs.check_alike([*there, *new])
    if both := {(x.run, x.seed) for x in there} & {(x.run, x.seed) for x in new}:
        raise InputError(f"{min(both)[0]} is in the picture {into}; place other runs")
    target = shared.embedding_path(embedding, predictions, plots, name)
    options = {"device": device, "precision": precision}

    def produce():
        check_unmoved(old, there, path, options)
        found, lines = placed(old, there, new, options)
        inpca.save(target, found.embedding)
        t_name = runs.t_name([*there, *new])
        return "\n".join(lines), [target, *picture.draw(plots / name, found, name=name, t_name=t_name)]

    inputs = [runs.identity([*there, *new]), once.digest(path), str(target), precision]
    once.once(plots / name / ".inpca.json", inputs, produce, redo=redo)


def opened(path: Path, embedding: inpca.Embedding, predictions: Path) -> list:
    """Return the opened trajectories of all models of an embedding, in its order, with their labels.

    Raises InputError where it does not name them, or their files are gone or hold other numbers of checkpoints.
    """
    index = embedding.index
    if embedding.column_means is None or not {"run", "seed", "t"} <= index.keys():
        raise InputError(f"{path} does not say what places new models; make it again with inpca.py")
    pairs = list(dict.fromkeys(zip(map(str, index["run"]), map(int, index["seed"]))))
    found = []
    for run, seed in pairs:
        file = runs.seeds_of(predictions / run).get(seed)
        if file is None:
            raise InputError(f"{predictions / run} has no seed {seed}, which {path} shows; say --predictions FOLDER")
        found.append(open_trajectory(file))
        beside.attach(found[-1], predictions)
        t = index["t"][(index["run"] == run) & (index["seed"] == seed)]
        if not np.array_equal(found[-1].t, t):
            raise InputError(f"{file} holds other checkpoints than {path} shows; make that again with inpca.py")
    return found


def check_unmoved(embedding: inpca.Embedding, there: list, path: Path, options: dict) -> None:
    """Raise InputError where the first or last model of a trajectory does not come out at its place in the embedding.

    So it is when its file, or another one, is not what the embedding was made of.
    """
    ends = [x.select([0, -1]) for x in there]
    stops = np.cumsum([x.shape[0] for x in there])
    rows = np.ravel([[stop - x.shape[0], stop - 1] for stop, x in zip(stops, there)])
    found = embedding.transform(distance.cross(ends, measured(embedding, there), **options))
    away = np.abs(found - embedding.coordinates[rows]).max(axis=1)
    worst = int(away.argmax())
    if away[worst] > NEAR * np.ptp(embedding.coordinates, axis=0).max():
        raise InputError(
            f"{there[worst // 2].name} has no longer the predictions that {path} was made of, or another run of it "
            "has: make it again with inpca.py"
        )


def measured(embedding: inpca.Embedding, there: list) -> list:
    """Return the models that distances are measured to: all, or the landmarks."""
    return there if embedding.landmarks is None else by_landmarks.part(there, embedding.landmarks)


def placed(embedding: inpca.Embedding, there: list, new: list, options: dict) -> tuple[picture.Picture, list[str]]:
    """Return the Picture of an embedding with new trajectories placed in it, and lines that say how well they fit."""
    to = measured(embedding, there)
    D = distance.cross(new, to, progress=True, **options)
    index = picture.with_summaries(runs.index(new), comparison.summarise_all(new, show=True))
    columns = {key: np.concatenate([embedding.index[key], index[key]]) for key in embedding.index if key in index}
    M, k = len(embedding.coordinates), embedding.coordinates.shape[1]
    both = replace(
        embedding,
        coordinates=np.concatenate([embedding.coordinates, embedding.transform(D)]),
        index=columns,
        landmarks=np.arange(M) if embedding.landmarks is None else embedding.landmarks,
        placing=embedding.dual(),
        origin=np.zeros(k) if embedding.origin is None else embedding.origin,
    )
    marks = inpca.place_geodesic(embedding, to, geodesic.POINTS)
    stress = embedding.placed_stress(D, min(5, k))
    lines = [
        f"{len(D)} models of {len(new)} trajectories placed among {M}, which stay where they are",
        f"explained stress of 1..{len(stress)} axes: {' '.join(f'{s:.4f}' for s in embedding.explained_stress()[:5])}",
        f"    of the placed models      {' '.join(f'{s:.4f}' for s in stress)}",
    ]
    if stress[-1] < 0.5 * embedding.explained_stress()[len(stress) - 1]:
        log.warning("warning: the axes of this picture show little of how the placed models differ; draw all in one")
    return picture.Picture(both, None, None, None if marks is None else marks[1]), lines
