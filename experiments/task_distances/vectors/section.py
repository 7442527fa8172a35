"""Tasks as vectors: the part of what is measured that needs probes, and networks of each task."""

from pathlib import Path

import numpy as np

from experiments.task_distances.section import Section
from experiments.task_distances.sizes import Size
from experiments.task_distances.vectors import claims, figures, more_rules
from experiments.task_distances.vectors.measured import Measured, read
from experiments.task_distances.vectors.rules import ALPHAS, KAPPAS, correlations, partial, tested
from learning.finding import said, table
from learning.runs.run import Folders


def section(folders: Folders, seeds: tuple[int, ...], size: Size, plots: Path, verdicts: bool = True) -> Section:
    """Return the claims, tables and figures of tasks as vectors, of the runs of vectors.yaml; see `Section`."""
    found = read(folders, seeds, size)
    rows, beside = table(claims.CLAIMS, found, verdicts)
    written = [path for draw in figures.FIGURES for path in draw(plots, found)]
    return Section("Tasks as vectors", rows, beside, [agreements(found), of_tasks(found), kappas(found)], written)


def agreements(found: Measured) -> str:
    """Return the table of all distances: rho with classes and networks, and with networks beside classes."""
    classes = found.of_classes
    J, C = classes["Jaccard"], classes["number of classes"]
    others = {**classes, "networks along": found.along, "networks at end": found.ends}
    lines = [
        f"Rank correlations of distances between {len(found.plain)} tasks that are as they are; mean and standard "
        "error over seeds; in brackets p of the Mantel test of means.",
        "",
        f"| distance | {' | '.join(others)} | networks along, given Jaccard and number of classes | all tasks: along |",
        "| --- |" + " ---: |" * (len(others) + 2),
    ]
    every = np.arange(len(found.words))
    for name, D in found.every().items():
        whole = D if D.ndim == 3 else np.broadcast_to(D, found.along.shape)
        if not np.isfinite(whole).all():
            lines.append(f"| {name.replace('_', ' ')} |" + " - |" * (len(others) + 2))
            continue
        cells = [_cell(whole, other, found.plain) if other is not D else "" for other in others.values()]
        given = "" if D is J or D is C or D is found.along else _partial(whole, found, [J, C])
        along = "" if D is found.along or D.ndim == 2 else _cell(whole, found.along, every)
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join([*cells, given, along])} |")
    return "\n".join([*lines, ""])


def _cell(D, other, which):
    rho = correlations(D, other, which)
    return f"{said(rho)} ({tested(D, other, which).p:.2g})" if np.isfinite(rho).all() else "-"


def _partial(D, found, given):
    each = partial(D, found.along, found, given)
    test = tested(D, found.along, found.plain, given)
    return f"{said(each)} ({test.p:.2g})" if np.isfinite(each).all() else "-"


def of_tasks(found: Measured) -> str:
    """Return the table of tasks: how long vectors are, and what heads do."""
    lines = [
        "Tasks by the probe of all classes, means over seeds: the sum of the vector; cross entropy of the head, in "
        "nats, of the images that it was fitted to and of others, and the share of these that it takes for another "
        "class; the scaled cosine to the same task on other images, and the nearest other task.",
        "",
        "| task | classes | h | cross entropy | ... of others | error | to itself | nearest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    D = found.by().mean(axis=0) + np.diag(np.full(len(found.words), np.inf))
    for k, word in enumerate(found.words):
        values = [found.of_heads(what)[:, k].mean() for what in ("head_cross_entropy", "cross_entropy", "error")]
        numbers = " | ".join(
            f"{x:.3f}" for x in (found.norms[:, k].mean(), *values, more_rules.noise_of(found, k).mean())
        )
        nearest = found.words[int(D[k].argmin())].text
        lines.append(f"| {word.text} | {len(word.task.classes)} | {numbers} | {nearest}, {D[k].min():.3f} |")
    return "\n".join([*lines, ""])


def kappas(found: Measured) -> str:
    """Return the table of how the ranking of sources depends on alpha and kappa."""
    every = more_rules.stability(found)
    lines = [
        "Asymmetric distances: rank correlation, mean over targets, of sources with those by alpha 0.15, kappa 0.001.",
        "",
        f"| alpha | {' | '.join(f'kappa {kappa:g}' for kappa in KAPPAS)} |",
        "| ---: |" + " ---: |" * len(KAPPAS),
    ]
    for k, alpha in enumerate(ALPHAS):
        cells = [said(every[:, k, j], 3, False) for j in range(len(KAPPAS))]
        lines.append(f"| {alpha:g} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
