"""The picture that `inpca.py` makes: an embedding with what is drawn beside it; computed, kept, drawn and reported."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from info_geometry import comparison, distance, geodesic, inpca
from info_geometry.commands.once import Kept
from info_geometry.embedding import landmarks
from info_geometry.figures import beside, page
from info_geometry.figures import embedding as figures
from info_geometry.files import log
from info_geometry.sums.sharing import State
from info_geometry.uncertainty import stress

NEAR = 1e-9  # a distance that is rounding
STORED_AXES = 10  # that can be looked at in the page


@dataclass(frozen=True)
class Picture:
    """An embedding, and what is drawn beside it.

    D (m, m): the distances between the models `which` (m,), all or the landmarks; None of a published embedding.
    geodesic (S, k): from ignorance to truth in the embedding, at `geodesic.POINTS`, or None.  errors: of the explained
    stress, a dict cause -> (k,).
    """

    embedding: inpca.Embedding
    D: np.ndarray | None = None
    which: np.ndarray | None = None
    geodesic: np.ndarray | None = None
    errors: dict = field(default_factory=dict)


def embed(
    trajectories: list,
    index: dict,
    which: np.ndarray,
    sums: np.ndarray,
    groups: np.ndarray | None,
    by_landmarks: bool,
    options: dict,
    state: Callable[[], State] | None = None,
) -> Picture:
    """Return the Picture of all models of the trajectories, from distances between some of them.

    index: of all models.  which (m,): the models that were measured, all or the landmarks.  sums: the distances
    between these (m, m), or with groups of samples (N,) those sums of which they are made, (B, m, m).  options: device
    and precision of further distances, to landmarks.  state: as for `inpca.fit_landmarks`.
    """
    D, by_group = (sums, None) if groups is None else (sums.sum(axis=0) / len(groups), sums)
    summaries, placed = comparison.summarise_all(trajectories, points=geodesic.POINTS, show=True), None
    index, known = with_summaries(index, summaries), None not in summaries
    report_coincidences(trajectories, which, D, index)
    k = min(STORED_AXES, len(which))
    if by_landmarks:
        options = {**options, "progress": True, "state": state}
        embedding = inpca.fit_landmarks(trajectories, which, k, index=index, distances=D, **options)
        errors = {}
    else:
        embedding = inpca.fit(D, k, index)
        errors = stress.errors(D, index["seed"], by_group, groups)
    if known:
        placed = embedding.transform(np.concatenate([x.to_geodesic for x in summaries])[which].T)
    return Picture(embedding, D, which, placed, errors)


def with_summaries(index: dict, summaries: list) -> dict:
    """Return an index of models with the accuracy and progress of each, by both objectives, where these are known."""
    if None in summaries:
        return index
    columns = {"accuracy": "accuracy", "progress": "progress", "progress_bhattacharyya": "other"}
    found = {name: np.concatenate([getattr(x, key) for x in summaries]) for name, key in columns.items()}
    return {**index, **found}


def remember(kept: Kept, target: Path, picture: Picture) -> None:
    """Keep what is drawn beside the embedding, which is in the file `target`, to draw it again."""
    arrays = {"D": picture.D, **{f"errors_{cause}": error for cause, error in picture.errors.items()}}
    if picture.geodesic is not None:
        arrays["geodesic"] = picture.geodesic
    kept.write(target, arrays)


def recall(kept: Kept, target: Path, which: np.ndarray) -> Picture | None:
    """Return the Picture that was remembered, if that and its embedding are still there; or None."""
    found = kept.read(target)
    if found is None:
        return None
    errors = {name.removeprefix("errors_"): found[name] for name in found if name.startswith("errors_")}
    return Picture(inpca.load(target), found["D"], which, found.get("geodesic"), errors)


@beside.copies()
def draw(folder: Path, picture: Picture, *, name: str = "InPCA", t_name: str = "t") -> list[Path]:
    """Draw the figures of a picture, and its page; return the paths."""
    embedding, placed = picture.embedding, picture.geodesic
    explained, axes = embedding.explained_stress(), min(3, embedding.coordinates.shape[1])
    index, imaginary, eigenvalues = embedding.index, embedding.imaginary, embedding.eigenvalues
    written = [
        *figures.embedding(folder, embedding.coordinates[:, :3], imaginary[:axes], index, explained, placed),
        *figures.spectrum(folder, eigenvalues, imaginary, explained, picture.errors),
    ]
    if picture.D is not None:
        measured = {column: values[picture.which] for column, values in index.items()}
        written += figures.distance_matrix(folder, picture.D, measured)
    marks = None if placed is None else (geodesic.POINTS, placed)
    coordinates = embedding.coordinates
    written += page.write(
        folder, coordinates, eigenvalues, imaginary, index, explained, marks, name=name, t_name=t_name
    )
    return written


def report(picture: Picture, shape: tuple | None = None, precision: str | None = None) -> str:
    """Return what the command says of a picture, of predictions of a shape (., N, C)."""
    embedding = picture.embedding
    imaginary = ", ".join(str(i + 1) for i in np.flatnonzero(embedding.imaginary[:5])) or "none"
    values = [f"{s:.4f}" for s in embedding.explained_stress()[:5]]
    lines = [f"{len(embedding.coordinates)} models" + (f", {shape[1]} samples, {shape[2]} classes" if shape else "")]
    if precision not in (None, "float64"):
        lines[0] += f"; distances in {precision}"
    if embedding.landmarks is None:
        text = f"explained stress of 1..5 axes: {' '.join(values)}"
    else:
        lines[0] += f"; {len(embedding.landmarks)} landmarks"
        values = [f"{s} +- {error:.1g}" for s, error in zip(values, embedding.stress_error)]
        text = f"estimated explained stress of 1..5 axes: {', '.join(values)}"
    lines.append(f"{text} (imaginary: {imaginary})")
    lines += [
        f"    +- for other {cause:11}      {' '.join(f'{e:.4f}' for e in error)}"
        for cause, error in picture.errors.items()
    ]
    return "\n".join(lines)


def report_coincidences(trajectories: list, which: np.ndarray, D: np.ndarray, index: dict) -> None:
    """Log pairs of models of different seeds of a run at distance 0: such copies deflate the spread over seeds.

    which (m,): the models of the trajectories between which D (m, m) are distances.  index: of all models.
    """
    run, seed, checkpoint = (index[column][which] for column in ("run", "seed", "checkpoint"))
    near = [np.nonzero(np.triu(D[k : k + 256] < NEAR, k + 1)) for k in range(0, len(D), 256)]
    i = np.concatenate([rows + 256 * k for k, (rows, _) in enumerate(near)])
    j = np.concatenate([columns for _, columns in near])
    same = (run[i] == run[j]) & (seed[i] != seed[j])
    if not same.any():
        return
    models, places = np.unique([i[same], j[same]], return_inverse=True)  # again, since float32 may take near for equal
    i, j = places.reshape(2, -1)
    exact = distance.pairwise(landmarks.part(trajectories, which[models]), precision="float64")[i, j] < NEAR
    pairs = [*zip(models[i[exact]], models[j[exact]])]
    for a, b in pairs[:3]:
        log.warning(
            "warning: %s: seeds %d and %d coincide at checkpoints %d and %d (distance 0)",
            run[a],
            seed[a],
            seed[b],
            checkpoint[a],
            checkpoint[b],
        )
    if len(pairs) > 3:
        log.warning("warning: ... and %d more pairs of models of different seeds", len(pairs) - 3)
