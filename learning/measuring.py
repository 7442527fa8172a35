"""What the commands that measure claims share: options, seeds that give verdicts, what results depend on.

Imports no torch.
"""

import argparse
import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path

from info_geometry import predictions
from info_geometry.files import ROOT, InputError
from learning.runs.run import Folders

SHARED = ROOT / "learning" / "finding.py", Path(__file__)


def options(
    doc: str | None,
    folder: str,
    seeds: Sequence[int],
    *,
    of: str = "",
    quick: str = "of the runs of quick.yaml, no verdicts",
    data: bool = True,
) -> argparse.ArgumentParser:
    """Return a parser of --seeds, --predictions, --checkpoints, --plots, --quick and --redo, and with data of --data.

    doc: what --help begins with.  folder: that of the experiment in each of predictions, checkpoints and plots.  of:
    which runs the seeds are of, in --help, and quick: what --quick does there.
    """
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    told = f"{of}default: {' '.join(map(str, seeds))}"
    found.add_argument("--seeds", nargs="+", type=int, default=list(seeds), metavar="S", help=told)
    for option in ("predictions", "checkpoints", "plots"):
        found.add_argument(f"--{option}", type=Path, default=ROOT / option / folder, help="default: %(default)s")
    if data:
        found.add_argument("--data", type=Path, default=Folders.data, help="default: %(default)s")
    found.add_argument("--quick", action="store_true", help=quick)
    found.add_argument("--redo", action="store_true", help="measure again what is there")
    return found


def check_seeds(seeds: Sequence[int], quick: bool, least: int, what: str = "seeds") -> None:
    """Raise InputError where a seed is there twice, or there are fewer than verdicts need: `least`, unless quick."""
    given = f"--seeds {' '.join(map(str, seeds))}"
    if len(set(seeds)) < len(seeds):
        raise InputError(f"{given}: a seed is there twice")
    if len(seeds) < least and not quick:
        number = {2: "two", 3: "three"}[least]
        raise InputError(f"{given}: verdicts need {number} {what} or more; add seeds, or --quick")


def files(folder: Path, seeds: Iterable[int], pattern: str) -> list[Path]:
    """Return the files of all runs of seeds, by a pattern such as "*/preds_{seed}.h5", seed by seed."""
    return [path for seed in seeds for path in sorted(folder.glob(pattern.format(seed=seed)))]


def stored(folder: Path, seeds: Iterable[int]) -> list[predictions.Trajectory]:
    """Return the predictions of all runs of seeds, opened."""
    return [predictions.open_trajectory(path) for path in files(folder, seeds, "*/preds_{seed}.h5")]


def texts(paths: Iterable[Path]) -> list[str]:
    """Return what files say, of sources, logs and grids: where these are equal, so are results."""
    return [path.read_text(encoding="utf-8") for path in paths]


def sources(measure: str, *more: Path) -> list[str]:
    """Return the text of all modules of an experiment, its stages too, of what all share, and of more files.

    measure: the path of its measure.py.
    """
    return texts([*sorted(Path(measure).parent.rglob("*.py")), *SHARED, *more])


def about(experiment: str, made_with: str, seeds: Sequence[int], of: str = "") -> str:
    """Return the last line of a table of claims: seeds, or a text of them, the day, versions, and where rules are."""
    of = of or f"Seeds {', '.join(map(str, seeds))}"
    return f"{of}; {datetime.date.today().isoformat()}; {made_with}.  Rules: experiments/{experiment}/README.md."
