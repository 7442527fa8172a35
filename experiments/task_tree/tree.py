"""The tree: an embedding beside the WordNet tree of its tasks, and how far the distances of the two agree.

    python -m experiments.task_tree.tree --name NAME [--task RUN=TASK ...] [--dataset DATASET]

reads predictions/embedding/<name>.npz (made by inpca.py) and plots/<name>/integrals.csv and trajectories.csv (by
trajectory.py), prints a Mantel test of the distances of trajectories against those of tasks in WordNet, and against
those of their classes, and writes plots/<name>/tree.csv, tree.png and tree.pdf.  About 4 seconds on 2 CPU cores.

    python -m experiments.task_tree.tree --published FILE.pkl
        --runs imagenet_all imagenet_3rd imagenet_instr imagenet_vert

draws a published embedding beside its tree; there are no distances of trajectories to test then.  See README.md.
"""

import argparse
import csv
import hashlib
import itertools
import math
from pathlib import Path

import numpy as np

from info_geometry.commands.once import once
from info_geometry.comparison import same_range
from info_geometry.figures import tree as plot_tree
from info_geometry.files import ROOT, InputError, atomic_path, command, valid_name
from info_geometry.storage import embeddings, tables
from info_geometry.uncertainty.mantel import PERMUTATIONS, mantel
from learning import tasks
from learning.tasks import wordnet

WORDNET, JACCARD = "WordNet path length", "Jaccard distance of classes"
CAVEAT = "Mantel test, one-sided: distances that share a task are not independent, so tasks are permuted, not pairs."


def options():
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
    arguments = parser.parse_args()
    if arguments.name is None and arguments.published is None:
        parser.error("say --name NAME, as to inpca.py and trajectory.py, or --published FILE")
    return arguments


def main():
    arguments = options()
    name = valid_name(arguments.name or arguments.published.stem, "--name")
    folder = arguments.plots / name
    if arguments.published:
        path, measured = arguments.published, None
        embedding = embeddings.read_published(path, arguments.runs)
    else:
        path = arguments.predictions / "embedding" / f"{name}.npz"
        embedding = read_embedding(path, name)
        measured = tables.read_distances(folder, embedding["index"]["run"], name)
    places = find_tasks(embedding["index"]["run"], arguments.task, arguments.dataset)
    data, *source = (
        hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for file in (path, __file__, wordnet.__file__, wordnet.WORDNET)
    )
    inputs = [[data, repr(measured)], source, {run: repr(task) for run, task in places.items()}, arguments.permutations]
    once(
        folder / ".tree.json",
        inputs,
        lambda: compare_and_draw(embedding, places, measured, folder, arguments.permutations),
        redo=arguments.redo,
    )


def read_embedding(path, name):
    """Return the fields of an embedding, with the runs that its index names."""
    if not path.exists():
        raise InputError(f"{path}: no such file; make it with: python info_geometry/inpca.py --name {name}")
    found = embeddings.read(path)
    if not {"run", "seed", "checkpoint"} <= found["index"].keys():
        raise InputError(
            f"{path} does not say of which runs it is; make it again with: python info_geometry/inpca.py "
            f"--name {name} --redo"
        )
    return found


def find_tasks(names, given, dataset=None):
    """Return {run: Task, or the reason why it has none}: from `given` RUN=TASK, else from names <dataset>_<task>."""
    names, stated = list(dict.fromkeys(map(str, names))), dict(each.partition("=")[::2] for each in given)
    for run, task in stated.items():
        if run not in names or not task:
            raise InputError(f"--task {run}={task}: expected RUN=TASK, RUN being one of {', '.join(names)}")
    if dataset is not None:
        tasks.facts(dataset)  # or it is refused
    found = {}
    for run in names:
        head, _, tail = run.partition("_")
        of = dataset or head
        if of not in tasks.DATASETS:
            if run in stated:
                raise InputError(f"--task {run}={stated[run]}: {run} begins with no data set; say --dataset")
            found[run] = "its name begins with no data set (--dataset says it)"
            continue
        try:
            found[run] = tasks.load(of, stated.get(run, tail))
        except InputError:
            if run in stated:
                raise
            found[run] = f"its name says no task of {of} (--task {run}=TASK says it)"
    several = sorted({task.dataset for task in found.values() if isinstance(task, tasks.Task)})
    if len(several) > 1:
        raise InputError(f"the tasks are of {' and '.join(several)}, whose classes do not compare; say --dataset")
    if not several:
        raise InputError(f"of no run the task is known; of {names[0]}: {found[names[0]]}")
    return found


def compare_and_draw(embedding, places, measured, folder, permutations):
    """Test, write the table and draw; return the report and the paths."""
    known = {run: task for run, task in places.items() if isinstance(task, tasks.Task)}
    synsets = {run: node for run, task in known.items() if (node := tasks.place(task))}
    lines, written, panels, note = _table(places, synsets), [], [], ""
    if measured is None:
        lines.append("a published embedding comes without distances of trajectories: nothing is tested")
    else:
        distances, curves = measured
        meant = {run: set(task.classes) for run, task in known.items() if not task.random_labels}
        unknown = _unknown(meant, distances, lines)
        whole = [run for run in meant if run not in unknown]
        of_tasks = {
            WORDNET: {
                (a, b): wordnet.path_length(synsets[a], synsets[b]) for a, b in itertools.combinations(synsets, 2)
            },
            JACCARD: {
                (a, b): 1 - len(meant[a] & meant[b]) / len(meant[a] | meant[b])
                for a, b in itertools.combinations(meant, 2)
            },
        }
        same, ends = same_range({pair: curves[pair] for pair in itertools.combinations(whole, 2)})
        written.append(_write_table(folder / "tree.csv", [distances, same, *of_tasks.values()]))
        panels, note = _compare(whole, synsets, distances, same, ends, of_tasks, permutations, lines)
    if synsets or panels:
        aside = [run for run in places if run not in (synsets or meant)]
        written += plot_tree.task_tree(
            folder,
            embedding["coordinates"],
            embedding["imaginary"],
            embedding["index"],
            _nodes(synsets, known) if synsets else None,
            panels,
            aside,
            note,
        )
    return "\n".join(lines), written


def _table(places, synsets):
    """Return the lines that say where every run stands in WordNet, or why it does not."""
    width, lines = max(map(len, places)), []
    for run, task in places.items():
        if run in synsets:
            text = f"{len(task.classes)} classes, {synsets[run]} {wordnet.name(synsets[run])}"
        elif not isinstance(task, tasks.Task):
            text = f"in neither test: {task}"
        elif task.random_labels:
            text = "in neither test: its labels are random, so its classes mean nothing"
        else:
            why = "holds just these" if tasks.class_synsets(task.dataset) else f"is stated by {task.dataset}"
            text = f"{len(task.classes)} classes; not in the tree: no synset {why}"
        lines.append(f"{run:{width}}  {text}")
    return lines


def _unknown(meant, distances, lines):
    """Return runs to leave out, each the one of the most unknown distances, until all are known; and say so."""
    unknown, out = [pair for pair, d in distances.items() if math.isnan(d) and set(pair) <= set(meant)], []
    while unknown:
        out.append(max(meant, key=lambda run: sum(run in pair for pair in unknown)))
        others = ", ".join(b if a == out[-1] else a for a, b in unknown if out[-1] in (a, b))
        lines.append(f"{out[-1]} is left out of the tests: it shares less than two values of progress with {others}")
        unknown = [pair for pair in unknown if out[-1] not in pair]
    return out


def _compare(whole, synsets, distances, same, ends, of_tasks, permutations, lines):
    """Return the panels of the figure and what to bear in mind; add the results of all tests to `lines`."""
    placed, panels, least, again = [run for run in whole if run in synsets], [], {}, []
    tests = {WORDNET: placed, JACCARD: whole}
    lines.append("distances of trajectories, the mean over the progress that both tasks of a pair reached, against")
    for what, tested in tests.items():
        found, text = _test(tested, distances, of_tasks[what], permutations)
        lines.append(f"  {what}: {text}")
        title = "no correlation" if found else f"no test of {len(tested)} tasks"
        if found and not found.reason:
            title = f"{_short(found)} ({found.objects} tasks)"
            least[found.objects] = (
                f"{found.objects} tasks: {found.compared}, so p is at least {1 / found.permutations:.2g}."
            )
        if len(tested) > 1:
            pairs = {pair: (of_tasks[what][pair], distances[pair]) for pair in itertools.combinations(tested, 2)}
            panels.append({"pairs": pairs, "xlabel": what, "title": title})
    if 3 <= len(placed) < len(whole):
        lines.append(
            f"  the latter for tasks in the tree only: {_test(placed, distances, of_tasks[JACCARD], permutations)[1]}"
        )
    if least and same:
        over = f"over the progress that all tasks reached, {ends[0]:g} to {ends[1]:g}"
        lines.append(f"the same {over}, against")
        for what, tested in tests.items():
            found, text = _test(tested, same, of_tasks[what], permutations)
            lines.append(f"  {what}: {text}")
            again += [f"{what.split()[0]}, {_short(found)}"] if found and not found.reason else []
        again = [f"O{over[1:]}: {'; '.join(again)}."] if again else []
    if len(placed) > 2:
        lines.append(
            f"{WORDNET} against {JACCARD}: {_test(placed, of_tasks[WORDNET], of_tasks[JACCARD], permutations)[1]}"
        )
    note = [CAVEAT, " ".join(least.values())] if least else []
    lines += note
    return panels, "\n".join([*again, *note])


def _short(found):
    return f"Spearman {found.statistic:.2f}, p = {found.p:.2g}".replace(" -", " −")


def _test(tested, A, B, permutations):
    """Return the Mantel test of two dicts of distances of pairs of runs, or None, and what to say of it."""
    if len(tested) < 3:
        return None, f"no test, which needs at least 3 tasks; there {'is' if len(tested) == 1 else 'are'} {len(tested)}"
    matrices = np.zeros((2, len(tested), len(tested)))
    for (i, a), (j, b) in itertools.combinations(enumerate(tested), 2):
        matrices[:, i, j] = matrices[:, j, i] = A[a, b], B[a, b]
    found = mantel(*matrices, permutations)
    return found, str(found).replace("objects", "tasks")


def _nodes(synsets, known):
    """Return the nodes of the tree of the tasks, as `plot_tree.task_tree` wants them."""
    classes = tasks.class_synsets(next(iter(known.values())).dataset)
    return {
        node: {
            "parent": parent,
            "steps": steps,
            "name": wordnet.name(node),
            "classes": sum(node in wordnet.ancestors(each) for each in classes),
            "runs": [run for run in synsets if synsets[run] == node],
        }
        for node, (parent, steps) in wordnet.tree(synsets.values()).items()
    }


def _write_table(path, columns):
    """Write a row a pair of runs: columns are {pair: distance} of trajectories, the same over one range, and tasks."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["run_a", "run_b", "trajectory_distance", "same_range_distance", "wordnet_path_length", "jaccard_distance"]
        )
        for pair in columns[0]:
            cells = [column.get(pair, math.nan) for column in columns]
            writer.writerow([*pair, *("" if math.isnan(cell) else f"{cell:.8g}" for cell in cells)])
    return path


if __name__ == "__main__":
    command(main)
