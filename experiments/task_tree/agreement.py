"""How far distances of trajectories agree with those of their tasks: by their place in WordNet, and by their classes.

Distances are dicts {(run, run): float} of pairs.
"""

import csv
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from info_geometry.files import atomic_path
from info_geometry.uncertainty.mantel import Mantel, mantel
from learning.tasks import wordnet

WORDNET, JACCARD = "WordNet path length", "Jaccard distance of classes"
CAVEAT = "Mantel test, one-sided: distances that share a task are not independent, so tasks are permuted, not pairs."

Distances = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Agreement:
    """What was found: the lines of the report, the panels of the figure, and the note below it."""

    lines: list[str]
    panels: list[dict]
    note: str


def distances_of_tasks(synsets: dict[str, str], classes: dict[str, set[int]]) -> dict[str, Distances]:
    """Return the two distances of tasks, {WORDNET: distances, JACCARD: distances}.

        WordNet path length: steps on the shortest path between two synsets (Rada et al. 1989)
        Jaccard distance: 1 - |A and B| / |A or B|  of their sets of classes

    synsets: run -> synset, of runs with a place in WordNet.  classes: run -> class ids.
    """
    return {
        WORDNET: {(a, b): wordnet.path_length(synsets[a], synsets[b]) for a, b in itertools.combinations(synsets, 2)},
        JACCARD: {
            (a, b): 1 - len(classes[a] & classes[b]) / len(classes[a] | classes[b])
            for a, b in itertools.combinations(classes, 2)
        },
    }


def leave_out_unknown(runs: list[str], distances: Distances) -> tuple[list[str], list[str]]:
    """Return the runs whose distances are all known, and lines that say which were left out, and why.

    Those with the most unknown distances, which are NaN, are left out one by one until all are known.
    """
    unknown, out, lines = [pair for pair, d in distances.items() if math.isnan(d) and set(pair) <= set(runs)], [], []
    while unknown:
        out.append(max(runs, key=lambda run: sum(run in pair for pair in unknown)))
        others = ", ".join(b if a == out[-1] else a for a, b in unknown if out[-1] in (a, b))
        lines.append(f"{out[-1]} is left out of the tests: it shares less than two values of progress with {others}")
        unknown = [pair for pair in unknown if out[-1] not in pair]
    return [run for run in runs if run not in out], lines


def compare(
    tested: dict[str, list[str]],
    distances: Distances,
    of_tasks: dict[str, Distances],
    same: Distances,
    ends: tuple[float, float] | None,
    permutations: int,
) -> Agreement:
    """Test distances of trajectories against the two distances of tasks.

    tested: {WORDNET: runs with a place in WordNet, JACCARD: runs whose classes are known}.  distances: of trajectories,
    each over the progress that both of a pair reached.  same, ends: over the progress that all reached, and that range;
    {} and None where there is none.
    """
    found = {what: mantel_test(runs, distances, of_tasks[what], permutations) for what, runs in tested.items()}
    placed, whole = tested[WORDNET], tested[JACCARD]
    lines = ["distances of trajectories, the mean over the progress that both tasks of a pair reached, against"]
    lines += [f"  {what}: {text}" for what, (_, text) in found.items()]
    if 3 <= len(placed) < len(whole):
        text = mantel_test(placed, distances, of_tasks[JACCARD], permutations)[1]
        lines.append(f"  the latter for tasks in the tree only: {text}")
    least = {
        each.objects: f"{each.objects} tasks: {each.compared}, so p is at least {1 / each.permutations:.2g}."
        for each in _correlations(found).values()
    }
    again = []
    if least and same:
        over = f"over the progress that all tasks reached, {ends[0]:g} to {ends[1]:g}"
        found_again = {what: mantel_test(runs, same, of_tasks[what], permutations) for what, runs in tested.items()}
        lines += [f"the same {over}, against", *(f"  {what}: {text}" for what, (_, text) in found_again.items())]
        again = [f"{what.split()[0]}, {_short(each)}" for what, each in _correlations(found_again).items()]
        again = [f"O{over[1:]}: {'; '.join(again)}."] if again else []
    if len(placed) > 2:
        text = mantel_test(placed, of_tasks[WORDNET], of_tasks[JACCARD], permutations)[1]
        lines.append(f"{WORDNET} against {JACCARD}: {text}")
    note = [CAVEAT, " ".join(least.values())] if least else []
    panels = [
        _panel(what, runs, distances, of_tasks[what], found[what][0]) for what, runs in tested.items() if len(runs) > 1
    ]
    return Agreement([*lines, *note], panels, "\n".join([*again, *note]))


def mantel_test(runs: list[str], A: Distances, B: Distances, permutations: int) -> tuple[Mantel | None, str]:
    """Return the Mantel test of two distances between runs, or None for less than 3 of them, and what to say of it."""
    if len(runs) < 3:
        return None, f"no test, which needs at least 3 tasks; there {'is' if len(runs) == 1 else 'are'} {len(runs)}"
    matrices = np.zeros((2, len(runs), len(runs)))
    for (i, a), (j, b) in itertools.combinations(enumerate(runs), 2):
        matrices[:, i, j] = matrices[:, j, i] = A[a, b], B[a, b]
    found = mantel(*matrices, permutations)
    return found, str(found).replace("objects", "tasks")


def _correlations(found):
    """Return those of the tests {what: (Mantel or None, text)} that found a correlation."""
    return {what: each for what, (each, _) in found.items() if each and not each.reason}


def _panel(what, runs, distances, of_tasks, found):
    """Return the panel of the figure that shows all pairs of these runs; found: their Mantel test, or None."""
    if found is None:
        title = f"no test of {len(runs)} tasks"
    else:
        title = "no correlation" if found.reason else f"{_short(found)} ({found.objects} tasks)"
    pairs = {pair: (of_tasks[pair], distances[pair]) for pair in itertools.combinations(runs, 2)}
    return {"pairs": pairs, "xlabel": what, "title": title}


def _short(found):
    return f"Spearman {found.statistic:.2f}, p = {found.p:.2g}".replace(" -", " −")


def write_table(path: Path, distances: Distances, same: Distances, of_tasks: dict[str, Distances]) -> Path:
    """Write a row for each pair of runs: distances of trajectories, these over one range for all, and of tasks."""
    columns = [distances, same, of_tasks[WORDNET], of_tasks[JACCARD]]
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["run_a", "run_b", "trajectory_distance", "same_range_distance", "wordnet_path_length", "jaccard_distance"]
        )
        for pair in distances:
            cells = [column.get(pair, math.nan) for column in columns]
            writer.writerow([*pair, *("" if math.isnan(cell) else f"{cell:.8g}" for cell in cells)])
    return path
