"""Runs of the grid at equal progress: distances of configurations, tubes, the geodesic, factors, the dendrogram."""

import itertools

import numpy as np

from experiments.manifold import factors, outliers, tubes
from experiments.manifold.measured import DECAY, FACTORS, NETWORK, Paths, Tree, of_seeds
from experiments.manifold.parts import TRAINING
from experiments.manifold.results import Known, factors_of
from info_geometry import equal_progress
from info_geometry.files import InputError
from info_geometry.uncertainty.permanova import permuted

VALUES = np.linspace(0, 1, 51)  # of progress
RANDOM = 199  # draws of configurations, and of networks
NARROW = 0.3  # of progress: less of it says little


def measure(
    kept: list[Known], every: list[Known], seeds: tuple[int, ...], which: str = TRAINING, tree: bool = True
) -> Paths:
    """Return the Paths of the runs kept, of predictions of one part.  every: with those that ended badly, for a tree.

    tree: whether there is one of these as well.
    """
    names, table, place = _table(kept, seeds)
    K, S, R = len(names), len(seeds), len(kept)
    grid, total, at, curves = _slices(kept, which)
    pairs = total[:R, :R]
    where = np.full((K, S), -1)
    where[place] = np.arange(R)
    distances, snapshot = (_by_seed(D, where) for D in (pairs, at[1]))
    geodesic = np.full((S, K, len(grid)), np.nan)
    geodesic[place[1], place[0]] = curves
    near, far = _near(pairs, where)
    random = [_random(pairs, where, strata) for strata in (np.zeros(K), table[NETWORK])]
    own, others, everyone = _tubes(kept, which, place, (S, K), grid)
    per_seed, apart = ([function(D, table) for D in distances] for function in (_factors, _apart))
    whole = _whole(every, seeds, which) if tree and len(every) > len(kept) else np.full(S, np.nan)
    named = [run.title for run in kept]
    return Paths(
        grid,
        names,
        table,
        distances,
        snapshot,
        at[0],
        near,
        far,
        *random,
        geodesic,
        own,
        others,
        everyone,
        {name: tuple(x[name] for x in per_seed) for name in per_seed[0] if all(name in x for x in per_seed)},
        {name: np.array([_ratio_of_chance(D, table, name) for D in distances]) for name in table},
        np.array([_share_of_chance(D, table) for D in distances]),
        {name: tuple(x[name] for x in apart) for name in apart[0] if all(name in x for x in apart)},
        Tree(*_trees(distances, table[NETWORK]), whole),
        {name: float(run.progress(which)[0]) for name, run in zip(named, kept)},
        {name: float(run.progress(which).max()) for name, run in zip(named, kept)},
    )


def narrow(paths: Paths) -> str:
    """Return which runs leave less than NARROW of progress in common, as a text; nothing where there is more."""
    low, high = paths.grid[0], paths.grid[-1]
    text = f"progress common to all: {low:.2f} to {high:.2f}"
    if high - low >= NARROW:
        return text
    early = sorted((stop, name) for name, stop in paths.last.items() if stop < low + NARROW)
    late = sorted((-begin, name) for name, begin in paths.first.items() if begin > high - NARROW)
    told = [f"{name} stops at {stop:.2f}" for stop, name in early]
    told += [f"{name} begins at {-begin:.2f}" for begin, name in late]
    return f"{text}, which is little, since {outliers.few(told, 5)}"


def _table(runs, seeds):
    """Return names (K,), {factor: levels (K,)}, and the places of runs: configurations (R,) and seeds (R,)."""
    levels = factors_of({run.name: run.config for run in runs})
    names = np.array(sorted(levels))
    table = {factor: np.array([levels[name][factor] for name in names]) for factor in FACTORS}
    place = np.searchsorted(names, [run.name for run in runs]), np.array([seeds.index(run.seed) for run in runs])
    return names, table, place


def _slices(runs, which, geodesic=True):
    """Return the grid (G,), mean distances (R, R), those at a middle progress, and to the geodesic (R, G)."""
    parts, progress = [run.parts[which] for run in runs], [run.progress(which) for run in runs]
    grid = equal_progress.common(progress, VALUES, [run.title for run in runs])
    if geodesic:
        parts = [*parts, tubes.path(parts[0].labels, parts[0].shape[2], grid)]
        progress = [*progress, grid]
    R, total, curves, at = len(runs), 0.0, np.empty((len(runs), len(grid))), (0.0, np.empty(0))
    for k, (s, D) in enumerate(equal_progress.slices(parts, progress, grid, precision="float32")):
        total = total + D[:R, :R]
        curves[:, k] = D[:R, -1]
        if k == len(grid) // 2:
            at = s, D[:R, :R]
    return grid, total / len(grid), at, curves


def _by_seed(D, where):
    """Return the distances (S, K, K) of runs of one seed, of D (R, R); where (K, S): which run, -1 for none."""
    found = []
    for column in where.T:
        there = column >= 0
        found.append(np.where(there[:, None] & there, D[np.ix_(column, column)], np.nan))
    return np.array(found)


def _near(D, where):
    """Return the mean distances of runs of two seeds, (S, S): of the same configuration, and of all."""
    S = where.shape[1]
    near, far = np.full((2, S, S), np.nan)
    for s, t in itertools.combinations(range(S), 2):
        a, b = where[:, s], where[:, t]
        both = (a >= 0) & (b >= 0)
        if both.any():
            near[s, t] = near[t, s] = D[a[both], b[both]].mean()
        if (a >= 0).any() and (b >= 0).any():
            far[s, t] = far[t, s] = D[np.ix_(a[a >= 0], b[b >= 0])].mean()
    return near, far


def _random(D, where, strata):
    """Return the `of_seeds` (P, S), with the configurations of each seed permuted within strata (K,)."""
    rng, found = np.random.default_rng(0), []
    for _ in range(RANDOM if where.shape[1] > 1 else 0):
        drawn = where.copy()
        for s, column in enumerate(where.T):
            for stratum in np.unique(strata):
                there = np.flatnonzero((column >= 0) & (strata == stratum))
                drawn[there, s] = column[rng.permutation(there)]
        found.append(of_seeds(*_near(D, drawn)))
    return np.array(found).reshape(-1, where.shape[1])


def _tubes(runs, which, place, shape, grid):
    """Return three arrays of distances (S, K, G): to the mean of the configuration, of its other runs, of all."""
    found = np.full((3, *shape, len(grid)), np.nan)
    groups: dict = {}
    for run, k, s in zip(runs, *place):
        groups.setdefault(k, []).append((s, run))
    groups = {k: members for k, members in groups.items() if len(members) > 1}
    if not groups:
        return found
    parts = {k: [run.parts[which] for _, run in members] for k, members in groups.items()}
    progress = {k: [run.progress(which) for _, run in members] for k, members in groups.items()}
    tube = tubes.measure(parts, progress, grid)
    for k, members in groups.items():
        at = [s for s, _ in members]
        found[0, at, k], found[2, at, k] = tube.own[k], tube.everyone[k]
        found[1, at, k] = tubes.to_mean(parts[k], progress[k], grid, others=True)
    return found


def _factors(D, table):
    """Return {factor: Factor} of the configurations that there are."""
    there = np.isfinite(np.diag(D))
    own = {factor: levels[there] for factor, levels in table.items()}
    return {factor.name: factor for factor in factors.importance(D[np.ix_(there, there)], own)}


def _apart(D, table):
    """Return {factor: Nearest} where the nearest is sought among configurations that differ in more than weight decay.

    Where this does nothing, a configuration and the one that differs in it alone are nearest to each other, and agree
    in all other factors whether these matter or not.  Both are permuted together.
    """
    there = np.isfinite(np.diag(D))
    D, K = D[np.ix_(there, there)], int(there.sum())
    own = {factor: levels[there] for factor, levels in table.items()}
    rest = {factor: levels for factor, levels in own.items() if factor != DECAY}
    groups, found = factors.cells(list(rest.values()), K), {}
    if len(set(own[DECAY])) < 2:
        return found
    for name, levels in rest.items():
        if 1 < len(set(levels)) < len(set(groups)):
            strata = factors.cells([each for other, each in rest.items() if other != name], K)
            found[name] = factors.nearest(D, levels, groups, strata)
    return found


def _ratio_of_chance(D, table, name):
    """Return the mean `factors.ratio` of a factor, permuted among configurations that agree in all else.

    Among all, as in `factors.importance`, where no two that agree in all else differ in it (`Factor.others` is False).
    In a balanced design it is below 1 where another factor matters: those of equal level agree in that less often.
    """
    there = np.isfinite(np.diag(D))
    levels = table[name][there]
    cells = factors.cells([each[there] for other, each in table.items() if other != name], len(levels))
    if all(len(set(levels[cells == cell])) < 2 for cell in set(cells)):
        cells = np.zeros(len(levels))
    _, *drawn = permuted(levels, cells, RANDOM)
    return float(np.mean([factors.ratio(D[np.ix_(there, there)], each) for each in drawn]))


def _share_of_chance(D, table):
    """Return the mean share of the sum of squares of networks, over all permutations of these: (a - 1) / (K - 1).

    A pair of K configurations is in one of a networks of n with probability n (n - 1) / K (K - 1), and counts 1 / n.
    """
    networks = table[NETWORK][np.isfinite(np.diag(D))]
    a, K = len(set(networks)), len(networks)
    return (a - 1) / (K - 1) if 1 < a < K else float("nan")


def _trees(distances, networks):
    """Return purity, cophenetic correlation and the mean purity of permuted networks of each seed, (3, S)."""
    found = []
    for D in distances:
        there = np.isfinite(np.diag(D))
        own, levels = D[np.ix_(there, there)], networks[there]
        found.append((*factors.separated(own, levels), factors.purity_of_chance(own, levels, RANDOM)))
    return np.array(found).T


def _whole(every, seeds, which):
    """Return the purity (S,) with runs that ended badly; NaN where too little progress is common to all."""
    names, table, place = _table(every, seeds)
    where = np.full((len(names), len(seeds)), -1)
    where[place] = np.arange(len(every))
    try:
        _, total, _, _ = _slices(every, which, geodesic=False)
    except InputError:
        return np.full(len(seeds), np.nan)
    return _trees(_by_seed(total, where), table[NETWORK])[0]
