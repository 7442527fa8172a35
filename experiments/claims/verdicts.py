"""Measure the claims of the paper on the runs of runs.yaml, and say which of them hold.      [command]

    make claims          trains what is missing, 230 trajectories and 35 fine-tuned ones, and measures: see README.md
    python -m experiments.claims.verdicts [--seeds S ...] [--starts N ...] [--predictions FOLDER] [--plots FOLDER]
        [--quick]

reads <predictions>/<run>/preds_<seed>.h5, writes <plots>/claims.md, a table of the claims, and a figure of each,
<plots>/claims/claim_<number>.png and .pdf.  --quick: few null models, and no verdicts.  4 minutes on 2 CPU cores.
"""

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path

from experiments.claims import (
    claim_1_low_dimensional,
    claim_2_progress_on_others,
    claim_3_follows_wordnet,
    claim_4_longer_path,
    claim_5_near_supervised,
    claim_6_fine_tuning_changes_little,
    claim_7_random_labels_elsewhere,
    claim_8_contrastive_on_other_data,
    claim_9_ends_of_tasks,
    drawing,
)
from experiments.claims.runs import Runs, read
from info_geometry.commands.once import once
from info_geometry.figures import provenance
from info_geometry.files import ROOT, command, write_text
from info_geometry.storage import runs as storage
from learning.finding import HEAD

CLAIMS = (
    claim_1_low_dimensional,
    claim_2_progress_on_others,
    claim_3_follows_wordnet,
    claim_4_longer_path,
    claim_5_near_supervised,
    claim_6_fine_tuning_changes_little,
    claim_7_random_labels_elsewhere,
    claim_8_contrastive_on_other_data,
    claim_9_ends_of_tasks,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[10, 11, 12, 13, 14], metavar="S", help="default: 10 to 14"
    )
    parser.add_argument(
        "--starts",
        nargs="+",
        type=int,
        default=[0, 20, 39],
        metavar="N",
        help="checkpoints that fine-tuning started from; default: 0 20 39",
    )
    parser.add_argument(
        "--predictions", type=Path, default=ROOT / "predictions" / "claims", help="default: %(default)s"
    )
    parser.add_argument("--plots", type=Path, default=ROOT / "plots", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="few null models, and no verdicts")
    arguments = parser.parse_args(argv)
    seeds, plots, quick = arguments.seeds, arguments.plots, arguments.quick
    runs = read(arguments.predictions, arguments.starts, seeds, draws=2 if quick else 20)
    inputs = [
        storage.identity(runs.everything()),
        quick,
        arguments.starts,
        *(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))),
    ]
    once(plots / "claims" / ".claims.json", inputs, lambda: measure_all(runs, seeds, plots, quick))


def measure_all(runs: Runs, seeds: list[int], plots: Path, quick: bool) -> tuple[str, list[Path]]:
    """Measure all claims, and write the table and the figures; return the table, and the paths of what was written."""
    lines = [*HEAD]
    written, beside = [], []
    for number, claim in enumerate(CLAIMS, 1):
        print(f"claim {number}: {claim.CLAIM}", flush=True)
        found = claim.measure(runs)
        verdict = "not asked (quick)" if quick else found.verdict
        lines.append(f"| {number}. {claim.CLAIM} | {claim.WHERE} | {found.value} | {found.null} | **{verdict}** |")
        beside += [f"- {number}: {found.beside}."] if found.beside else []
        written += drawing.write(plots / "claims", number, claim, found.shown, verdict)
    about = (
        f"Seeds {', '.join(map(str, seeds))}; {datetime.date.today().isoformat()}; {provenance.made_with()}.  "
        "Rules: experiments/claims/README.md."
    )
    text = "\n".join([*lines, "", "Beside the rules:", "", *beside, "", about])
    write_text(plots / "claims.md", text + "\n")
    return text, [plots / "claims.md", *written]


if __name__ == "__main__":
    command(main)
