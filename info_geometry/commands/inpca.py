"""From prediction files to the InPCA picture: what the command `inpca.py` does."""

import functools
import hashlib
from pathlib import Path

import numpy as np

from info_geometry import comparison, distance, geodesic, inpca
from info_geometry.commands import arguments as shared
from info_geometry.commands.once import once
from info_geometry.embedding.landmarks import choose, part
from info_geometry.figures import embedding as figures
from info_geometry.figures import page
from info_geometry.files import InputError, command, log, remove_orphans, valid_name
from info_geometry.storage import labels, runs
from info_geometry.sums import processes as parallel
from info_geometry.sums import sharing
from info_geometry.uncertainty import resampling, stress

AXES = 10  # that are stored, and can be looked at in the page
GEODESIC = np.linspace(0, 1, 21)  # where the geodesic from ignorance to truth is placed


def main():
    parser = shared.options(inpca.__doc__)
    parser.add_argument("--device", help="of the distances: cpu, cuda, ...; default: cuda where there is one")
    parser.add_argument(
        "--precision",
        choices=distance.PRECISIONS,
        help="of the products in distances; default: float64, on CUDA float32",
    )
    parser.add_argument(
        "--landmarks",
        type=int,
        metavar="M",
        help="measure distances to M models only, chosen evenly "
        "over trajectories, and place the others by them; default: all pairs",
    )
    parser.add_argument("--resume", action="store_true", help="go on with distances that were interrupted")
    parser.add_argument("--published", type=Path, metavar="FILE.pkl", help="draw a published embedding instead")
    parser.add_argument("--names", nargs="+", metavar="TASK", help="of the tasks in --published, in their order")
    arguments = parser.parse_args()
    if arguments.published:
        return published(arguments)
    if arguments.names:
        raise InputError("--names says what the tasks in --published FILE.pkl are; give that file as well")
    if arguments.bootstrap and arguments.landmarks:
        raise InputError(
            "--bootstrap needs all distances; with --landmarks the stress is an estimate, and comes with "
            "its error. Leave one of them out"
        )
    try:
        with parallel.Processes() as processes:
            _run(arguments, processes)
    except sharing.Stopped as stopped:
        log.warning("interrupted: %s", stopped)
        return 130


def published(arguments):
    """Draw a published embedding, in the same style as ours."""
    if arguments.runs or arguments.seeds:
        raise InputError("--published draws all of that file alone; leave out runs and --seeds")
    embedding = inpca.load_published(arguments.published, arguments.names or ())
    name = valid_name(arguments.name or arguments.published.stem, "--name")
    inputs = [hashlib.sha256(arguments.published.read_bytes()).hexdigest(), arguments.names]
    once(
        arguments.plots / name / ".inpca.json",
        inputs,
        lambda: (_report(embedding), draw(arguments.plots / name, embedding, name=name, t_name="checkpoint")),
        redo=arguments.redo,
    )


def _run(arguments, processes):
    """Have the main process do all once, and the others take part in the distances when it needs them."""
    arguments.device = processes.device(arguments.device)
    trajectories, name = runs.find(arguments)
    inputs = [
        runs.identity(trajectories, arguments.predictions),
        str(arguments.predictions),
        arguments.precision,
        arguments.landmarks,
        arguments.bootstrap,
    ]
    state = functools.partial(
        sharing.State,
        arguments.predictions / "embedding" / f".{name}.distances",
        inputs,
        processes,
        resume=arguments.resume,
    )
    if processes.main:
        produce = functools.partial(embed_and_draw, trajectories, name, arguments, processes, state)
        once(arguments.plots / name / ".inpca.json", inputs, produce, redo=arguments.redo)
    elif processes.called():
        _distances(trajectories, arguments, state())


def _chosen(trajectories, arguments):
    """Return the landmarks that the command asks for, or None for all models."""
    M = sum(x.shape[0] for x in trajectories)
    return None if arguments.landmarks is None else choose(arguments.landmarks, M)


def _groups(trajectories, arguments):
    """Return the groups of samples that are drawn anew, or None."""
    return resampling.groups(trajectories[0].shape[1]) if arguments.bootstrap else None


def _distances(trajectories, arguments, state):
    """Return the distances of all models or of the landmarks, in the main process; all of them take part.

    With --bootstrap, the sums over groups of samples (B, M, M).
    """
    which = _chosen(trajectories, arguments)
    return distance.pairwise(
        trajectories if which is None else part(trajectories, which),
        device=arguments.device,
        precision=arguments.precision,
        progress=state.main,
        state=state,
        groups=_groups(trajectories, arguments),
    )


def embed_and_draw(trajectories, name, arguments, processes, begin):
    """Write the embedding of the trajectories and its figures; return what to print and the paths.

    begin() returns the `sharing.State` of the distances, which are kept until all is written.
    """
    index, which = runs.index(trajectories), _chosen(trajectories, arguments)  # refused before the others are called
    processes.call()
    state = begin()
    D, sums = _distances(trajectories, arguments, state), None
    if arguments.bootstrap:
        D, sums = D.sum(axis=0) / trajectories[0].shape[1], D
    summaries = comparison.summarise_all(trajectories, arguments, show=True)
    if None not in summaries:
        index["accuracy"] = np.concatenate([summary.accuracy for summary in summaries])
        index["progress"] = np.concatenate([summary.progress for summary in summaries])
    measured = index if which is None else {name: column[which] for name, column in index.items()}
    report_coincidences(D, measured)
    if which is None:
        embedding = inpca.fit(D, min(AXES, len(D)), index)
    else:
        embedding = inpca.fit_landmarks(
            trajectories,
            which,
            min(AXES, len(which)),
            index=index,
            distances=D,
            progress=True,
            device=arguments.device,
            precision=arguments.precision,
        )
    errors = {} if which is not None else _errors(D, sums, index["seed"], _groups(trajectories, arguments))
    target = arguments.predictions / "embedding" / f"{name}.npz"
    remove_orphans(target.parent, target.name)
    inpca.save(target, embedding)
    folder, t_names = arguments.plots / name, {x.attributes.get("t_name", "t") for x in trajectories}
    placed = marks(embedding, trajectories if which is None else part(trajectories, which), arguments.predictions)
    written = [
        target,
        *draw(folder, embedding, placed, errors, name=name, t_name=t_names.pop() if len(t_names) == 1 else "t"),
        *figures.distance_matrix(folder, D, measured),
    ]
    state.remove()
    return _report(embedding, trajectories[0].shape, arguments.precision, errors), written


def _errors(D, sums, seeds, groups):
    """Return the standard errors (k,) of the explained stress of 1..k axes, in a dict by what causes them."""
    errors = {"seeds": stress.stress_error_of_seeds(D, seeds)}
    if sums is not None:
        errors["samples"] = stress.stress_error_of_samples(sums, np.bincount(groups))
    return {cause: error for cause, error in errors.items() if np.isfinite(error).all()}


def marks(embedding, trajectories, folder):
    """Return the geodesic from ignorance P_0 to truth P_* in an embedding of trajectories (or of these landmarks).

    That is progress (S,) and coordinates (S, k), placed out of sample; None where true labels are not known.
    folder: of the predictions, where published labels are.
    """
    truth = [labels.labels(x, folder) for x in trajectories]
    if any(known is None for known in truth):
        return None
    distances = [geodesic.distances(x, known, GEODESIC) for x, known in zip(trajectories, truth)]
    return GEODESIC, embedding.transform(np.concatenate(distances).T)


def draw(folder, embedding, placed=None, errors=None, *, name="InPCA", t_name="t"):
    """Draw the figures of an embedding, and its page; return the paths.

    placed: what `marks` returns, or None.  errors: of the explained stress, a dict cause -> (k,).
    """
    stress, axes = embedding.explained_stress(), min(3, embedding.coordinates.shape[1])
    return [
        *figures.embedding(
            folder,
            embedding.coordinates[:, :3],
            embedding.imaginary[:axes],
            embedding.index,
            stress,
            None if placed is None else placed[1],
        ),
        *figures.spectrum(folder, embedding.eigenvalues, embedding.imaginary, stress, errors),
        *page.write(
            folder,
            embedding.coordinates,
            embedding.eigenvalues,
            embedding.imaginary,
            embedding.index,
            stress,
            placed,
            name=name,
            t_name=t_name,
        ),
    ]


def _report(embedding, shape=None, precision=None, errors=None):
    """Return what the command says of an embedding, of predictions of a shape (., N, C)."""
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
        for cause, error in (errors or {}).items()
    ]
    return "\n".join(lines)


def report_coincidences(D, index):
    """Log pairs of models of different seeds of a run at distance 0: such copies deflate the spread over seeds."""
    i, j = np.nonzero(np.triu(D < 1e-9, 1))
    same = (index["run"][i] == index["run"][j]) & (index["seed"][i] != index["seed"][j])
    for a, b in list(zip(i[same], j[same]))[:3]:
        log.warning(
            "warning: %s: seeds %d and %d coincide at checkpoints %d and %d (distance 0)",
            index["run"][a],
            index["seed"][a],
            index["seed"][b],
            index["checkpoint"][a],
            index["checkpoint"][b],
        )
    if same.sum() > 3:
        log.warning("warning: ... and %d more pairs of models of different seeds", same.sum() - 3)


if __name__ == "__main__":
    command(main)
