"""Measure the claims of the paper on the runs of runs.yaml, and say which of them hold.                [command]

    make claims          trains what is missing, 65 trajectories and 50 fine-tuned ones, and measures: see README.md
    python -m experiments.claims.verdicts [--seeds S ...] [--starts N ...] [--predictions FOLDER] [--plots FOLDER]
        [--quick]

reads <predictions>/<run>/preds_<seed>.h5, writes <plots>/claims.md, a table of the claims, and a figure of each,
<plots>/claims/claim_<number>.png and .pdf.  --quick: few null models, and no verdicts.
"""

import argparse
import datetime
import functools
import platform
from pathlib import Path

from info_geometry.commands.once import once
from info_geometry.figures import provenance
from info_geometry.files import ROOT, InputError, command, versions, write_text
from info_geometry.storage import runs

DATASET = "fashion"
TASKS = ("all", "clothing", "garment", "footwear", "shirt", "shoe", "3rd", "randomlab")
EPISODIC, NEAR = ("all_2way", "all_5way"), ("all_simclr", "all_barlow", "all_fixmatch")
SUB_TASKS = "clothing", "footwear"
LIBRARIES = "torch", "torchvision", "numpy", "h5py"
CLAIMS = {
    1: ("The models of all tasks and methods lie on a manifold of few dimensions", "v4, abstract, 1"),
    2: ("Training on one task makes progress on others, more so the more diverse its classes", "v4, abstract, 2"),
    3: ("The arrangement of tasks follows WordNet", "v4, abstract, 3"),
    4: ("Episodic meta-learning takes a longer path than supervised learning, but ends near it", "v4, abstract, 4"),
    5: (
        "Contrastive and semi-supervised learning follow trajectories near those of supervised learning",
        "v4, abstract, 5",
    ),
    6: ("Fine-tuning on a sub-task changes a model little that was trained long", "v1, abstract, 4"),
    7: ("Training on random labels goes elsewhere", "v4, section 4"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[5, 6, 7, 8, 9], metavar="S", help="default: 5 to 9")
    parser.add_argument(
        "--starts",
        nargs="+",
        type=int,
        default=[0, 10, 20, 30, 39],
        metavar="N",
        help="checkpoints that fine-tuning started from; default: 0 10 20 30 39",
    )
    parser.add_argument(
        "--predictions", type=Path, default=ROOT / "predictions" / "claims", help="default: %(default)s"
    )
    parser.add_argument("--plots", type=Path, default=ROOT / "plots", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="few null models, and no verdicts")
    arguments = parser.parse_args()
    names = {
        **{task: f"{DATASET}_{task}" for task in (*TASKS, *EPISODIC, *NEAR)},
        **{
            f"{task} from {start}": f"{DATASET}_{task}_from_all_at_{start}"
            for task in SUB_TASKS
            for start in arguments.starts
        },
    }
    missing = [
        str(path)
        for run in names.values()
        for seed in arguments.seeds
        if not (path := arguments.predictions / run / f"preds_{seed}.h5").exists()
    ]
    if missing:
        raise InputError(
            f"{len(missing)} files of predictions are missing, the first is {missing[0]}; `make claims` makes them"
        )
    from experiments.claims import figures, measures

    everything = measures.of_folder(arguments.predictions, names, arguments.seeds)
    inputs = [
        runs.identity([x for seeds in everything.values() for x in seeds]),
        arguments.quick,
        arguments.starts,
        *(Path(module.__file__).read_text(encoding="utf-8") for module in (measures, figures)),
    ]
    once(
        arguments.plots / "claims" / ".claims.json",
        inputs,
        functools.partial(measure_all, everything, arguments, measures, figures),
    )


def measure_all(everything, arguments, measures, figures):
    """Measure all claims; return the table, and the paths of what was written."""
    supervised = {task: everything[task] for task in TASKS}
    methods = {name: everything[name] for name in (*EPISODIC, *NEAR)}
    starts = {
        start: [x for task in SUB_TASKS for x in everything[f"{task} from {start}"]] for start in arguments.starts
    }
    times = {start: everything["all"][0].t[start] for start in arguments.starts}
    work = {
        1: lambda: measures.low_dimensional(everything, draws=2 if arguments.quick else 20),
        2: lambda: measures.progress_on_others(supervised, DATASET),
        3: lambda: measures.follows_wordnet(supervised, DATASET),
        4: lambda: measures.longer_but_near({**supervised, **{name: methods[name] for name in EPISODIC}}, EPISODIC),
        5: lambda: measures.near_at_equal_progress({**supervised, **{name: methods[name] for name in NEAR}}, NEAR),
        6: lambda: measures.changes_little(starts, times),
        7: lambda: measures.elsewhere(supervised),
    }
    lines = ["| claim | where | measured | null | verdict |", "| --- | --- | --- | --- | --- |"]
    written, beside = [], []
    for number, (claim, where) in CLAIMS.items():
        print(f"claim {number}: {claim}", flush=True)
        found = work[number]()
        verdict = "not asked (quick)" if arguments.quick else found.verdict
        lines.append(f"| {number}. {claim} | {where} | {found.value} | {found.null} | **{verdict}** |")
        beside += [f"- {number}: {found.beside}."] if found.beside else []
        written += figures.draw(arguments.plots / "claims", number, found, verdict)
    about = (
        f"Seeds {', '.join(map(str, arguments.seeds))}; {datetime.date.today().isoformat()}; "
        f"{provenance.version()}; Python {platform.python_version()}, "
        + ", ".join(f"{key} {value}" for key, value in versions().items() if key in LIBRARIES)
        + ".  Rules: experiments/claims/README.md."
    )
    text = "\n".join([*lines, "", "Beside the rules:", "", *beside, "", about])
    write_text(arguments.plots / "claims.md", text + "\n")
    return text, [arguments.plots / "claims.md", *written]


if __name__ == "__main__":
    command(main)
