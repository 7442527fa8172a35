"""How far a Riemann length would move with other samples: with prototypes held fixed, and drawn anew.       [command]

    python -m experiments.imprinting.redrawn RUN [--seeds S ...] [--draws 200]

Errors "for other samples" draw the samples anew whose distances are averaged, and leave what was predicted of each.
Imprinted predictions depend on the other samples too, through the prototypes.  Here features are computed once, samples
drawn with replacement, and the length of each draw computed with the prototypes of all samples, and with those of the
drawn ones; prints both standard deviations, of the mean over seeds.  Of a run of digits, 10 seconds on one core.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from info_geometry.distance import FLOOR
from info_geometry.files import ROOT, InputError, command
from learning import data, imprint, networks
from learning.config import of_run
from learning.runs import run as runs
from learning.runs import weights
from learning.tasks import facts


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="name of a run below checkpoints/")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="S", help="default: all that are there")
    parser.add_argument("--draws", type=int, default=200, metavar="R", help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=runs.Folders.data, help="default: %(default)s")
    parser.add_argument("--checkpoints-folder", type=Path, default=ROOT / "checkpoints", help="default: %(default)s")
    given = parser.parse_args(argv)
    if given.draws < 2:
        raise InputError(f"--draws is {given.draws}, expected 2 or more")
    whole = given.checkpoints_folder / given.run
    folders = sorted(whole.glob("seed_*")) if given.seeds is None else [whole / f"seed_{s}" for s in given.seeds]
    if not folders:
        raise InputError(f"{whole} holds no run; train it first")
    every, labels, classes = [], None, 0
    for folder in folders:
        features, labels, classes = features_of(folder, given.data)
        every.append(features)
    fixed, redrawn = errors(every, labels, classes, given.draws)
    print(
        f"{given.run}, {len(folders)} seed{'s' * (len(folders) > 1)}, {given.draws} draws: Riemann length "
        f"{lengths(every, labels, classes):.3f}, standard error for other samples {fixed:.3f} with prototypes held "
        f"fixed, {redrawn:.3f} with prototypes redrawn"
    )


def features_of(folder: Path, root: Path) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return the features (T, N, F) of all checkpoints of a run on evaluation images, their labels, and C."""
    run = runs.read(folder)
    if run is None or run.missing(folder, (".pth",)):
        raise InputError(f"{folder} does not hold all weights of a run; train it again")
    config = of_run(run.config)
    images = data.load(config.dataset, facts(config.dataset).evaluation_split, root)
    network = networks.of_config(config, images, run.classes, run.seed)
    found = []
    for step in run.schedule:
        path = run.path(folder, step)
        weights.fit(weights.load(path), network, path)
        plan = data.evaluation_plan(len(images.labels), config.evaluation_batch_size, config.evaluation_resolution)
        found.append(imprint.features(network.body, images.batches(plan)))
    return torch.stack(found), torch.from_numpy(images.labels), images.classes


def lengths(
    every: list[torch.Tensor], labels: torch.Tensor, classes: int, drawn: np.ndarray | None = None, *, redraw=False
) -> float:
    """Return the mean over seeds of the Riemann length of drawn samples (N,); redraw: the prototypes are theirs.

    every: features (T, N, F) of each seed.
    """
    chosen = torch.arange(len(labels)) if drawn is None else torch.from_numpy(drawn)
    found = []
    for features in every:
        roots = []
        for f in features:
            means = imprint.prototypes(*((f[chosen], labels[chosen]) if redraw else (f, labels)), classes)
            roots.append(imprint.probabilities(f[chosen], means).double().sqrt())
        roots = torch.stack(roots)
        affinity = (roots[1:] * roots[:-1]).sum(dim=2).clamp(FLOOR, 1)
        found.append(2 * (-affinity.log().mean(dim=1)).sqrt().sum())
    return float(np.mean(found))


def errors(every: list[torch.Tensor], labels: torch.Tensor, classes: int, draws: int) -> tuple[float, float]:
    """Return the standard deviations over draws of `lengths`, with prototypes held fixed and redrawn."""
    rng, N = np.random.default_rng(0), len(labels)
    chosen = [rng.integers(0, N, N) for _ in range(draws)]
    of = [[lengths(every, labels, classes, drawn, redraw=redraw) for drawn in chosen] for redraw in (False, True)]
    return float(np.std(of[0], ddof=1)), float(np.std(of[1], ddof=1))


if __name__ == "__main__":
    command(main)
