"""Measure critical periods on the runs of runs.yaml: claims with verdicts, tables and figures.                [command]

    make periods      trains what is missing and measures: see README.md
    python -m experiments.critical_periods.measure [--seeds S ...] [--predictions FOLDER] [--checkpoints FOLDER]
        [--plots FOLDER] [--quick] [--redo]

Writes <plots>/claims.md, the table of claims and one of all conditions, and figures and a page beside it.
--quick: of the runs of quick.yaml, no verdicts.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.critical_periods import claims, figures, picture
from experiments.critical_periods.measured import NONE, Key, Measured
from experiments.critical_periods.results import FULL, QUICK, Results
from info_geometry import inpca
from info_geometry.commands.once import once
from info_geometry.figures import page, provenance
from info_geometry.files import ROOT, command, write_text
from info_geometry.storage import runs as storage
from learning import measuring
from learning.finding import said, table
from learning.runs.run import Folders

SEEDS = [10, 11, 12, 13]
SHARED = (
    *sorted((ROOT / "learning" / "fisher").glob("*.py")),
    ROOT / "info_geometry" / "figures" / "panels.py",
)
NAMES = {
    "restart": "begins again",
    "annealed": "annealed",
    "constant": "constant",
    "cnn": "CNN, begins again",
    "cnn-annealed": "CNN, annealed",
    "window": "window, annealed",
    "window-constant": "window, constant",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    given = measuring.options(__doc__, "periods", SEEDS).parse_args(argv)
    measuring.check_seeds(given.seeds, given.quick, 3)
    folders = Folders(given.data, given.checkpoints, given.predictions)
    results = Results(folders, tuple(given.seeds), QUICK if given.quick else FULL)
    found = measuring.stored(given.predictions, results.seeds)
    inputs = [storage.identity(found), given.seeds, given.quick, *measuring.sources(__file__, *SHARED)]
    stamp = given.plots / ".periods.json"
    once(stamp, inputs, lambda: measure_all(results, given.plots, given.quick), redo=given.redo)


def measure_all(results: Results, plots: Path, quick: bool) -> tuple[str, list[Path]]:
    """Measure all, and write tables and figures; return the table of claims, and the paths of what was written."""
    print("reading what networks predict", flush=True)
    found = results.measured()
    written = [path for draw in figures.FIGURES for path in draw(plots, found)]
    print("the picture", flush=True)
    drawn = picture.draw(results)
    written += [*picture.figure(plots, drawn), *_page(plots, drawn)]
    rows, beside = table(claims.CLAIMS, found, verdicts=not quick)
    about = measuring.about("critical_periods", provenance.made_with(), results.seeds)
    text = "\n".join([*rows, "", "Beside these:", "", *beside, "", *conditions(found), "", about])
    write_text(plots / "claims.md", text + "\n")
    return text, [plots / "claims.md", *written]


def conditions(found: Measured) -> list[str]:
    """Return the lines of the table of all conditions: accuracy, what a deficit costs, where it ends, and layers."""
    lines = [
        "| learning rate | deficit | epochs | accuracy, % | drop, points | rho | layers | tr F, at 0.5 nats |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for key, x in found.conditions.items():
        cells = [NAMES[key.protocol], _name(key), f"{key.onset:g} to {key.end:g}" if key.end else "-"]
        cells.append(said(100 * x.accuracy, 2, False))
        if key.deficit == NONE:
            cells += ["", "", ""]
        else:
            values = found.ends[key].ratio, found.moved_layers(key)
            cells += [said(100 * found.drop(key), 1), *(_known(each) for each in values)]
        cells.append(said(x["trace_at_entropy"][:, -1], 0, False))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _name(key: Key) -> str:
    if key.deficit == NONE:
        return "-"
    return f"blur, factor {key.deficit[4:]}" if key.deficit.startswith("blur") else figures.name_of(key.deficit)


def _known(values: np.ndarray) -> str:
    return said(values, 1, False) if np.isfinite(values).all() else "-"


def _page(plots: Path, x: inpca.Embedding) -> list[Path]:
    title = "Critical periods, in the picture"
    return page.write(plots, x.coordinates, x.eigenvalues, x.imaginary, x.index, x.explained_stress(), name=title)


if __name__ == "__main__":
    command(main)
