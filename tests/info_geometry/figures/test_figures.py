"""Figures of embeddings and of trajectories: every one is written whole, shows every run, and leaves its input be."""

import copy
import itertools
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from info_geometry.figures import embedding as plot_embedding
from info_geometry.figures import style as plot
from info_geometry.figures import trajectory as plot_trajectory
from tests.support.run_names import LONG, SIX, TWELVE


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def picture(runs, seeds=2, steps=8, axes=3, accuracy=True, spread=1.0):
    """Arguments for every drawing function: trajectories that start together, seeds of unequal length."""
    rng = np.random.default_rng(0)
    index = {key: [] for key in ("run", "seed", "checkpoint", "t", "accuracy", "progress")}
    points, curves = [], []
    for run, seed in itertools.product(runs, range(seeds)):
        t = np.r_[0, np.geomspace(0.1, 50, 30)][: max(steps - seed, 1)]
        u = np.linspace(0, 1, len(t))
        points.append(spread * u[:, None] * rng.normal(size=axes))
        a = 0.1 + 0.8 * u if accuracy else np.full(len(t), np.nan)
        curves.append({"run": run, "seed": seed, "t": t, "t_name": "epoch", "progress": u, "accuracy": a})
        for c in range(len(t)):
            for key, value in zip(index, (run, seed, c, t[c], a[c], u[c])):
                index[key].append(value)
    points = np.concatenate(points)
    D = ((points[:, None] - points) ** 2).sum(-1)
    values = np.sort(rng.normal(size=len(D)) ** 2)[::-1] * spread
    explained = 1 - np.sqrt(np.clip(1 - np.cumsum(values**2) / (values**2).sum(), 0, 1)) if spread else values * np.nan
    grid = np.linspace(0, 1, 21)
    pairs = {pair: np.where(grid < 0.8, grid * rng.random(), np.nan) for pair in itertools.combinations(runs, 2)}
    imaginary = np.arange(len(D)) % 3 == 2
    return {
        "embedding": (
            points,
            imaginary[:axes] if len(D) > 2 else np.zeros(axes, bool),
            {key: np.array(value) for key, value in index.items()},
            explained,
        ),
        "spectrum": (values * np.where(imaginary, -1, 1), imaginary, explained),
        "distance_matrix": (D, {key: np.array(value) for key, value in index.items()}),
        "progress": (curves,),
        "trajectory_distances": (grid, pairs, rng.random((len(runs), len(runs))), runs),
        "lengths": (
            [{"run": run, "seed": s, "riemann_length": spread * (1 + s)} for run in runs for s in range(seeds)],
        ),
    }


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b, equal_nan=isinstance(a, np.ndarray) and a.dtype.kind == "f")


def pixels(path):
    """Return the colours of a PNG as one integer each."""
    red, green, blue = np.moveaxis(np.rint(imread(path)[..., :3] * 255).astype(np.int32), -1, 0)
    return (red << 16 | green << 8 | blue).ravel()


CASES = {
    "six": {"runs": SIX, "seeds": 3},
    "twelve": {"runs": TWELVE},
    "long names": {"runs": LONG},
    "one run": {"runs": SIX[:1]},
    "one seed": {"runs": SIX[:2], "seeds": 1},
    "two models": {"runs": SIX[:1], "seeds": 1, "steps": 2},
    "one model each": {"runs": SIX[:2], "seeds": 1, "steps": 1},
    "one model": {"runs": SIX[:1], "seeds": 1, "steps": 1},
    "no accuracy": {"runs": SIX[:2], "accuracy": False},
    "all equal": {"runs": SIX[:2], "spread": 0.0},
    "two axes": {"runs": SIX[:2], "axes": 2},
    "one axis": {"runs": SIX[:2], "axes": 1},
}


FAST = "six", "two models", "all equal"


@pytest.mark.parametrize("case", [pytest.param(c, marks=[] if c in FAST else pytest.mark.slow) for c in CASES])
def test_every_figure_is_written_whole_and_shows_every_run(tmp_path, case):
    settings, before = dict(CASES[case]), dict(matplotlib.rcParams)
    runs, axes = settings["runs"], settings.get("axes", 3)
    expected = {
        "embedding": ["inpca_3d", "inpca_axes"] if axes == 3 else ["inpca_axes"],
        "spectrum": ["spectrum"],
        "distance_matrix": ["distances"],
        "progress": ["progress"],
        "lengths": ["lengths"],
        "trajectory_distances": ["trajectories"] if len(runs) > 1 else [],
    }
    for function, arguments in picture(**settings).items():
        kept = copy.deepcopy(arguments)
        module = plot_embedding if hasattr(plot_embedding, function) else plot_trajectory
        written = getattr(module, function)(tmp_path / "new", *arguments)
        assert [path.name for path in written] == [f"{n}.{e}" for n in expected[function] for e in ("png", "pdf")]
        assert same(kept, arguments), f"{function} changed its input"
        for path in written:
            assert path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"%PDF")
        for path in written[::2]:
            used = plot.colours(runs).items() if function != "spectrum" else []
            image = pixels(path)
            absent = [run for run, style in used if (image == int(style["color"][1:], 16)).sum() < 10]
            # in a picture of two runs, the distance to the other one is one curve
            assert not absent or (function == "trajectory_distances" and len(runs) == 2), (path.name, absent)
            assert len(np.unique(image[::7])) > 5
    assert not list(tmp_path.rglob("*.tmp"))
    assert dict(matplotlib.rcParams) == before


def test_unknown_values_and_missing_columns_are_left_out(tmp_path):
    case = picture(SIX[:3])
    points, imaginary, index, _ = case["embedding"]
    bare = {key: index[key] for key in ("run", "seed", "checkpoint", "t")}
    assert plot_embedding.embedding(tmp_path, points, imaginary, bare)
    curves = [{key: c[key] for key in ("run", "seed", "t", "t_name", "progress")} for c in case["progress"][0]]
    assert plot_trajectory.progress(tmp_path, curves)
    grid, pairs, integrals, runs = case["trajectory_distances"]
    pairs = {pair: np.full_like(curve, np.nan) for pair, curve in pairs.items()}
    assert plot_trajectory.trajectory_distances(tmp_path, grid, pairs, np.full_like(integrals, np.nan), runs)


def test_models_may_come_in_any_order(tmp_path):
    D, index = picture(SIX[:3])["distance_matrix"]
    sorted_file, shuffled_file = tmp_path / "a", tmp_path / "b"
    plot_embedding.distance_matrix(sorted_file, D, index)
    order = np.argsort(index["seed"], kind="stable")  # runs interleaved, each in its own order
    plot_embedding.distance_matrix(
        shuffled_file, D[np.ix_(order, order)], {key: value[order] for key, value in index.items()}
    )
    assert (sorted_file / "distances.png").read_bytes() == (shuffled_file / "distances.png").read_bytes()


def test_the_same_data_give_the_same_files(tmp_path):
    case = picture(SIX[:2])
    for folder in ("a", "b"):
        plot_embedding.embedding(tmp_path / folder, *case["embedding"])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
