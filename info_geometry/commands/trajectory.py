"""Trajectories of all tasks and seeds, compared with each other: what the command `trajectory.py` does."""

import itertools

import numpy as np

from info_geometry import geodesic, trajectory
from info_geometry.commands import arguments as shared
from info_geometry.commands.once import once
from info_geometry.comparison import compare_all, summarise_all
from info_geometry.figures import trajectory as figures
from info_geometry.files import InputError, command
from info_geometry.storage import labels, runs, tables
from info_geometry.uncertainty import resampling


def main():
    parser = shared.options(trajectory.__doc__)
    parser.add_argument(
        "--objective",
        default="angle",
        choices=geodesic.OBJECTIVES,
        help="what progress minimises: the mean angle, or the published code's mean of -log",
    )
    arguments = parser.parse_args()
    trajectories, name = runs.find(arguments)
    folder = arguments.plots / name
    once(
        folder / ".trajectory.json",
        [runs.identity(trajectories, arguments.predictions), arguments.objective, arguments.bootstrap],
        lambda: compare_and_draw(trajectories, arguments, folder),
        redo=arguments.redo,
    )


def compare_and_draw(trajectories, arguments, folder):
    """Write tables and figures of the trajectories; return the table to print and the paths."""
    samples = resampling.groups(trajectories[0].shape[1]) if arguments.bootstrap else None
    summaries = summarise_all(trajectories, arguments, samples, show=True)
    if None in summaries:
        unknown = trajectories[summaries.index(None)]
        raise InputError(
            f"{unknown.name} holds no labels, and progress needs them: put them at "
            f"{labels.labels_path(unknown, arguments.predictions)}"
        )
    groups, progress = {}, {}
    for x, summary in zip(trajectories, summaries):
        groups.setdefault(x.run, []).append(x)
        progress.setdefault(x.run, []).append(summary.progress)
    found = compare_all(groups, progress, samples=samples, show=True)
    rows = [
        {
            "run": x.run,
            "seed": x.seed,
            "checkpoints": len(x.t),
            "final_accuracy": s.accuracy[-1],
            "final_progress": s.progress[-1],
            "riemann_length": s.length,
        }
        for x, s in zip(trajectories, summaries)
    ]
    of_samples = {}
    if arguments.bootstrap:
        drawn = _replicates(summaries, samples)
        of_samples = {
            run: _error(np.mean([x for x, row in zip(drawn, rows) if row["run"] == run], axis=0), samples)
            for run in groups
        }
        rows = [{**row, "error_for_other_samples": float(_error(x, samples))} for row, x in zip(rows, drawn)]
    written = tables.write(folder, rows, found)
    written += figures.progress(
        folder,
        [
            {
                "run": x.run,
                "seed": x.seed,
                "t": x.t,
                "t_name": x.attributes.get("t_name", "checkpoint"),
                "progress": s.progress,
                "accuracy": s.accuracy,
            }
            for x, s in zip(trajectories, summaries)
        ],
    )
    written += figures.lengths(
        folder,
        [
            {
                "run": row["run"],
                "seed": row["seed"],
                "length": row["riemann_length"],
                "error": row.get("error_for_other_samples"),
            }
            for row in rows
        ],
    )
    if len(groups) > 1:
        written += figures.trajectory_distances(
            folder, found.grid, found.curves, found.integrals, list(groups), found.errors
        )
    return _table(rows, of_samples), written


def _replicates(summaries, samples):
    """Return the Riemann lengths (R,) of each trajectory for samples drawn anew, the same ones for all."""
    weights = resampling.weights(np.bincount(samples))
    return [summary.replicates(weights) for summary in summaries]


def _error(replicates, samples):
    return resampling.bootstrap_error(replicates, samples.max() + 1)


def _table(rows, of_samples):
    """Return the table of final accuracy, progress and length: one line a run, mean and spread over its seeds.

    of_samples: the standard error of the mean length for other samples, a dict run -> float, or empty.
    """
    width = max(len(row["run"]) for row in rows)
    lines = [
        f"{'task':{width}}  seeds  final accuracy   final progress   Riemann length"
        + (" (+- for other samples)" if of_samples else "")
    ]
    for run, seeds in itertools.groupby(rows, key=lambda row: row["run"]):
        seeds = list(seeds)
        cells = [
            np.array([row[key] for row in seeds], dtype=float)
            for key in ("final_accuracy", "final_progress", "riemann_length")
        ]
        lines.append(
            f"{run:{width}}  {len(seeds):5d}  "
            + "  ".join(f"{c.mean():6.3f} +- {c.std(ddof=1) if len(c) > 1 else 0:5.3f}" for c in cells)
            + (f" (+- {of_samples[run]:.3f})" if of_samples else "")
        )
    lines.append("Riemann length: sum of 2 sqrt(d_B) between neighbours; the Fisher-Rao length is sqrt(2) times it")
    return "\n".join(lines)


if __name__ == "__main__":
    command(main)
