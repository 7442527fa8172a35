"""Measure subspaces on the runs of runs.yaml: claims with verdicts, tables and figures.                     [command]

    make subspaces       trains what is missing and measures: see README.md
    python -m experiments.subspaces.measure [--seeds S ...] [--predictions FOLDER] [--checkpoints FOLDER]
        [--plots FOLDER] [--quick] [--redo]

writes <plots>/claims.md, tables of claims, of all kinds and of pairs, and figures and a page beside it.  --quick: no
verdicts.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.subspaces import claims, figures, kinds, pairs, picture, series
from experiments.subspaces.measured import Measured, measure
from experiments.subspaces.results import CLEAN, NOISY, REGIMES, Results
from info_geometry.commands.once import once
from info_geometry.figures import page, provenance
from info_geometry.files import command, write_text
from info_geometry.storage import runs as storage
from learning import measuring
from learning.finding import said, table

SEEDS = [10, 11, 12, 13, 14]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    given = measuring.options(__doc__, "subspaces", SEEDS, quick="no verdicts", data=False).parse_args(argv)
    measuring.check_seeds(given.seeds, given.quick, 2)
    results = Results(given.predictions, given.checkpoints, tuple(given.seeds))
    found = measuring.stored(given.predictions, given.seeds)
    logs = measuring.texts(measuring.files(given.checkpoints, given.seeds, "*/seed_{seed}/log.jsonl"))
    inputs = [storage.identity(found), given.quick, *logs, *measuring.sources(__file__)]
    stamp = given.plots / ".subspaces.json"
    once(stamp, inputs, lambda: measure_all(results, given.plots, given.quick), redo=given.redo)


def measure_all(results: Results, plots: Path, quick: bool) -> tuple[str, list[Path]]:
    """Measure all, and write tables and figures; return the table of claims, and the paths of what was written."""
    print("reading predictions", flush=True)
    found = measure(results)
    written = [path for regime in REGIMES for path in figures.path(plots, found, regime)]
    written += figures.simplexes(plots, found, *series.triangle(results))
    levels = series.noise(results)
    written += figures.noise(plots, levels, found)
    written += figures.dynamics(plots, series.dynamics(results))
    written += figures.recalibration(plots, found)
    written += figures.corruption(plots, series.corruption(results))
    written += figures.all_kinds(plots, found)
    print("the picture", flush=True)
    drawn = picture.draw(results)
    written += figures.picture(plots, drawn)
    written += _page(plots, drawn)
    rows, _ = table(claims.CLAIMS, found, verdicts=not quick)
    beside = [text for level in (CLEAN, NOISY) for text in _answers(found, results, level)]
    about = measuring.about("subspaces", provenance.made_with(), results.seeds)
    tables = [one for level in (CLEAN, NOISY) for one in (_kinds(found, level), _pairs(found, level))]
    text = "\n".join([*rows, "", "The picture:", "", *beside, "", _noise(levels), *tables, about])
    write_text(plots / "claims.md", text + "\n")
    return text, [plots / "claims.md", *written]


def _noise(levels: dict[str, dict[str, np.ndarray]]) -> str:
    """Return the table of accuracies by the share of wrong labels."""
    shares = [f"{level:g}" for level in series.LEVELS]
    lines = [
        "Wrong labels, by their share: accuracy in points, and on the labels that were learned.",
        "",
        f"| kind | {' | '.join(shares)} | learned, {' | '.join(shares)} |",
        "| --- |" + " ---: |" * 2 * len(shares),
    ]
    for name, x in levels.items():
        texts = [said(100 * values, 2, False) for key in ("accuracy", "learned") for values in x.get(key, ())]
        lines.append(f"| {name} | {' | '.join(texts)} |" + " |" * (2 * len(shares) - len(texts)))
    return "\n".join([*lines, ""])


def _kinds(found: Measured, level: str) -> str:
    """Return the table of all kinds at a level of label noise."""
    lines = [
        f"Every kind, {REGIMES[level]}: accuracy in points.",
        "",
        "| kind | networks | cost of training | accuracy | NLL | ECE | Brier |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, kind in kinds.KINDS.items():
        x = found.kinds[level][name]
        scores = {"accuracy": (100 * x["accuracy"], 2), **{key: (x[key], 3) for key in ("nll", "ece", "brier")}}
        texts = [
            f"{values[0]:.{digits}f}" if kind.shared else said(values, digits, False)
            for values, digits in scores.values()
        ]
        lines.append(f"| {name} | {kind.networks} | {kind.cost:g} | {' | '.join(texts)} |")
    return "\n".join([*lines, ""])


def _pairs(found: Measured, level: str) -> str:
    """Return the table of pairs at a level of label noise: gain and distance side by side."""
    keys = [f"gain by {how}" for how in pairs.MEANS]
    lines = [
        f"Pairs, {REGIMES[level]}: what their ensemble gains in NLL, and how far apart they are.",
        "",
        "| pair | d_B | gain by logits | by probabilities | by roots | accuracy by logits | by probabilities "
        "| by roots | total variation | disagree | one is right | cosine of features |",
        "| --- |" + " ---: |" * 11,
    ]
    for name, x in found.pairs[level].items():
        texts = [said(x["d_B"], 4, False), *(said(x[key], 4, False) for key in keys)]
        texts += [said(100 * x[f"accuracy by {how}"], 2, False) for how in pairs.MEANS]
        texts += [said(x[key], 3, False) for key in ("total_variation", "disagreement", "one_right")]
        texts.append("" if np.isnan(x["cosine"]).any() else said(x["cosine"], 3, False))
        lines.append(f"| {name} | {' | '.join(texts)} |")
    return "\n".join([*lines, ""])


def _answers(found: Measured, results: Results, level: str) -> list[str]:
    """Return what the picture says of lines at a level of label noise, as lines of a list."""
    x, epochs = found.picture[level], series.chosen_epochs(results, level)
    title = REGIMES[level]
    return [
        f"- {title}: NLL of the middle {said(x['middle'], 3, False)}, of the ends {said(x['ends'], 3, False)}, of the "
        f"middle of the great circle between them {said(x['circle'], 3, False)}, of a single network "
        f"{said(x['single'], 3, False)}.",
        f"- {title}: Riemann length {said(x['length'], 3, False)}, chord {said(x['chord'], 3, False)}, ratio "
        f"{said(x['length'] / x['chord'], 2, False)}.",
        f"- {title}: d_B of the middle to networks trained apart {said(x['to_cloud'], 4, False)}, of these to each "
        f"other {said(x['cloud'], 4, False)}.",
        f"- {title}: d_B of the middle, over training, to the nearest model of single networks of other seeds "
        f"{said(x['off'], 4, False)}; of a single network {said(x['off_null'], 4, False)}.",
        f"- {title}: images held out chose epoch {', '.join(f'{t:.3g}' for t in epochs[kinds.STOPPED])} of 40, and "
        f"schedules of {', '.join(f'{t:g}' for t in epochs[kinds.FEWER])} epochs.",
    ]


def _page(plots: Path, drawn: picture.Picture) -> list[Path]:
    x = drawn.embedding
    return page.write(
        plots, x.coordinates, x.eigenvalues, x.imaginary, x.index, x.explained_stress(), name="Subspaces in the picture"
    )


if __name__ == "__main__":
    command(main)
