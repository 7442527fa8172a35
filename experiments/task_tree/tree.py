"""The tree: an embedding beside the WordNet tree of its tasks, and how far the distances of the two agree.  [command]

    python experiments/task_tree/tree.py --name NAME [--task RUN=TASK ...] [--dataset DATASET]

reads predictions/embedding/<name>.npz (made by inpca.py) and plots/<name>/integrals.csv and trajectories.csv (by
trajectory.py), prints a Mantel test of the distances of trajectories against those of tasks in WordNet, and against
those of their classes, and writes plots/<name>/tree.csv, tree.png and tree.pdf.  About 4 seconds on 2 CPU cores.

    python experiments/task_tree/tree.py --published FILE.pkl
        --runs imagenet_all imagenet_3rd imagenet_instr imagenet_vert

draws a published embedding beside its tree; there are no distances of trajectories to test then.  See README.md.
"""

import argparse
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from experiments.task_tree import agreement, places
from info_geometry.commands.once import once
from info_geometry.comparison import same_range
from info_geometry.figures.tree import task_tree
from info_geometry.files import ROOT, InputError, command, valid_name
from info_geometry.storage import embeddings, tables
from info_geometry.uncertainty.mantel import PERMUTATIONS
from learning import tasks
from learning.tasks import wordnet


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    arguments = _parse(argv)
    name = valid_name(arguments.name or arguments.published.stem, "--name")
    folder, permutations = arguments.plots / name, arguments.permutations
    if arguments.published:
        path, measured = arguments.published, None
        embedding = embeddings.read_published(path, arguments.runs)
    else:
        path = embeddings.find(arguments.predictions, arguments.plots, name)
        embedding = read_embedding(path, name)
        measured = tables.read_distances(folder, embedding["index"]["run"], name)
    found = places.find_tasks(embedding["index"]["run"], arguments.task, arguments.dataset)
    source = *sorted(Path(__file__).parent.glob("*.py")), wordnet.__file__, wordnet.WORDNET
    data, *source = (hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (path, *source))
    inputs = [[data, repr(measured)], source, {run: repr(task) for run, task in found.items()}, permutations]
    once(
        folder / ".tree.json",
        inputs,
        lambda: compare_and_draw(embedding, found, measured, folder, permutations),
        redo=arguments.redo,
    )


def _parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", help="name of the picture, as for inpca.py and trajectory.py")
    parser.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="RUN=TASK",
        help="the task of a run whose name does not say it: a synset, or what learning.tasks knows",
    )
    parser.add_argument("--dataset", help="whose tasks they are; default: what names of runs begin with")
    parser.add_argument("--published", type=Path, metavar="FILE", help="a published embedding (.pkl) instead")
    parser.add_argument("--runs", nargs="+", default=[], metavar="RUN", help="names of the runs in it, in their order")
    parser.add_argument("--permutations", type=int, default=PERMUTATIONS, help="of the tests (default: %(default)s)")
    parser.add_argument("--predictions", type=Path, default=ROOT / "predictions", help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=ROOT / "plots", help="default: %(default)s")
    parser.add_argument("--redo", action="store_true", help="compute and draw again what is there already")
    arguments = parser.parse_args(argv)
    if arguments.name is None and arguments.published is None:
        parser.error("say --name NAME, as to inpca.py and trajectory.py, or --published FILE")
    return arguments


def read_embedding(path: Path, name: str) -> dict:
    """Return the fields of an embedding; raise InputError where it does not name its runs."""
    found = embeddings.read(path)
    if not {"run", "seed", "checkpoint"} <= found["index"].keys():
        raise InputError(
            f"{path} does not say of which runs it is; make it again with: python -m info_geometry.inpca "
            f"--name {name} --redo"
        )
    return found


def compare_and_draw(
    embedding: dict,
    found: dict[str, tasks.Task | str],
    measured: tuple[dict, dict] | None,
    folder: Path,
    permutations: int,
) -> tuple[str, list[Path]]:
    """Test, write the table and draw; return the report and the paths.

    embedding: its fields.  found: run -> Task, or why it has none.  measured: what `tables.read_distances` returns.
    """
    known = {run: task for run, task in found.items() if isinstance(task, tasks.Task)}
    synsets = {run: node for run, task in known.items() if (node := tasks.place(task))}
    classes = {run: set(task.classes) for run, task in known.items() if not task.random_labels}
    lines, written, panels, note = places.describe(found, synsets), [], [], ""
    if measured is None:
        lines.append("a published embedding comes without distances of trajectories: nothing is tested")
    else:
        distances, curves = measured
        whole, left_out = agreement.leave_out_unknown(list(classes), distances)
        of_tasks = agreement.distances_of_tasks(synsets, classes)
        same, ends = same_range({pair: curves[pair] for pair in itertools.combinations(whole, 2)})
        tested = {agreement.WORDNET: [run for run in whole if run in synsets], agreement.JACCARD: whole}
        result = agreement.compare(tested, distances, of_tasks, same, ends, permutations)
        lines, panels, note = [*lines, *left_out, *result.lines], result.panels, result.note
        written.append(agreement.write_table(folder / "tree.csv", distances, same, of_tasks))
    if synsets or panels:
        dataset = next(iter(known.values())).dataset
        written += task_tree(
            folder,
            embedding["coordinates"],
            embedding["imaginary"],
            embedding["index"],
            places.tree(synsets, dataset) if synsets else None,
            panels,
            [run for run in found if run not in (synsets or classes)],
            note,
        )
    return "\n".join(lines), written


if __name__ == "__main__":
    command(main)
