"""From prediction files to the InPCA picture: what the command `inpca.py` does."""

import argparse
import contextlib
import functools
import hashlib
from pathlib import Path

import numpy as np

from info_geometry import distance, inpca
from info_geometry.commands import arguments as shared
from info_geometry.commands import once, picture, place
from info_geometry.embedding import landmarks as by_landmarks
from info_geometry.embedding import spread
from info_geometry.files import InputError, command, log, remove_orphans, valid_name
from info_geometry.storage import runs
from info_geometry.sums import processes as parallel
from info_geometry.sums import sharing


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = shared.options(inpca.__doc__)
    parser.add_argument("--device", help="of the distances: cpu, cuda, ...; default: cuda where there is one")
    parser.add_argument(
        "--precision",
        choices=distance.PRECISIONS,
        help="of the products in distances; default: float64 for few predictions, else float32",
    )
    parser.add_argument(
        "--landmarks",
        type=int,
        metavar="M",
        help="measure distances to M models only, chosen evenly "
        "over trajectories, and place the others by them; default: all pairs",
    )
    parser.add_argument(
        "--by-run",
        action="store_true",
        help="with --landmarks: each run of each seed has its share of them, at even checkpoints",
    )
    parser.add_argument(
        "--embedding",
        type=Path,
        metavar="FILE.npz",
        help="where to store it; default: embedding/<name>.npz in --predictions, or if nothing can be written there "
        "<name>/embedding.npz in --plots",
    )
    parser.add_argument(
        "--into", metavar="NAME", help="place the RUNs in the stored picture of this name, which stays as it is"
    )
    parser.add_argument("--resume", action="store_true", help="go on with distances that were interrupted")
    parser.add_argument("--published", type=Path, metavar="FILE.pkl", help="draw a published embedding instead")
    parser.add_argument("--names", nargs="+", metavar="TASK", help="of the tasks in --published, in their order")
    arguments = parser.parse_args(argv)
    others = arguments.published, arguments.landmarks, arguments.by_run, arguments.bootstrap, arguments.resume
    if arguments.into and any(others):
        raise InputError(
            "--into NAME places runs in a picture that is there, by their distances to its models; leave "
            "--published, --landmarks, --by-run, --bootstrap and --resume out"
        )
    if arguments.into and not arguments.runs:
        raise InputError(f"--into {arguments.into}: say which runs to place in it: inpca.py RUN ... --into NAME")
    if arguments.published and (arguments.runs or arguments.seeds):
        raise InputError("--published draws all of that file alone; leave out runs and --seeds")
    if arguments.by_run and not arguments.landmarks:
        raise InputError("--by-run says how landmarks are chosen; say how many with --landmarks M")
    if arguments.names and not arguments.published:
        raise InputError("--names says what the tasks in --published FILE.pkl are; give that file as well")
    if arguments.bootstrap and arguments.landmarks and not arguments.published:
        raise InputError(
            "--bootstrap needs all distances; with --landmarks the stress is an estimate, and comes with "
            "its error. Leave one of them out"
        )
    return arguments


def main(argv: list[str] | None = None) -> int | None:
    arguments = parse(argv)
    if arguments.published:
        name = valid_name(arguments.name or arguments.published.stem, "--name")
        shared.check_plots(arguments.plots, name)
        return published(arguments.published, arguments.names, name, arguments.plots / name, redo=arguments.redo)
    if arguments.into:
        place.place(
            arguments.into,
            arguments.runs,
            name=valid_name(arguments.name or f"{arguments.into}_placed", "--name"),
            predictions=arguments.predictions,
            plots=arguments.plots,
            seeds=arguments.seeds,
            embedding=arguments.embedding,
            device=arguments.device,
            precision=arguments.precision,
            redo=arguments.redo,
        )
        return
    try:
        with parallel.Processes() as processes:
            trajectories, name = shared.find(arguments)
            if sum(x.shape[0] for x in trajectories) < 2:
                raise InputError(f"{trajectories[0].name} is one model; a picture shows distances of two or more")
            share(
                trajectories,
                name,
                processes,
                folder=arguments.plots / name,
                target=shared.embedding_path(
                    arguments.embedding, arguments.predictions, arguments.plots, name, quiet=not processes.main
                ),
                device=arguments.device,
                precision=arguments.precision,
                landmarks=arguments.landmarks,
                by_run=arguments.by_run,
                bootstrap=arguments.bootstrap,
                resume=arguments.resume,
                redo=arguments.redo,
            )
    except sharing.Stopped as stopped:
        log.warning("interrupted: %s", stopped)
        return 130


def published(path: Path, names: list[str] | None, name: str, folder: Path, *, redo: bool = False) -> None:
    """Draw a published embedding, in the same style as ours."""
    theirs = picture.Picture(inpca.load_published(path, names or ()))
    inputs = [hashlib.sha256(path.read_bytes()).hexdigest(), names]

    def produce():
        return picture.report(theirs), picture.draw(folder, theirs, name=name, t_name="checkpoint")

    once.once(folder / ".inpca.json", inputs, produce, redo=redo)


def share(
    trajectories: list,
    name: str,
    processes: parallel.Processes,
    *,
    folder: Path,
    target: Path,
    device: str | None = None,
    precision: str | None = None,
    landmarks: int | None = None,
    by_run: bool = False,
    bootstrap: bool = False,
    resume: bool = False,
    redo: bool = False,
) -> None:
    """Have the main process do all once, and the others take part in the distances when it needs them.

    folder: of the figures.  target: the file of the embedding.
    """
    index, t_name = runs.index(trajectories), runs.t_name(trajectories)
    inputs = [
        runs.identity(trajectories),
        str(target),
        precision,
        landmarks,
        bootstrap,
        *(["by run and seed"] if by_run else []),
    ]
    M, even = len(index["t"]), {}
    if by_run:
        even = {"groups": spread.together(index["run"], index["seed"]), "along": index["checkpoint"]}
    which = np.arange(M) if landmarks is None else by_landmarks.choose(landmarks, M, **even)
    measured = by_landmarks.part(trajectories, which)
    groups = shared.groups(trajectories, bootstrap)
    options = {"device": processes.device(device), "precision": precision}
    begun = []

    def state(of, unit):
        path = target.with_name(f".{name}.{of}")
        begun.append(sharing.State(path, inputs, processes, resume=resume, unit=unit))
        return begun[-1]

    distances, places = (functools.partial(state, *words) for words in (("distances", "samples"), ("places", "models")))
    measure = functools.partial(distance.pairwise, measured, progress=processes.main, groups=groups, **options)
    kept = once.Kept(folder / ".inpca.npz", inputs)

    def produce():
        found = None if redo else picture.recall(kept, target, which)
        if found is None:
            processes.call()
            sums = measure(state=distances())
            found = picture.embed(
                trajectories, index, which, sums, groups, landmarks is not None, options, state=places
            )
            remove_orphans(target.parent, target.name)
            _say_what_is_replaced(target, index)
            inpca.save(target, found.embedding)
        written = [target, *picture.draw(folder, found, name=name, t_name=t_name)]
        if begun:
            picture.remember(kept, target, found)
            for one in begun:  # not before: what took long outlives what fails after it
                one.remove()
        return picture.report(found, trajectories[0].shape, precision), written

    if processes.main:
        once.once(folder / ".inpca.json", inputs, produce, redo=redo)
    elif processes.called():
        measure(state=distances())
        if landmarks is not None:
            by_landmarks.place(None, trajectories, measured, state=places(), **options)


def _say_what_is_replaced(target, index):
    """Warn where the file of an embedding holds other runs, whose picture had the same name."""
    with contextlib.suppress(InputError):
        others = sorted({*inpca.load(target).index.get("run", ())} - {*index["run"]}) if target.exists() else []
        if others:
            log.warning(
                "warning: %s held a picture with %s, and is replaced; give each its own name with --name",
                target,
                ", ".join(map(str, others[:5])) + (" and others" if len(others) > 5 else ""),
            )


if __name__ == "__main__":
    command(main)
