"""What the runs of a grid take: operations, hours at a rate of them, and disk, before any of them is trained.

    python -m experiments.manifold.cost GRID.yaml [--tflops R]
    python -m experiments.manifold.cost experiments/manifold/published.yaml --tflops 20

prints a line a network: how many runs, weights, 10^15 operations a run, and hours of all its runs at R * 10^12
operations a second, which is what a device sustains in these networks: a fraction of what its maker says, and a small
one where networks are small.  Operations are those of matrix products and convolutions, of training and of predictions:
a multiplication and an addition are two.
"""

import argparse
import dataclasses
import functools
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments.manifold import training
from experiments.manifold.config import ManifoldConfig
from info_geometry.files import InputError, command
from learning import arguments, grids, networks, planning
from learning.config import SHAPE
from learning.sweeps import estimate, planned, standing
from learning.tasks import facts

COLUMNS = "network", "runs", "weights", "PFLOP a run", "hours"
SEVERAL = 2  # images that operations are counted on


class Cost(NamedTuple):
    """Of a network: its number of weights, and the operations of one image in training and in prediction."""

    weights: int
    training: int
    prediction: int


@functools.lru_cache(256)
def of_network(name: str, shape: tuple[tuple[str, object], ...], channels: int, size: int, outputs: int) -> Cost:
    """Return the Cost of a network for images of so many channels and pixels; nothing is computed."""
    with torch.device("meta"):
        network = networks.build(name, channels, size, outputs, 0, **dict(shape))
        images = torch.empty(SEVERAL, channels, size, size)
    found = []
    for backward in (True, False):
        with FlopCounterMode(display=False) as counter:
            scores = network(images)
            if backward:
                scores.sum().backward()
        found.append(counter.get_total_flops() // SEVERAL)
    return Cost(sum(p.numel() for p in network.parameters()), *found)


def of_run(config: ManifoldConfig, classes: int) -> tuple[Cost, float]:
    """Return the Cost of the network of a configuration, and the operations of a run."""
    known = facts(config.dataset)
    shape = tuple((key, getattr(config, key)) for key in SHAPE if getattr(config, key))
    cost = of_network(config.network, shape, known.channels, config.resolution or known.size, classes)
    extent = planning.extent(config, classes)
    seen = extent.schedule[-1] * min(config.batch_size, extent.samples)
    return cost, seen * cost.training + len(extent.schedule) * training.predicted(config, known) * cost.prediction


def table(every: Sequence[Sequence[planned.Planned]], tflops: float) -> str:
    """Return the table of all runs, a line a network and one of all."""
    fields = {field.name for field in dataclasses.fields(ManifoldConfig)}
    rows = defaultdict(lambda: [0, 0, 0.0])
    for run in planned.once(every):
        if run.error:
            raise InputError(f"{run.run[0]}: {run.error}")
        config = ManifoldConfig(**{key: value for key, value in run.settings.items() if key in fields})
        cost, operations = of_run(config, len(run.settings["classes"]))
        label = " ".join(str(x) for x in (config.network, *(getattr(config, key) for key in SHAPE)) if x)
        row = rows[config.dataset, label]
        row[0], row[1], row[2] = row[0] + 1, cost.weights, row[2] + operations
    several = len({dataset for dataset, _ in rows}) > 1
    lines = [
        _line(f"{label}, {dataset}" if several else label, count, f"{weights:,}", total, tflops)
        for (dataset, label), (count, weights, total) in rows.items()
    ]
    lines.append(_line("all", sum(x for x, *_ in rows.values()), "", sum(x for *_, x in rows.values()), tflops))
    widths = [max(map(len, column)) for column in zip(COLUMNS, *lines)]
    return "\n".join(
        "  ".join([f"{line[0]:<{widths[0]}}", *(f"{x:>{w}}" for x, w in zip(line[1:], widths[1:]))])
        for line in (COLUMNS, *lines)
    )


def _line(label, count, weights, total, tflops):
    return label, str(count), weights, f"{total / count / 1e15:.3g}", f"{total / tflops / 1e12 / 3600:.3g}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", metavar="GRID.yaml", help="which runs")
    parser.add_argument("--tflops", type=float, default=10.0, metavar="R", help="10^12 a second; default: %(default)s")
    arguments.add_folders(parser)
    given = parser.parse_args(argv)
    if not given.tflops > 0:
        raise InputError(f"--tflops is {given.tflops}, expected a positive number")
    every, folders = grids.read(given.grid), arguments.folders_of(given)
    plan = planned.of_grids(every)
    print(table(plan, given.tflops))
    print(estimate.lines(plan, standing.of_all(plan, every, folders), folders, 1)[0])


if __name__ == "__main__":
    command(main)
