"""What claims about subspaces are about, measured on files: arrays of one number a seed."""

from dataclasses import dataclass, field

import numpy as np

from experiments.subspaces import kinds, pairs, picture
from experiments.subspaces.kinds import LINES, SIMPLEXES, SINGLE, TWO
from experiments.subspaces.results import CLEAN, NOISY, UNDER, Along, Results, Scores, along, of_all
from info_geometry import distance

UNDER_SIMPLEXES = (3, 4)


@dataclass(frozen=True)
class Measured:
    """What claims are about, of S seeds.

    lines: (LINES, regime) -> Along; `free`: under-fit lines without the penalty; `fast`: with a larger rate; `between`:
    regime -> the straight lines between two networks.  raw: regime -> lines whose norm layers were not recalibrated.
    kinds: level -> {kind: Scores (S,)}.  pairs: level -> what `pairs.measured` returns.  under: Scores (S,) of single
    networks, under-fit, and of two of them.
    simplexes: (n, regime) -> Scores (S,) of barycentres.  geometry: run -> (cos^2, d_B of the ends) in the end, (S,).
    picture: level -> what `picture.answers` returns.
    """

    lines: dict[tuple[str, str], Along] = field(default_factory=dict)
    free: Along | None = None
    fast: Along | None = None
    between: dict[str, Along] = field(default_factory=dict)
    raw: dict[str, Along] = field(default_factory=dict)
    kinds: dict[str, dict[str, Scores]] = field(default_factory=dict)
    pairs: dict[str, dict[str, dict[str, np.ndarray]]] = field(default_factory=dict)
    under: dict[str, Scores] = field(default_factory=dict)
    simplexes: dict[tuple[int, str], Scores] = field(default_factory=dict)
    geometry: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    picture: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


def measure(results: Results) -> Measured:
    """Return all that claims are about, from files."""
    lines = {
        (kind, regime): along(results, f"{run}_{regime}_head")
        for kind, run in LINES.items()
        for regime in (CLEAN, NOISY, UNDER)
    }
    levels = CLEAN, NOISY
    found = {
        level: {
            name: of_all(results, lambda seed, kind=kind, level=level: kind.predict(results, level, seed))
            for name, kind in kinds.KINDS.items()
        }
        for level in levels
    }
    simplexes = {
        (n, regime): _first(results.scores(f"simplex{n}_{regime}_head", [n]))
        for regime in (*levels, UNDER)
        for n in (SIMPLEXES if regime in levels else UNDER_SIMPLEXES)
    }
    return Measured(
        lines=lines,
        free=along(results, "line_under-free_head"),
        fast=along(results, "line_under-fast_head"),
        between={level: along(results, f"point_{level}_between_head") for level in levels},
        raw={regime: along(results, f"line_{regime}_as_trained_head") for regime in (CLEAN, UNDER)},
        kinds=found,
        pairs={level: pairs.measured(results, level) for level in levels},
        under={
            name: of_all(results, lambda seed, kind=kinds.KINDS[name]: kind.predict(results, UNDER, seed))
            for name in (SINGLE, TWO)
        },
        simplexes=simplexes,
        geometry={run: _ends(results, run) for run in ("line_under", "line_under-free")},
        picture={level: picture.answers(results, level) for level in levels},
    )


def _first(found: Scores) -> Scores:
    return {key: values[:, 0] for key, values in found.items()}


def _ends(results, run):
    """Return cos^2 of the vertices, as training logged it, and d_B of the ends on evaluation images."""
    apart = [distance.bhattacharyya(*results.P(f"{run}_head", s, [0, -1])) for s in results.seeds]
    return results.log(run, "squared_cosine")[1][:, -1], np.array(apart)


def middles(found: Measured, regime: str) -> dict[int, np.ndarray]:
    """Return {vertices: accuracy (S,) of the middle}, a line having two."""
    middle = {2: found.lines["line", regime].at("accuracy", 0.5)}
    return middle | {n: x["accuracy"] for (n, own), x in sorted(found.simplexes.items()) if own == regime}
