"""Measure symmetries on the runs of runs.yaml: claims with verdicts, tables and figures.                      [command]

    make symmetries       trains what is missing and measures: see README.md
    python -m experiments.symmetries.measure [--seeds S ...] [--predictions FOLDER] [--checkpoints FOLDER]
        [--plots FOLDER] [--dataset NAME] [--quick] [--redo]

--seeds: of the first network of each pair; its partner is the next one.  Writes <plots>/claims.md, tables of claims, of
stitches and of similarity, and figures and a page beside it.  --quick: no verdicts.
"""

from collections.abc import Sequence
from pathlib import Path

from experiments.symmetries import claims, figures, measured, picture
from experiments.symmetries.measured import Measured, both_ways, by_layer
from experiments.symmetries.measuring import measure
from experiments.symmetries.results import Results
from info_geometry.commands.once import once
from info_geometry.figures import page, provenance
from info_geometry.files import InputError, command, write_text
from info_geometry.storage import runs as storage
from learning import measuring
from learning.finding import said, table
from learning.runs.run import Folders

SEEDS = [10, 12, 14]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = measuring.options(__doc__, "symmetries", SEEDS, quick="no verdicts")
    parser.add_argument("--dataset", default="fashion", help="default: %(default)s")
    given = parser.parse_args(argv)
    measuring.check_seeds(given.seeds, given.quick, 2, "pairs")
    if any(seed + 1 in given.seeds for seed in given.seeds):
        raise InputError("--seeds: a pair is a seed and the next one; expected seeds of which none follows another")
    results = Results(Folders(given.data, given.checkpoints, given.predictions), tuple(given.seeds), given.dataset)
    found = measuring.stored(given.predictions, results.seeds)
    logs = measuring.texts(measuring.files(given.checkpoints, results.seeds, "*/seed_{seed}/log.jsonl"))
    asked = [given.dataset, given.seeds, str(given.checkpoints.absolute()), given.quick]
    inputs = [storage.identity(found), *asked, *logs, *measuring.sources(__file__)]
    stamp = given.plots / ".symmetries.json"
    once(stamp, inputs, lambda: measure_all(results, given.plots, given.quick), redo=given.redo)


def measure_all(results: Results, plots: Path, quick: bool) -> tuple[str, list[Path]]:
    """Measure all, and write tables and figures; return the table of claims, and the paths of what was written."""
    print("reading predictions, comparing features", flush=True)
    found = measure(results)
    written = [path for draw in figures.FIGURES for path in draw(plots, found)]
    print("the picture", flush=True)
    drawn = picture.draw(results)
    written += picture.figure(plots, drawn)
    written += _page(plots, drawn)
    rows, beside = table(claims.CLAIMS, found, verdicts=not quick)
    pairs = ", ".join(f"{p.sender} and {p.receiver}" for p in results.one_way)
    about = measuring.about("symmetries", provenance.made_with(), results.seeds, f"Pairs {pairs}")
    tables = [_stitches(found), _similar(found), _lines(found)]
    text = "\n".join([*rows, "", "Beside these:", "", *beside, "", *tables, about])
    write_text(plots / "claims.md", text + "\n")
    return text, [plots / "claims.md", *written]


def _stitches(found: Measured) -> str:
    """Return the table of stitches, by kind and layer, at width 48."""
    n = len(found.layers)
    lines = [
        "Stitches at width 48, by layer: penalty in points, mean d_B to sender and receiver, and to truth (NLL / 2).",
        "",
        f"| kind | penalty at {' | '.join(found.layers)} | d_B to sender | to receiver | to truth |",
        "| --- |" + " ---: |" * n + " --- | --- | --- |",
    ]
    for name, x in {**found.kinds, **found.ways}.items():
        two = len(x.penalty) == len(found.apart)
        values = [both_ways(each) if two else each for each in (x.penalty, x.to_sender, x.to_receiver, x.to_truth)]
        distances = [", ".join(f"{column.mean():.3f}" for column in each.T) for each in values[1:]]
        cells = [said(column, 1, False) for column in values[0].T]
        lines.append(f"| {name} | {' | '.join(cells)} | {' | '.join(distances)} |")
    return "\n".join([*lines, ""])


def _similar(found: Measured) -> str:
    """Return the table of similarity by width and layer."""
    lines = [
        "Similarity of the same layer of two networks, by width: from the first layer to the last.",
        "",
        f"| width | {' | '.join(measured.METRICS)} | live channels, at least |",
        "| ---: |" + " --- |" * len(measured.METRICS) + " --- |",
    ]
    for width, x in found.similar.items():
        live = ", ".join(map(str, found.live[width].min(axis=0)))
        lines.append(f"| {width} | {' | '.join(by_layer(x[name], 3) for name in measured.METRICS)} | {live} |")
    return "\n".join([*lines, ""])


def _lines(found: Measured) -> str:
    """Return the table of lines between networks."""
    lines = [
        "Lines between two networks: barrier in NLL, and Riemann length over chord where the channels were aligned.",
        "",
        f"| networks | {' | '.join(measured.WAYS)} | length / chord before | and after |",
        "| --- |" + " ---: |" * (len(measured.WAYS) + 2),
    ]
    for name, x in found.lines.items():
        cells = [said(x[way].barrier, 3, False) for way in measured.WAYS]
        cells += [said(x[way].length / x[way].chord, 2, False) for way in (measured.BEFORE, measured.ALIGNED)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _page(plots: Path, drawn: picture.Picture) -> list[Path]:
    x = drawn.embedding
    title = "Stitched networks in the picture"
    return page.write(plots, x.coordinates, x.eigenvalues, x.imaginary, x.index, x.explained_stress(), name=title)


if __name__ == "__main__":
    command(main)
