"""Claim 4: episodic meta-learning takes a longer path than supervised learning, but ends near it.

Measure: the Riemann length over that of supervised learning of all classes at the same learning rate, with as many
images a step and as many steps: through every 1st, 2nd, 4th and 8th checkpoint, and through models at equal steps of
progress; and the distance of their ends.
Null: 1, and the distance between ends of seeds of that supervised learning.
Holds, a verdict for 2-way and 5-way each: all ratios - 2 standard errors > 1, and the ends are within 3 times the null.
Fails: any ratio + 2 standard errors < 1, or the distance of ends - 2 standard errors is above 3 times the null.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments.claims import drawing, finding
from experiments.claims.finding import mean_of_pairs, with_error
from experiments.claims.runs import ALL, EPISODIC, NAMED, Runs, Seeds
from info_geometry import predictions, trajectory
from info_geometry.figures import style
from learning.finding import Finding, decide

CLAIM = "Episodic meta-learning takes a longer path than supervised learning, but ends near it"
WHERE = "v4, abstract, 4"

EVERY, STEP, TIMES = (1, 2, 4, 8), 0.02, 3


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the episodic runs beside supervised ones with their settings."""
    rows, nulls, verdicts, ratios, apart = [], [], {}, {}, {}
    for name, seeds in runs.episodic.items():
        base = runs.like_episodic[name]
        ratios[name] = lengths(seeds, base)
        D = finding.ends(seeds, base)
        (end, error), null = mean_of_pairs(D), finding.between_seeds(base)
        short = drawing.METHODS[name]
        verdicts[short] = decide(
            all(ratio - 2 * se > 1 for ratio, se in ratios[name].values()) and end <= TIMES * null,
            any(ratio + 2 * se < 1 for ratio, se in ratios[name].values()) or end - 2 * error > TIMES * null,
        )
        said = ", ".join(f"{what} {ratio:.2f} +- {se:.2f}" for what, (ratio, se) in ratios[name].items())
        rows.append(f"{short}: length ratio {said}; ends {end:.3f} +- {error:.3f}")
        nulls.append(f"{short}: between seeds {null:.3f}")
        apart[name] = (D.mean(axis=1), null)
    others = [float(finding.ends(runs.supervised[name], runs.supervised[ALL]).mean()) for name in NAMED]
    final = [
        f"{name} {np.mean([finding.progress(x)[-1] for x in seeds]):.3f}"
        for name, seeds in {**runs.episodic, **{EPISODIC[k]: x for k, x in runs.like_episodic.items()}}.items()
    ]
    return Finding(
        "; ".join(rows),
        "; ".join(nulls),
        finding.of_methods(verdicts),
        {"ratios": ratios, "ends": apart},
        f"ends of named tasks to that of all classes {min(others):.3f} to {max(others):.3f}; final progress "
        f"{', '.join(final)}; the published tutorial states lengths 10 to 40 times those of supervised learning",
    )


def lengths(x: Seeds, base: Seeds) -> dict[str, tuple[float, float]]:
    """Return {how they are looked at: (ratio of the mean lengths of x and base, its error)}."""
    found = {}
    for every in EVERY:
        which = "every checkpoint" if every == 1 else f"every {every}th"
        found[which.replace("2th", "2nd")] = _ratio(*([_length(t, every) for t in side] for side in (x, base)))
    reached = [finding.progress(t) for t in (*x, *base)]
    low, high = max(p[0] for p in reached), min(p.max() for p in reached)
    grid = STEP * np.arange(np.ceil(low / STEP), np.floor(high / STEP) + 1)
    if len(grid) > 1:
        sides = [
            [trajectory.riemann_length(trajectory.reindex(t, finding.progress(t), grid)) for t in side]
            for side in (x, base)
        ]
        found[f"equal progress {grid[0]:.2f} to {grid[-1]:.2f}"] = _ratio(*sides)
    return found


def _ratio(x, base):
    return with_error(lambda a, b: np.mean(a) / np.mean(b), x, base)


def _length(t: predictions.Trajectory, every: int) -> float:
    """Return the length of a trajectory through its first model and, backwards from the last, one in `every`."""
    return trajectory.riemann_length(t.select(np.unique([0, *range(t.shape[0] - 1, -1, -every)])))


def draw(ratios: dict[str, dict], ends: dict[str, tuple]) -> Figure:
    """Return the figure: ratios of lengths {method: {how: (ratio, error)}}, and ends {method: (seeds, null)}."""
    figure = Figure((style.PAGE, 2.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    left.axvline(1, color="black", linestyle=":", linewidth=0.8)
    places = []
    for k, (name, rows) in enumerate(ratios.items()):
        for i, (ratio, error) in enumerate(rows.values()):
            place = i + 0.3 * (k - 0.5)
            label = drawing.METHODS[name] if i == 0 else None
            left.errorbar(ratio, place, xerr=2 * error, fmt="o", color=style.PALETTE[k], capsize=3, label=label)
        places = [how.partition(" 0")[0] for how in rows]
    left.set_yticks(range(len(places)), places)
    left.set(ylim=(len(places) - 0.5, -0.5), xlabel="length over that of supervised learning, ± 2 SE")
    left.legend(loc="best")
    left.grid(axis="x")
    for k, (values, null) in enumerate(ends.values()):
        right.plot(values, np.full(len(values), k), "o", color=style.PALETTE[k], alpha=0.5, markeredgewidth=0)
        right.plot([TIMES * null] * 2, [k - 0.3, k + 0.3], color="black", linewidth=1.2)
        if k == 0:
            text = f"{TIMES} times between seeds"
            right.annotate(text, (TIMES * null, k - 0.3), (0, 3), textcoords="offset points", ha="center")
    right.set_yticks(range(len(ends)), [drawing.METHODS[name] for name in ends])
    right.set(ylim=(len(ends) - 0.5, -0.7), xlim=(0, None), xlabel="distance of ends")
    right.locator_params(axis="x", nbins=4)
    return figure
