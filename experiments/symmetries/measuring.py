"""From files to what claims are about."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np

from experiments.symmetries import dissection, measured, metrics, planted, stitching, trained
from experiments.symmetries.measured import BAD, METRICS, Measured, Stitches, Sweep
from experiments.symmetries.results import DIGITS, LINES, SHOWCASE, WIDTHS, Pair, Results, accuracy
from info_geometry import distance
from info_geometry.files import InputError
from learning.tasks import facts

ALPHAS, PUBLISHED, STRENGTHS = (0, 0.1, 0.3, 1, 3), (0.1, 1, 10), (0.003, 0.01, 0.03, 0.1, 0.3)
ALPHAS_OF_WIDTHS = 0, 0.3, 1
SHOWN_ALPHA = "g_relu_alpha0.3"
GUMBEL = "gumbel_sinkhorn"
PLAIN, RESNET, CCT = "plain", "resnet", "cct"
IMAGES, DRAWS = 1000, 10  # of evaluation that features are of; of random elements
FEW = 300  # images, where all pairs of networks are compared, or all is in float64
KINDS = {
    measured.ANY: "full",
    measured.MATCHED: "matched",
    measured.FITTED_ROTATION: "procrustes",
    measured.RANK_4: "low_rank_rank4",
    measured.RANK_2: "low_rank_rank2",
    measured.RANK_1: "low_rank_rank1",
    measured.IDENTITY: "identity",
    measured.RANDOM_PERMUTATION: "random_permutation",
    measured.RANDOM_ROTATION: "random_rotation",
}
SENDERS = {measured.UNTRAINED: "untrained", measured.RANDOM_LABELS: "random_labels", measured.NOISE: "noise"}
TRANSFORMED = {
    measured.SAME: "identity",
    measured.PERMUTED: "random_permutation",
    measured.SCALED: "random_g_relu",
    measured.SCALED_MORE: "random_g_relu_spread1",
    measured.ROTATED: "random_rotation",
}
OF_METRICS = {
    METRICS[0]: lambda a, b: metrics.wreath_procrustes(a, b).similarity,
    METRICS[1]: lambda a, b: metrics.orthogonal_procrustes(a, b).similarity,
    METRICS[2]: metrics.wreath_cka,
    METRICS[3]: metrics.linear_cka,
}


def measure(results: Results) -> Measured:
    """Return all that claims are about, from files."""
    pairs, one_way = results.both, results.one_way
    networks = Networks(results)
    layers = networks.layers(SHOWCASE)
    kinds = {name: results.stitches(SHOWCASE, kind, pairs) for name, kind in KINDS.items()}
    kinds |= {name: results.stitches(SHOWCASE, "full", one_way, null=null) for name, null in SENDERS.items()}
    kinds[measured.ITSELF] = results.stitches(SHOWCASE, "identity", one_way, null="self")
    kinds[measured.PLANTED] = results.stitches(SHOWCASE, "matched", one_way, null="planted")
    gradient = [f"g_relu_alpha{alpha:g}" for alpha in ALPHAS]
    at = chosen(results, SHOWCASE, gradient, pairs)
    ways = {
        measured.GRADIENT: taken(results, SHOWCASE, gradient, pairs),
        measured.FROM_MATCH: results.stitches(SHOWCASE, "g_relu_matched", pairs),
        measured.GUMBEL: results.stitches(SHOWCASE, GUMBEL, pairs),
    }
    kinds[measured.G_RELU] = taken(results, SHOWCASE, [*gradient, "g_relu_matched", GUMBEL], pairs)
    runs = {**{f"width {w}": f"{results.task}_width{w}" for w in WIDTHS}, "no batch norm": f"{results.task}_{PLAIN}"}
    runs |= {"residual": f"{results.task}_{RESNET}", "transformer": f"{DIGITS}_{CCT}"}
    lines = {name: {way: results.line(run, way) for way in LINES} for name, run in runs.items()}
    transformed, residual = _transformed(results), _residual(results)
    nearest, own = _nearest(results, [*BAD, measured.ANY])
    similar = {width: networks.similar(f"width{width}", one_way) for width in WIDTHS}  # takes long: files come first
    return Measured(
        layers=tuple(layers),
        channels=tuple(networks.channels(SHOWCASE)),
        kinds=kinds,
        ways=ways,
        apart=np.array([distance.bhattacharyya(*(results.network(SHOWCASE, s)[0] for s in p.seeds)) for p in pairs]),
        hard=results.stitches(SHOWCASE, SHOWN_ALPHA, pairs),
        soft=results.stitches(SHOWCASE, SHOWN_ALPHA, pairs, "soft"),
        soft_statistics=results.stitches(SHOWCASE, SHOWN_ALPHA, pairs, "soft_statistics"),
        chosen=np.array(ALPHAS)[at],
        alphas=_sweep(results, ALPHAS, gradient, pairs, "saturation"),
        published=_sweep(
            results, PUBLISHED, [f"g_relu_published-alpha{a:g}" for a in PUBLISHED], one_way, "saturation"
        ),
        strengths=_sweep(results, STRENGTHS, [f"lasso_strength{s:g}" for s in STRENGTHS], one_way, "sparsity", "last"),
        widths={width: _width(results, width) for width in WIDTHS},
        similar=similar,
        live={width: networks.live(f"width{width}", one_way) for width in WIDTHS},
        maps=networks.maps(SHOWCASE, one_way),
        transformed=transformed,
        transformed_layers=tuple(networks.before(PLAIN)),
        lines=lines,
        unchanged=networks.unchanged(runs),
        recovered=networks.recovered({"width 48": SHOWCASE, "no batch norm": PLAIN}),
        invariance=networks.invariance(SHOWCASE),
        residual=residual,
        residual_layers=tuple(networks.layers(RESNET)),
        dissection=networks.dissection(SHOWCASE),
        zoo=networks.zoo(),
        nearest=nearest,
        nearest_own=own,
    )


def chosen(results: Results, networks: str, kinds: Sequence[str], pairs: Sequence[Pair]) -> np.ndarray:
    """Return the number (P, L) of the kind that images held out choose."""
    best = np.array([[results.log(networks, kind, pair, "validation").max(axis=0) for kind in kinds] for pair in pairs])
    return best.argmax(axis=1)


def taken(results: Results, networks: str, kinds: Sequence[str], pairs: Sequence[Pair]) -> Stitches:
    """Return, of several kinds, the stitches that images held out choose, for each pair and layer by itself."""
    at = chosen(results, networks, kinds, pairs)
    every = [results.stitches(networks, kind, pairs) for kind in kinds]

    def picked(key):
        return np.take_along_axis(np.array([getattr(x, key) for x in every]), at[None], axis=0)[0]

    return Stitches(*(picked(key) for key in ("penalty", "to_sender", "to_receiver", "to_truth")))


def _width(results: Results, width: int) -> dict[str, Stitches]:
    networks, pairs = f"width{width}", results.one_way
    kinds = {measured.ANY: "full", measured.MATCHED: "matched", measured.RANDOM_PERMUTATION: "random_permutation"}
    if width == WIDTHS[0]:
        kinds[measured.RANK_1] = "low_rank_rank1"
    ways = [*(f"g_relu_alpha{alpha:g}" for alpha in ALPHAS_OF_WIDTHS), GUMBEL]
    found = {name: results.stitches(networks, kind, pairs) for name, kind in kinds.items()}
    return {**found, measured.G_RELU: taken(results, networks, ways, pairs)}


def _sweep(results: Results, values, kinds: Sequence[str], pairs: Sequence[Pair], key: str, which: str = "") -> Sweep:
    """Return stitches along a setting; key: what their logs say besides, in the end.  which: choices of stage 2."""
    penalty = np.array([results.stitches(SHOWCASE, kind, pairs, which).penalty for kind in kinds]).swapaxes(0, 1)
    logged = np.array([[results.log(SHOWCASE, kind, pair, key)[-1] for kind in kinds] for pair in pairs])
    return Sweep(np.array(values, float), penalty, **{key: logged})


def _transformed(results: Results) -> dict[str, np.ndarray]:
    found = {}
    for name, kind in TRANSFORMED.items():
        runs = [results.open(f"{results.task}_{PLAIN}_retrained_{kind}_head", seed) for seed in results.first]
        own = np.array([results.network(PLAIN, seed)[1] for seed in results.first])
        found[name] = own[:, None] - np.array([_accuracy(x) for x in runs])
    return found


def _accuracy(x):
    return accuracy(np.square(x.roots(dtype=np.float64)), x.labels)


def _residual(results: Results) -> dict[str, Stitches]:
    names = measured.ANY, measured.MATCHED, measured.FITTED_ROTATION, measured.RANDOM_PERMUTATION
    return {name: results.stitches(RESNET, KINDS[name], results.one_way) for name in names}


def _nearest(results: Results, names: Sequence[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return d_B of stitched networks, and of networks themselves, to the nearest model of others while they train.

    NaN where there are no others, as with a single pair.
    """
    ways = {seed: results.open(f"{results.task}_{SHOWCASE}_head", seed) for seed in results.seeds}

    def others(*seeds):
        return [way for seed, way in ways.items() if seed not in seeds]

    def nearest(models, pair, count):
        return distance.cross([models], others(*pair.seeds)).min(axis=1) if len(ways) > 2 else np.full(count, np.nan)

    found = {}
    for name in names:
        runs = [results.open(f"{results.task}_{SHOWCASE}_{p.name}_{KINDS[name]}_head", p.sender) for p in results.both]
        found[name] = np.array([nearest(x, p, x.shape[0]) for x, p in zip(runs, results.both)])
    own = [nearest(results.network(SHOWCASE, p.sender)[0], p, 1) for p in results.one_way]
    return found, np.concatenate(own)


class Networks:
    """Trained networks of the runs, and their features on evaluation images."""

    def __init__(self, results: Results):
        self._results = results
        self.network = functools.lru_cache(None)(self._network)
        self.images = functools.lru_cache(None)(self._images)
        self.features = functools.lru_cache(32)(self._features)

    def _network(self, networks, seed, task=""):
        return trained.network(self._there(task, networks, seed), seed, folders=self._results.folders)

    def _images(self, networks, task=""):
        seed = self._results.first[0]
        name = self._there(task, networks, seed)
        split = facts(name.partition("_")[0]).evaluation_split
        return trained.images(name, IMAGES, seed, split, self._results.folders)

    def _there(self, task, networks, seed):
        """Return the name of a run; raise InputError where it is missing."""
        name = f"{task or self._results.task}_{networks}"
        folder = self._results.folders.run(name, seed)
        if not (folder / "run.json").exists():
            raise InputError(f"{folder} holds no run; `make symmetries` trains it")
        return name

    def layers(self, networks: str) -> list[str]:
        """Return the layers after an activation."""
        return stitching.rectified(self.network(networks, self._results.first[0]), self.images(networks)[0][:4])

    def before(self, networks: str) -> list[str]:
        """Return the layers right before an activation."""
        return list(dissection.layers(self.network(networks, self._results.first[0])).values())

    def channels(self, networks: str) -> list[int]:
        """Return the number of channels after each activation."""
        return [x.shape[1] for x in self.features(networks, self._results.first[0])]

    def _features(self, networks, seed):
        """Return the features (N, C, height, width) after each activation."""
        network, images = self.network(networks, seed), self.images(networks)[0]
        fronts = [stitching.cut(network, layer)[0] for layer in self.layers(networks)]
        return [stitching.features(front, images).numpy() for front in fronts]

    def similar(self, networks: str, pairs: Sequence[Pair]) -> dict[str, np.ndarray]:
        """Return {metric: (D, L)} of the same layer of two networks."""
        both = [(self.features(networks, p.sender), self.features(networks, p.receiver)) for p in pairs]
        try:
            return {
                name: np.array([[how(*x) for x in zip(*each)] for each in both]) for name, how in OF_METRICS.items()
            }
        except InputError as error:  # a dead layer
            raise InputError(f"{self._results.task}_{networks}: {error}") from None

    def live(self, networks: str, pairs: Sequence[Pair]) -> np.ndarray:
        """Return how many channels (D, L) are live in both networks, by the one that has fewer."""
        every = [[self.features(networks, seed) for seed in pair.seeds] for pair in pairs]
        counts = [[[metrics.normalised(H)[1].sum() for H in x] for x in both] for both in every]
        return np.array(counts).min(axis=1)

    def maps(self, networks: str, pairs: Sequence[Pair]) -> dict[str, np.ndarray]:
        """Return {metric: (D, L, L)} by CKA, which compares layers of any sizes, of all layers of two networks."""
        both = [(self.features(networks, p.sender), self.features(networks, p.receiver)) for p in pairs]
        return {
            name: np.array([[[OF_METRICS[name](a, b) for b in y] for a in x] for x, y in both]) for name in METRICS[2:]
        }

    def zoo(self) -> dict[str, np.ndarray]:
        """Return {metric: similarity (Z, Z), averaged over layers; "d_B": (Z, Z)} of networks of all widths."""
        few = self._results.one_way[0].seeds
        every = [(f"width{w}", s) for w in WIDTHS for s in (self._results.seeds if w == 48 else few)]
        P = [self._results.network(*each)[0] for each in every]
        x = [[H[:FEW] for H in self.features(*each)] for each in every]
        found = {name: np.eye(len(every)) for name in METRICS}
        for (i, a), (j, b) in itertools.combinations(enumerate(x), 2):
            for name, how in OF_METRICS.items():
                found[name][i, j] = found[name][j, i] = np.mean([how(*layer) for layer in zip(a, b)])
        return {**found, "d_B": distance.pairwise(P)}

    def unchanged(self, runs: dict[str, str]) -> dict[str, dict[str, dict[str, np.ndarray]]]:
        """Return what `planted.unchanged` says of the networks of runs, of each pair's first one."""
        found = {}
        for name, run in runs.items():
            task, networks = run.rsplit("_", 1)
            images = self.images(networks, task)[0][:FEW]
            each = [planted.unchanged(self.network(networks, s, task), images, s) for s in self._results.first]
            found[name] = {
                kind: {key: np.array([x[kind][key] for x in each]) for key in ("change", "d_B")}
                for kind in ("symmetry", "rotation")
            }
        return found

    def recovered(self, runs: dict[str, str]) -> dict[str, dict[str, np.ndarray]]:
        """Return what `planted.recovered` says of the networks of runs, {name: {key: (S, L)}}."""
        found = {}
        for name, networks in runs.items():
            images, outputs = (x[:FEW] for x in self.images(networks))
            each = [planted.recovered(self.network(networks, s), images, outputs, s) for s in self._results.first]
            keys = next(iter(each[0].values()))
            found[name] = {key: np.array([[layer[key] for layer in x.values()] for x in each]) for key in keys}
        return found

    def invariance(self, networks: str) -> dict[str, dict[str, np.ndarray]]:
        """Return what `planted.invariance` says of features, {metric: {"symmetry", "rotation": (S, L)}}."""
        seeds = self._results.first
        each = [[planted.invariance(H[:FEW], s) for H in self.features(networks, s)] for s in seeds]
        return {
            name: {kind: np.array([[x[name][kind] for x in row] for row in each]) for kind in ("symmetry", "rotation")}
            for name in each[0][0]
        }

    def dissection(self, networks: str) -> dict[str, dict[str, dict[str, np.ndarray]]]:
        """Return what `dissection.counts` says of each layer, of each pair's first network."""
        images, labels = self.images(networks)
        found = {}
        for layer in self.layers(networks):
            each = []
            for seed in self._results.first:
                before = dissection.before(self.network(networks, seed), layer, images)
                each.append(dissection.counts(before, labels.numpy(), images.numpy(), seed, DRAWS))
            found[layer] = {
                kind: {key: np.array([x[kind][key] for x in each]) for key in ("own", "symmetry", "turned")}
                for kind in each[0]
            }
        return found
