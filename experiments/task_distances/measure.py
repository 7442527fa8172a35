"""Measure distances between tasks on the runs of the grid files here: claims with verdicts, tables, figures. [command]

    make tasks            trains what is missing and measures: see README.md
    python -m experiments.task_distances.measure [--seeds S ...] [--predictions FOLDER] [--checkpoints FOLDER]
        [--plots FOLDER] [--quick] [--redo]

Writes <plots>/claims.md, tables of claims and of distances, and figures and pages beside it.  --quick: of the runs of
*_quick.yaml, no verdicts.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from experiments.task_distances.choosing import section as choosing
from experiments.task_distances.reaching import section as reaching
from experiments.task_distances.section import Section
from experiments.task_distances.sizes import FULL, QUICK
from experiments.task_distances.vectors import section as vectors
from info_geometry.commands.once import once
from info_geometry.figures import provenance
from info_geometry.files import ROOT, command, write_text
from info_geometry.storage import runs as storage
from learning import measuring
from learning.runs.run import Folders

SEEDS = [10, 11, 12]
SHARED = ROOT / "learning" / "imprinting.py", *sorted((ROOT / "learning" / "tasks").glob("*.py"))
SECTIONS = vectors, reaching, choosing


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = measuring.options(__doc__, "tasks", SEEDS, quick="of the runs of *_quick.yaml, no verdicts")
    given = parser.parse_args(argv)
    measuring.check_seeds(given.seeds, given.quick, 2)
    folders, seeds = Folders(given.data, given.checkpoints, given.predictions), tuple(given.seeds)
    found = measuring.stored(given.predictions, seeds)
    vectors_of = measuring.files(given.predictions, seeds, "*_vectors/seed_{seed}/*/*.npz")
    digests = [(str(x.relative_to(given.predictions)), hashlib.sha256(x.read_bytes()).hexdigest()) for x in vectors_of]
    inputs = [storage.identity(found), digests, given.seeds, given.quick, *measuring.sources(__file__, *SHARED)]
    once(
        given.plots / ".tasks.json",
        inputs,
        lambda: measure_all(folders, seeds, given.plots, given.quick),
        redo=given.redo,
    )


def measure_all(folders: Folders, seeds: tuple[int, ...], plots: Path, quick: bool) -> tuple[str, list[Path]]:
    """Measure all, and write tables and figures; return the tables of claims, and the paths of what was written."""
    size, parts = QUICK if quick else FULL, []
    for each in SECTIONS:
        parts.append(each.section(folders, seeds, size, plots, verdicts=not quick))
        print(f"measured: {parts[-1].title}", flush=True)
    about = measuring.about("task_distances", provenance.made_with(), seeds)
    text = "\n".join([*map(_said, parts), about])
    path = plots / "claims.md"
    write_text(path, text + "\n")
    return text, [path, *(path for part in parts for path in part.written)]


def _said(part: Section) -> str:
    """Return a part as text."""
    beside = ["Beside these:", "", *part.beside, ""] if part.beside else []
    return "\n".join([f"## {part.title}", "", *part.rows, "", *beside, *(f"{table}\n" for table in part.tables)])


if __name__ == "__main__":
    command(main)
