"""All that is measured of the runs of runs.yaml, section by section; what is not there is left out, and named."""

from experiments.manifold import averages, cornering, paths, pictures, sloppiness, widening
from experiments.manifold.measured import Measured
from experiments.manifold.parts import EVALUATION, TRAINING
from experiments.manifold.planned import CORNERS, GRID, SECTIONS, SPEED, SYNTHETIC
from experiments.manifold.results import Results
from info_geometry.files import InputError


def measure(results: Results) -> Measured:
    """Return all that is measured.  Raises InputError where runs of no section are there, or some of one are not."""
    missing = {section: said for section in SECTIONS if (said := results.missing(section))}
    if len(missing) == len(SECTIONS):
        raise InputError(f"{missing[GRID]}; {results.advice}")
    if GRID in missing and CORNERS not in missing:
        missing[CORNERS] = f"they are compared with runs of the grid: {missing[GRID]}"
    seeds, sections, kept = results.seeds, {}, []
    if GRID not in missing:
        print("reading the runs of the grid", flush=True)
        kept, every, text, why = results.grid()
        sections |= {**_grid(seeds, kept, every, text), "why": why}
    if SPEED not in missing:
        print("widths", flush=True)
        sections["widths"] = widening.measure(results.all_of(SPEED)[0], seeds)
    if CORNERS not in missing:
        print("corners", flush=True)
        sections["corners"] = cornering.measure(results.all_of(CORNERS)[0], kept, seeds)
    if SYNTHETIC not in missing:
        print("Gaussian inputs", flush=True)
        runs = results.all_of(SYNTHETIC)[0]
        sections["synthetic"] = sloppiness.measure(runs, results.size.sloppy, results.size.flat)
    missing = {section: f"{said}; {results.advice}" for section, said in missing.items()}
    return Measured(seeds, results.size.sloppy, results.size.flat, missing=missing, **sections)


def _grid(seeds, kept, every, text):
    found = []
    for seed in seeds:
        print(f"pictures of seed {seed}", flush=True)
        found.append(pictures.measure([run for run in kept if run.seed == seed]))
    print("equal progress", flush=True)
    training = paths.measure(kept, every, seeds, TRAINING)
    print("equal progress, evaluation images", flush=True)
    evaluation = paths.measure(kept, every, seeds, EVALUATION, tree=False)
    print("means of runs", flush=True)
    return {
        "left_out": f"{text}; {paths.narrow(training)}",
        "pictures": tuple(found),
        "paths": training,
        "evaluation": evaluation,
        "means": averages.measure(kept),
    }
