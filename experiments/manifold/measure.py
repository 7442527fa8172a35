"""Measure the manifold on the runs of runs.yaml: claims with verdicts, a table of networks, and figures.    [command]

    make manifold       trains what is missing and measures: see README.md
    python -m experiments.manifold.measure [--seeds S ...] [--predictions FOLDER] [--checkpoints FOLDER]
        [--plots FOLDER] [--quick] [--redo]

Writes <plots>/claims.md, the table of claims and one of networks and optimisers, and figures and a page beside it.
Runs of the grid, of widths, of corners and of Gaussian inputs are measured each where they are there; claims on others
are left out, and the table says what trains these.  While runs of the grid are not trained there are no verdicts on
it.  --quick: of the runs of quick.yaml, no verdicts.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.manifold import claims, figures, picture
from experiments.manifold.measured import NETWORK, OPTIMISER, Measured
from experiments.manifold.measuring import measure
from experiments.manifold.parts import EVALUATION, PARTS, TRAINING
from experiments.manifold.planned import FULL, QUICK, SYNTHETIC
from experiments.manifold.results import Results
from info_geometry import predictions
from info_geometry.commands.once import once
from info_geometry.figures import provenance
from info_geometry.files import ROOT, InputError, command, write_text
from info_geometry.storage import runs as storage
from learning import measuring
from learning.finding import said, table
from learning.runs.run import Folders

SEEDS = [10, 11, 12]
PANELS = ROOT / "info_geometry" / "figures" / "panels.py"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = measuring.options(__doc__, "manifold", SEEDS, of="of all but Gaussian inputs; ", data=False)
    given = parser.parse_args(argv)
    measuring.check_seeds(given.seeds, given.quick, 3)
    folders = Folders(checkpoints=given.checkpoints, predictions=given.predictions)
    results = Results(folders, tuple(given.seeds), QUICK if given.quick else FULL)
    lacking = {section: results.missing(section) for section in results.planned}
    alone = not lacking.pop(SYNTHETIC) and all(lacking.values())  # which have seeds of their own
    if given.seeds != SEEDS and alone:
        first = next(iter(lacking.values()))
        raise InputError(f"--seeds {' '.join(map(str, given.seeds))}: no run of these seeds is there: {first}")
    found = [predictions.open_trajectory(path) for path in results.files()]
    asked = [given.seeds, given.quick, str(results.planned), results.diverged()]
    inputs = [storage.identity(found), *asked, *measuring.sources(__file__, PANELS, results.size.runs)]
    stamp = given.plots / ".manifold.json"
    once(stamp, inputs, lambda: measure_all(results, given.plots, given.quick), redo=given.redo)


def measure_all(results: Results, plots: Path, quick: bool) -> tuple[str, list[Path]]:
    """Measure all, and write tables and figures; return the table of claims, and the paths of what was written."""
    found = measure(results)
    written = [path for draw in figures.FIGURES for path in draw(plots, found)]
    if found.pictures:
        print("the picture of all seeds", flush=True)
        drawn = picture.draw(results)
        written += [*picture.figure(plots, drawn), *picture.write_page(plots, drawn)]
    rows, beside = table(claims.there(found), found, verdicts=not quick)
    about = measuring.about("manifold", provenance.made_with(), results.seeds)
    named = [f"{found.left_out}.  All that are left out: left_out.csv."] if found.left_out else []
    left = [*named, *claims.left_out(found)]
    parts = [rows, *([line] for line in left), ["Beside these:", "", *beside], networks(found), [about]]
    text = "\n".join(line for part in parts if part for line in (*part, ""))
    write_text(plots / "claims.md", text)
    rows = ["run,why", *(f"{name},{why}" for name, why in found.why.items())]
    write_text(plots / "left_out.csv", "\n".join(rows) + "\n")
    written.append(plots / "left_out.csv")
    return text.rstrip(), [plots / "claims.md", *written]


def networks(found: Measured) -> list[str]:
    """Return the lines of the table of networks and optimisers: runs that count, and how they end, over seeds."""
    if not found.pictures:
        return []
    lines = [
        "| network | optimiser | runs | error, %: training | evaluation | progress: training | evaluation |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    ends = []
    for index in (x.index for x in found.pictures):
        last = np.append(index["checkpoint"][1:] == 0, True)
        ends.append({name: column[last] for name, column in index.items()})
    pairs = sorted({pair for end in ends for pair in zip(end[NETWORK], end[OPTIMISER])})
    for network, optimiser in pairs:
        chosen = [(end[NETWORK] == network) & (end[OPTIMISER] == optimiser) for end in ends]
        there = [(end, which) for end, which in zip(ends, chosen) if which.any()]
        cells = [network, optimiser, str(sum(which.sum() for which in chosen))]
        cells += [said([100 * (1 - end[f"{part}_accuracy"][which].mean()) for end, which in there], 1, False)
                  for part in PARTS]  # fmt: skip
        cells += [said([end[f"{part}_progress"][which].mean() for end, which in there], 2, False)
                  for part in (TRAINING, EVALUATION)]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    command(main)
