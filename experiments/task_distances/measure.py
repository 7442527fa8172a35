"""Measure distances between tasks on the runs of the grid files here: claims with verdicts, tables, figures. [command]

    make tasks            trains what is missing and measures: see README.md
    python -m experiments.task_distances.measure [--seeds S ...] [--predictions FOLDER] [--checkpoints FOLDER]
        [--plots FOLDER] [--quick] [--redo]

Writes <plots>/claims.md, tables of claims and of distances, and figures and pages beside it.  --quick: of the runs of
*_quick.yaml, no verdicts.
"""

import argparse
import datetime
import hashlib
from collections.abc import Sequence
from pathlib import Path

from experiments.task_distances.choosing import section as choosing
from experiments.task_distances.reaching import section as reaching
from experiments.task_distances.section import Section
from experiments.task_distances.sizes import FULL, QUICK
from experiments.task_distances.vectors import section as vectors
from info_geometry import predictions
from info_geometry.commands.once import once
from info_geometry.figures import provenance
from info_geometry.files import ROOT, InputError, command, write_text
from info_geometry.storage import runs as storage
from learning.runs.run import Folders

SEEDS = [10, 11, 12]
SECTIONS = vectors, reaching, choosing


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="S", help="default: 10 11 12")
    for option in ("predictions", "checkpoints", "plots"):
        parser.add_argument(f"--{option}", type=Path, default=ROOT / option / "tasks", help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Folders.data, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="of the runs of *_quick.yaml, no verdicts")
    parser.add_argument("--redo", action="store_true", help="measure again what is there")
    given = parser.parse_args(argv)
    if len(given.seeds) < 2 and not given.quick:
        raise InputError(f"--seeds {given.seeds[0]}: verdicts need two seeds or more; add seeds, or --quick")
    if len(set(given.seeds)) < len(given.seeds):
        raise InputError(f"--seeds {' '.join(map(str, given.seeds))}: a seed is there twice")
    folders, seeds = Folders(given.data, given.checkpoints, given.predictions), tuple(given.seeds)
    found = [
        predictions.open_trajectory(path)
        for seed in seeds
        for path in sorted(given.predictions.glob(f"*/preds_{seed}.h5"))
    ]
    vectors_of = sorted(path for seed in seeds for path in given.predictions.glob(f"*_vectors/seed_{seed}/*/*.npz"))
    digests = [(str(x.relative_to(given.predictions)), hashlib.sha256(x.read_bytes()).hexdigest()) for x in vectors_of]
    sources = [*sorted(Path(__file__).parent.rglob("*.py")), ROOT / "learning" / "finding.py"]
    sources += [ROOT / "learning" / "imprinting.py", *sorted((ROOT / "learning" / "tasks").glob("*.py"))]
    texts = [x.read_text(encoding="utf-8") for x in sources]
    inputs = [storage.identity(found), digests, given.seeds, given.quick, *texts]
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
    about = (
        f"Seeds {', '.join(map(str, seeds))}; {datetime.date.today().isoformat()}; {provenance.made_with()}.  "
        "Rules: experiments/task_distances/README.md."
    )
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
