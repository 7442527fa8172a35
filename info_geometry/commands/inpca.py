"""From prediction files to the InPCA picture: what the command `inpca.py` does."""

import argparse
import functools
import hashlib
from pathlib import Path

import numpy as np

from info_geometry import distance, inpca
from info_geometry.commands import arguments as shared
from info_geometry.commands import once, picture
from info_geometry.embedding import landmarks as by_landmarks
from info_geometry.files import InputError, command, log, remove_orphans, valid_name
from info_geometry.storage import runs
from info_geometry.sums import processes as parallel
from info_geometry.sums import sharing
from info_geometry.uncertainty import resampling


def parse(argv: list[str] | None = None) -> argparse.Namespace:
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
    arguments = parser.parse_args(argv)
    if arguments.published and (arguments.runs or arguments.seeds):
        raise InputError("--published draws all of that file alone; leave out runs and --seeds")
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
        return published(arguments.published, arguments.names, name, arguments.plots / name, redo=arguments.redo)
    try:
        with parallel.Processes() as processes:
            trajectories, name = shared.find(arguments)
            share(
                trajectories,
                name,
                processes,
                folder=arguments.plots / name,
                predictions=arguments.predictions,
                device=arguments.device,
                precision=arguments.precision,
                landmarks=arguments.landmarks,
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
    predictions: Path,
    device: str | None = None,
    precision: str | None = None,
    landmarks: int | None = None,
    bootstrap: bool = False,
    resume: bool = False,
    redo: bool = False,
) -> None:
    """Have the main process do all once, and the others take part in the distances when it needs them."""
    target = predictions / "embedding" / f"{name}.npz"
    index, t_names = runs.index(trajectories), {x.attributes.get("t_name", "t") for x in trajectories}
    inputs = [runs.identity(trajectories), str(predictions), precision, landmarks, bootstrap]
    which = np.arange(len(index["t"])) if landmarks is None else by_landmarks.choose(landmarks, len(index["t"]))
    measured = by_landmarks.part(trajectories, which)
    groups = resampling.groups(trajectories[0].shape[1]) if bootstrap else None
    options = {"device": processes.device(device), "precision": precision}
    state = functools.partial(sharing.State, target.with_name(f".{name}.distances"), inputs, processes, resume=resume)
    measure = functools.partial(distance.pairwise, measured, progress=processes.main, groups=groups, **options)
    kept = once.Kept(folder / ".inpca.npz", inputs)

    def produce():
        begun, found = None, None if redo else picture.recall(kept, target, which)
        if found is None:
            processes.call()
            begun = state()
            found = picture.embed(
                trajectories, index, which, measure(state=begun), groups, landmarks is not None, options
            )
            remove_orphans(target.parent, target.name)
            inpca.save(target, found.embedding)
        written = [target, *picture.draw(folder, found, name=name, t_name=t_names.pop() if len(t_names) == 1 else "t")]
        if begun:
            picture.remember(kept, target, found)
            begun.remove()  # not before: distances outlive what fails after them
        return picture.report(found, trajectories[0].shape, precision), written

    if processes.main:
        once.once(folder / ".inpca.json", inputs, produce, redo=redo)
    elif processes.called():
        measure(state=state())


if __name__ == "__main__":
    command(main)
