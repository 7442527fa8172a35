"""What is measured of choosing a network to start from: claims, tables, figures."""

from pathlib import Path

import numpy as np

from experiments.task_distances.choosing import claims, figures, rules
from experiments.task_distances.choosing.measured import Measured, read
from experiments.task_distances.section import Section
from experiments.task_distances.sizes import Size
from learning.finding import table
from learning.runs.run import Folders


def section(folders: Folders, seeds: tuple[int, ...], size: Size, plots: Path, verdicts: bool = True) -> Section:
    """Return what is measured of the runs of choosing.yaml, and draw its figures into a folder."""
    found = read(folders, seeds, size)
    rows, beside = table(claims.CLAIMS, found, verdicts=verdicts)
    written = [path for draw in figures.FIGURES for path in draw(plots, found)]
    return Section(
        "Which network to start from", rows, beside, [by_rule(found), by_target(found), orders(found)], written
    )


def by_rule(found: Measured) -> str:
    """Return the table of regrets, and of rank correlations with accuracy, by rule and choice of sources."""
    heads = [f"{what}{hard}" for hard in ("", ", hard") for what in ("regret", "permuted labels", "Spearman")]
    lines = [
        f"Regret in points of accuracy, mean of {len(found.targets)} targets; of {len(found.sources)} sources, and of "
        "those that lack a class of the target (hard).",
        "",
        f"| rule | {' | '.join(heads)} |",
        "| --- |" + " ---: |" * len(heads),
    ]
    for name, title in rules.TITLES.items():
        cells = [cell for hard in (False, True) for cell in _cells(found, name, hard)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    by_chance = [rules.points(rules.chance(found, hard)) for hard in (False, True)]
    lines.append(f"| chance | {by_chance[0]} | - | - | {by_chance[1]} | - | - |")
    return "\n".join([*lines, ""])


def _cells(found, name, hard):
    """Return the regret of a rule, that with permuted labels, and the rank correlation, as texts."""
    own = rules.of_rule(found, name, hard)
    regret = rules.points(own) if np.isfinite(own).any() else "-"
    null = rules.points(rules.of_permuted(found, name, hard)) if name in rules.LOOK else "-"
    if name == rules.CONSTANT:
        return regret, null, "-"
    order = rules.correlations(found, rules.values_of(found, name, hard), hard)
    return regret, null, rules.spearman(order) if np.isfinite(order).any() else "-"


def by_target(found: Measured) -> str:
    """Return the table of accuracies by target: the best source, the mean source, and initial weights."""
    lines = [
        "Accuracy after few labels, by target.",
        "",
        "| target | best source | its accuracy | mean of sources | best of hard ones | initial weights |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    hard = np.where(found.among(hard=True), found.mean, -np.inf).max(axis=0)
    for j, target in enumerate(found.targets):
        best = int(found.mean[:, j].argmax())
        values = found.mean[best, j], found.mean[:, j].mean(), hard[j], found.scratch[:, j].mean()
        lines.append(f"| {target} | {found.sources[best]} | {' | '.join(f'{100 * x:.1f}' for x in values)} |")
    return "\n".join([*lines, ""])


def orders(found: Measured) -> str:
    """Return the table of rank correlations of scores with accuracy, by target, mean over seeds."""
    names = [name for name in rules.TITLES if name not in (rules.CONSTANT, "parameters")]
    lines = [
        "Spearman's rank correlation of scores with accuracy over all sources, by target.",
        "",
        f"| target | {' | '.join(rules.TITLES[name] for name in names)} |",
        "| --- |" + " ---: |" * len(names),
    ]
    every = [rules.correlations(found, rules.values_of(found, name)).mean(axis=0) for name in names]
    for target, *cells in zip(found.targets, *every):
        lines.append(f"| {target} | {' | '.join(f'{x:+.2f}' if np.isfinite(x) else '-' for x in cells)} |")
    return "\n".join([*lines, ""])
