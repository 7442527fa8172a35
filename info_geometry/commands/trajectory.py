"""Trajectories of all tasks and seeds, compared with each other: what the command `trajectory.py` does."""

import itertools
from pathlib import Path

import numpy as np

from info_geometry import geodesic, trajectory
from info_geometry.commands import arguments as shared
from info_geometry.commands.once import once
from info_geometry.comparison import compare_all, summarise_all
from info_geometry.figures import beside
from info_geometry.figures import trajectory as figures
from info_geometry.files import InputError, command, log
from info_geometry.storage import runs, tables
from info_geometry.uncertainty import resampling

OBJECTIVES = {"angle": "angle", "bhattacharyya": "-log"}  # what is written of them


def main(argv: list[str] | None = None) -> None:
    parser = shared.options(trajectory.__doc__)
    parser.add_argument(
        "--objective",
        default="angle",
        choices=geodesic.OBJECTIVES,
        help="what progress minimises: the mean angle, or the published code's mean of -log",
    )
    arguments = parser.parse_args(argv)
    trajectories, name = shared.find(arguments)
    folder, objective, bootstrap = arguments.plots / name, arguments.objective, arguments.bootstrap
    once(
        folder / ".trajectory.json",
        [runs.identity(trajectories), objective, bootstrap],
        lambda: compare_and_draw(trajectories, folder, objective, bootstrap),
        redo=arguments.redo,
    )


def compare_and_draw(trajectories: list, folder: Path, objective: str, bootstrap: bool) -> tuple[str, list[Path]]:
    """Write tables and figures of the trajectories; return the table to print and the paths."""
    samples, other = shared.groups(trajectories, bootstrap), geodesic.other_objective(objective)
    summaries = summarise_all(trajectories, objective, samples, show=True)
    groups, progress, rows, curves = {}, {}, [], []
    for x, summary in zip(trajectories, summaries):
        if summary is None:
            raise InputError(f"{x.name} holds no labels, and progress needs them: put them at {x.labels_path}")
        groups.setdefault(x.run, []).append(x)
        progress.setdefault(x.run, []).append(summary.progress)
        which = {"run": x.run, "seed": x.seed}
        rows.append(
            {
                **which,
                "checkpoints": len(x.t),
                "final_accuracy": summary.accuracy[-1],
                "final_progress": summary.progress[-1],
                f"final_progress_{other}": summary.other[-1],
                "riemann_length": summary.length,
            }
        )
        t_name = x.attributes.get("t_name", "checkpoint")
        seen = {
            "progress": summary.progress,
            f"progress ({OBJECTIVES[other]})": summary.other,
            "accuracy": summary.accuracy,
        }
        curves.append({**which, "t": x.t, "t_name": t_name, **seen})
    found, of_samples = compare_all(groups, progress, samples=samples, show=True), {}
    _say_what_is_not_compared(found, progress)
    if bootstrap:
        drawn = _replicates(summaries, samples)
        of_samples = {
            run: _error(np.mean([x for x, row in zip(drawn, rows) if row["run"] == run], axis=0), samples)
            for run in groups
        }
        rows = [{**row, "error_for_other_samples": float(_error(x, samples))} for row, x in zip(rows, drawn)]
    with beside.copies():
        written = [*tables.write(folder, rows, found), *figures.progress(folder, curves)]
        written += figures.lengths(folder, rows)
        if len(groups) > 1:
            written += figures.trajectory_distances(
                folder, found.grid, found.curves, found.means(), list(groups), found.mean_errors()
            )
    return "\n".join([_table(rows, of_samples, other), *_ranges(found)]), written


def _say_what_is_not_compared(found, progress):
    """Warn of pairs of runs that have no progress in common, and say what each run reached."""
    apart = [pair for pair, curve in found.curves.items() if np.isfinite(curve).sum() < 2]
    if not apart:
        return
    reached = []
    for run in dict.fromkeys(itertools.chain(*apart)):
        first, last = max(p[0] for p in progress[run]), min(np.max(p) for p in progress[run])
        reached.append(f"{run} {first:.3f} to {last:.3f}" if first <= last else f"{run} none that all of them reached")
    log.warning(
        "warning: %d of %d pairs of runs have no progress in common, and are not compared at equal progress: %s. "
        "What all seeds of a run passed through: %s. Record runs from before their first step on, and train those "
        "that stop early for longer",
        len(apart),
        len(found.curves),
        "; ".join(" and ".join(pair) for pair in apart[:5]) + ("; ..." if len(apart) > 5 else ""),
        ", ".join(reached),
    )


def _ranges(found):
    """Return a line that says over which progress runs are compared, if there is anything to compare."""
    ends = [known[[0, -1]] for x in found.curves.values() if len(known := found.grid[np.isfinite(x)]) > 1]
    if not ends:
        return []
    widths = np.ptp(ends, axis=1)
    line = f"compared at equal progress from {ends[widths.argmax()][0]:.2f} to {ends[widths.argmax()][1]:.2f}"
    less = int((widths < figures.NEARLY_ALL * widths.max()).sum())
    return [line + (f"; {less} of {len(ends)} pairs over less of it (see integrals.csv)" if less else "")]


def _replicates(summaries, samples):
    """Return the Riemann lengths (R,) of each trajectory for samples drawn anew, the same ones for all."""
    weights = resampling.weights(np.bincount(samples))
    return [summary.replicates(weights) for summary in summaries]


def _error(replicates, samples):
    return resampling.bootstrap_error(replicates, samples.max() + 1)


def _table(rows, of_samples, other):
    """Return the table of final accuracy, progress and length: one line a run, mean and spread over its seeds.

    other: the objective of the progress that stands in brackets.
    of_samples: the standard error of the mean length for other samples, a dict run -> float, or empty.
    """
    width = max(len(row["run"]) for row in rows)
    lines = [
        f"{'task':{width}}  seeds  final accuracy   {f'final progress ({OBJECTIVES[other]})':24}Riemann length"
        + (" (+- for other samples)" if of_samples else "")
    ]
    by_run = {run: list(seeds) for run, seeds in itertools.groupby(rows, key=lambda row: row["run"])}
    for run, seeds in by_run.items():
        cells = [
            np.array([row[key] for row in seeds], dtype=float)
            for key in ("final_accuracy", "final_progress", "riemann_length")
        ]
        texts = [f"{c.mean():6.3f} +- {_spread(c)}" for c in cells]
        beside = np.mean([row[f"final_progress_{other}"] for row in seeds])
        lines.append(
            f"{run:{width}}  {len(seeds):5d}  {texts[0]}  {texts[1]} ({beside:.3f})  {texts[2]}"
            + (f" (+- {of_samples[run]:.3f})" if of_samples else "")
        )
    if any(len(seeds) == 1 for seeds in by_run.values()):
        lines.append("+- ...: one seed has no spread")
    lines.append("Riemann length: sum of 2 sqrt(d_B) between neighbours; the Fisher-Rao length is sqrt(2) times it")
    return "\n".join(lines)


def _spread(values):
    """Return the standard deviation over seeds, in 5 letters: of one seed there is none."""
    return f"{values.std(ddof=1):5.3f}" if len(values) > 1 else "...  "


if __name__ == "__main__":
    command(main)
