"""Measure information in the weights on the runs of runs.yaml: claims with verdicts, tables and figures.      [command]

    make information      trains what is missing and measures: see README.md
    python -m experiments.weight_information.measure [--seeds S ...] [--predictions FOLDER] [--checkpoints FOLDER]
        [--plots FOLDER] [--quick] [--redo]

Writes <plots>/claims.md, tables of claims and of networks, by beta and at one cross entropy, and figures and a page
beside it.  --quick: of the runs of quick.yaml, no verdicts.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.weight_information import claims, figures, picture
from experiments.weight_information.measured import MATCHED, Measured, Sweep
from experiments.weight_information.results import FULL, QUICK, Results
from info_geometry.commands.once import once
from info_geometry.figures import page, provenance
from info_geometry.files import command, write_text
from info_geometry.storage import runs as storage
from learning import measuring
from learning.finding import said, table
from learning.runs.run import Folders

SEEDS = [10, 11, 12]
ROWS = {
    "accuracy on training images": ("training_accuracy", 3),
    "... on others": ("accuracy", 3),
    "cross entropy of draws, nats": ("cross_entropy_of_draws", 3),
    "KL / N, nats": ("kl", 3),
    "1/2 [norm + log-determinant] / N, nats": ("information", 3),
    "1/2 log det of the whole F of 30 images / N, at least, nats": ("log_determinant", 3),
    "tr F": ("trace", 1),
    "d_B from ignorance": ("ignorance", 3),
}
TOTALS = "kl", "information", "log_determinant"  # divided by N in tables


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    given = measuring.options(__doc__, "information", SEEDS).parse_args(argv)
    measuring.check_seeds(given.seeds, given.quick, 2)
    folders = Folders(given.data, given.checkpoints, given.predictions)
    results = Results(folders, tuple(given.seeds), QUICK if given.quick else FULL)
    found = measuring.stored(given.predictions, results.seeds)
    inputs = [storage.identity(found), given.seeds, given.quick, *measuring.sources(__file__)]
    stamp = given.plots / ".information.json"
    once(stamp, inputs, lambda: measure_all(results, given.plots, given.quick), redo=given.redo)


def measure_all(results: Results, plots: Path, quick: bool) -> tuple[str, list[Path]]:
    """Measure all, and write tables and figures; return the table of claims, and the paths of what was written."""
    print("reading what is known of networks", flush=True)
    found = results.measured()
    written = [path for draw in figures.FIGURES for path in draw(plots, found)]
    print("the picture", flush=True)
    drawn = picture.draw(results)
    written += [*picture.figure(plots, drawn), *_page(plots, drawn)]
    rows, beside = table(claims.CLAIMS, found, verdicts=not quick)
    about = measuring.about("weight_information", provenance.made_with(), results.seeds)
    sweeps = [_by_beta(found.by_noise[noise], name) for noise, name in ((0, "right"), (1, "random"))]
    text = "\n".join([*rows, "", "Beside these:", "", *beside, "", *sweeps, _measures(found), about])
    write_text(plots / "claims.md", text + "\n")
    return text, [plots / "claims.md", *written]


def _by_beta(x: Sweep, name: str) -> str:
    """Return the table of networks by beta."""
    lines = [
        f"Variational networks of {x.samples} images with {name} labels, by beta.",
        "",
        f"| beta | {' | '.join(f'{beta:g}' for beta in x.beta)} |",
        "| --- |" + " ---: |" * len(x.beta),
    ]
    for row, (key, digits) in ROWS.items():
        values = x[key] / (x.samples if key in TOTALS else 1)
        lines.append(f"| {row} | {' | '.join(f'{value:.{digits}f}' for value in values.mean(axis=0))} |")
    return "\n".join([*lines, ""])


def _measures(found: Measured) -> str:
    """Return the table of measures at one cross entropy, by label noise and number of images."""
    columns = {
        "KL, nats": ("kl", 0),
        "1/2 [norm + log-determinant]": ("information", 0),
        "norm": ("norm", 0),
        "log-determinant": ("determinant", 0),
        "... lambda^2 times 10": ("determinant_wider", 0),
        "... divided by 10": ("determinant_narrower", 0),
        "N tr F": ("trace_of_all", 0),
        "log2(1 / sigma)": ("fineness", 2),
    }
    lines = [
        f"What networks know where the cross entropy of draws is {MATCHED} nats.",
        "",
        f"| label noise | images | {' | '.join(columns)} |",
        "| ---: | ---: |" + " ---: |" * len(columns),
    ]
    for (noise, samples), x in sorted(found.conditions.items()):
        cells = [_said(x.at(key), digits) for key, digits in columns.values()]
        lines.append(f"| {noise:g} | {samples} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _said(values, digits):
    return said(values, digits, False) if np.isfinite(values).all() else "-"


def _page(plots: Path, drawn: picture.Picture) -> list[Path]:
    x = drawn.embedding
    title = "Information in the weights, in the picture"
    return page.write(plots, x.coordinates, x.eigenvalues, x.imaginary, x.index, x.explained_stress(), name=title)


if __name__ == "__main__":
    command(main)
