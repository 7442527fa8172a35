"""All that is measured of the runs of runs.yaml, section by section; what is not there is left out, and named."""

from collections.abc import Callable, Sequence
from typing import Any

from experiments.manifold import averages, cornering, outliers, paths, pictures, sloppiness, widening
from experiments.manifold.measured import Measured
from experiments.manifold.parts import EVALUATION, TRAINING
from experiments.manifold.planned import CORNERS, GRID, MEANS, PATHS, SECTIONS, SPEED, SYNTHETIC
from experiments.manifold.results import MOST, Known, Results
from info_geometry.files import InputError


def measure(results: Results) -> Measured:
    """Return all that is measured; a section whose runs are not all there, or are refused, is in `missing`, with why.

    All runs are opened before any is measured.  Raises InputError where no section can be measured.
    """
    missing, opened = {}, {}
    for section in SECTIONS:
        if not (said := results.missing(section)):
            print(f"reading the runs of {section}", flush=True)
            done = _tried(results.grid if section == GRID else lambda s=section: results.all_of(s), section, missing)
            opened |= {} if done is None else {section: done}
        else:
            missing[section] = f"{said}; {results.advice}"
    if GRID in missing and CORNERS not in missing:
        missing[CORNERS] = f"they are compared with runs of the grid: {missing[GRID]}"
    seeds, size = results.seeds, results.size
    own = {section: found for section, (found, *_) in opened.items()}
    sections: dict[str, Any] = {}
    if GRID not in missing:
        kept, every, text, why = opened[GRID]
        sections = _tried(lambda: _grid(seeds, kept, every, text, missing), GRID, missing) or {}
        sections["why"] = why
    parts = {
        "widths": (SPEED, lambda: widening.measure(own[SPEED], seeds)),
        "corners": (CORNERS, lambda: cornering.measure(own[CORNERS], own[GRID], seeds)),
        "synthetic": (SYNTHETIC, lambda: sloppiness.measure(own[SYNTHETIC], size.sloppy, size.flat)),
    }
    told = [f"Of the grid, {sections['left_out']}"] if "left_out" in sections else []
    for name, (section, of) in parts.items():
        if section in missing:
            continue
        print(section, flush=True)
        sections[name] = _tried(of, section, missing)
        runs, gone = opened[section]
        sections["why"] = {**sections.get("why", {}), **gone}
        if text := _told(section, runs, gone):
            told.append(f"Of {section}, {text}")
    if all(section in missing for section in SECTIONS):
        raise InputError(missing[GRID])
    sections["left_out"] = ".  ".join(told)
    return Measured(seeds, size.sloppy, size.flat, missing=missing, **sections)


def _tried(of: Callable, section: str, missing: dict[str, str]) -> Any:
    """Return what a function of a section returns; None where it raises InputError, and `missing` then says why."""
    try:
        return of()
    except InputError as error:
        missing[section] = f"{error}"
        return None


def _told(section: str, runs: Sequence[Known], gone: dict[str, str]) -> str:
    """Return which runs of a section diverged or ended badly, and which seeds are common to all; nothing of all well.

    First phases of corners learn other labels, or few images: how they end is not asked.
    """
    told = []
    if gone:
        told.append(f"{len(gone)} of {len(gone) + len(runs)} runs diverged: {outliers.few(list(gone))}")
        if section == SYNTHETIC:
            told.append(f"only seeds common to all others count: {', '.join(map(str, common(runs)))}")
    errors = {run.title: run.error for run in runs if section != CORNERS or run.config.start}
    if bad := outliers.large(errors, MOST):
        told.append(
            f"{len(bad)} of {len(errors)} runs ended with an error above {MOST:g}, and are not left out: "
            f"{outliers.some(bad)}"
        )
    return "; ".join(told)


def common(runs: Sequence[Known]) -> list[int]:
    """Return the seeds that are common to all runs of Gaussian inputs, of configurations that both data sets have."""
    found: dict = {}
    for run in runs:
        found.setdefault(run.name.partition("_")[2], {}).setdefault(run.config.dataset, set()).add(run.seed)
    cells = [seeds for by_set in found.values() if len(by_set) > 1 for seeds in by_set.values()]
    return sorted(set.intersection(*cells)) if cells else []


def _grid(seeds, kept, every, text, missing):
    found = []
    for seed in seeds:
        print(f"pictures of seed {seed}", flush=True)
        found.append(pictures.measure([run for run in kept if run.seed == seed]))
    print("equal progress", flush=True)
    training = _tried(lambda: paths.measure(kept, every, seeds, TRAINING), PATHS, missing)
    evaluation = None
    if training is not None:
        text += f"; {paths.narrow(training)}{_free(training)}"
        print("equal progress, evaluation images", flush=True)
        beside: dict = {}
        evaluation = _tried(lambda: paths.measure(kept, every, seeds, EVALUATION, tree=False), EVALUATION, beside)
        text += "".join(f"; not compared on evaluation images: {said}" for said in beside.values())
    print("means of runs", flush=True)
    means = _tried(lambda: averages.measure(kept), MEANS, missing)
    return {
        "left_out": text,
        "pictures": tuple(found),
        "paths": training,
        "evaluation": evaluation,
        "means": means,
    }


def _free(found):
    """Return which factors are permuted among all configurations, as a text; nothing where all else is held fixed."""
    free = [name for name, each in found.factors.items() if not all(factor.others for factor in each)]
    return f"; no two configurations differ in {' or '.join(free)} alone, permuted among all" if free else ""
