"""Claim 9: branches of a dendrogram, and ends that are arranged as their tasks or are not."""

import numpy as np
from scipy.cluster import hierarchy

from experiments.claims import claim_9_ends_of_tasks as claim
from experiments.claims.runs import RANDOM, TASKS
from learning import tasks
from tests.experiments.claims.synthetic import detour, write


def test_branches():
    points = np.array([[0.0], [0.1], [5.0], [5.2], [9.0], [5.1]])
    tree = hierarchy.linkage(points, "average")
    assert claim.branches(tree, ["a", "a", "b", "b", "c", "b"]) == {"a", "b", "c"}
    assert claim.branches(tree, ["a", "a", "b", "c", "c", "b"]) == {"a", "b"}
    assert claim.branches(tree, ["a", "b", "a", "b", "a", "b"]) == set()


def test_ends_where_tasks_are_and_elsewhere(tmp_path, runs):
    ways = {k: 2 * detour([7, k]) for k in range(10)}  # a way for each class
    for task in TASKS:
        if task != RANDOM:
            way = sum(ways[k] for k in tasks.load("fashion", task).classes)
            seeds = [write(tmp_path, f"fashion_{task}", seed, way) for seed in (5, 6, 7)]
            runs.supervised[task] = [x.select(range(4)) for x in seeds]  # which end midway, where ways differ
    assert claim.measure(runs).verdict == "holds"
    one = [write(tmp_path, f"fashion_same{k}", k, detour(0)) for k in range(24)]
    runs.supervised.update({task: one[3 * k : 3 * k + 3] for k, task in enumerate(TASKS)})
    assert claim.measure(runs).verdict != "holds"
