"""A job: one run being trained.  A method asks it for a network, a record, batches, and for the loop over steps."""

import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learning import data, networks, optimisers
from learning.config import Config
from learning.distributed import Processes
from learning.runs import run as runs
from learning.runs.keep import Keeper
from learning.runs.record import Record
from learning.runs.run import EXIT_REQUEUE, Folders, Run
from learning.runs.store import Imprinter
from learning.tasks import Task, targets


def describe(task: Task, seed: int, images, config: Config, name: str, **more: Any) -> Run:
    """Return the Run that trains a network on the images of a task; more: other fields of it.

    Methods may change what differs for theirs, such as `outputs`, `t_name` and the schedule.
    """
    samples = int(np.isin(targets(task.random_labels, images), task.classes).sum())
    steps = data.steps_per_epoch(samples, config.batch_size)
    schedule = runs.schedule(config, steps)
    values = dataclasses.asdict(config)
    return Run(name, task, seed, values, samples, images.class_names, steps, schedule, **more)


@dataclasses.dataclass(frozen=True)
class Job:
    """One run being trained.

    config: the method's configuration.  images: training images.  imprinter: of evaluation images, where predictions
    are kept as it goes (as_you_go) or accuracy is logged.  workers: processes that decode image files.
    advance: is told how many steps were taken, to show it.  stop: holds something once the process was told to end.
    """

    run: Run
    config: Config
    images: Any
    folders: Folders
    here: Processes
    workers: int = 0
    imprinter: Imprinter | None = None
    as_you_go: bool = False
    advance: Callable[[int], Any] = lambda steps: None
    stop: Sequence = ()

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.folders.run(self.run.name, self.run.seed)

    @property
    def labels(self) -> np.ndarray:
        """The class (N,) that each training image counts as, at random where the task says so."""
        return targets(self.run.task.random_labels, self.images)

    @property
    def indices(self) -> np.ndarray:
        """The indices, increasing, of the training images of the task's classes."""
        return np.flatnonzero(np.isin(self.labels, self.run.task.classes))

    def network(self) -> networks.Network:
        """Return the network of the run with initial weights, on the CPU."""
        config, images, run = self.config, self.images, self.run
        return networks.of_config(config, images, run.classes, run.seed)

    def begin(
        self,
        network: torch.nn.Module,
        model: torch.nn.Module | None = None,
        say: Callable[[], dict[str, Any]] = dict,
        optimiser: Callable[[torch.nn.Module], torch.optim.Optimizer] | None = None,
    ) -> Record:
        """Return the Record of the run, from the last state that was saved, if there is one.

        The run begins here: what a method refuses before leaves no run.json behind.
        network: what checkpoints hold.  model: what is trained, where that is the network and more.  `record.model` is
        to be called in training: where several processes train, gradients are averaged in it; and it may be compiled.
        say(): what the log of a checkpoint says besides; the main process asks it.
        optimiser(model): where it is another one than the configuration says.  A group of it whose learning rate is
        not that of the configuration says the `factor` by which it is multiplied.
        """
        model = networks.on(self.here.device, network if model is None else model)
        optimiser = optimiser(model) if optimiser else optimisers.build(model, self.config)
        keep = Keeper(self.folder, self.run, network, self.config, self.here, self.imprinter, self.as_you_go)
        if self.here.main:
            runs.start(self.folder, self.run, type(self.config))
        record = Record(self.folder, self.run, model, optimiser, self.here, keep, say)
        if self.here.world > 1 and any(p.requires_grad for p in model.parameters()):
            record.model = torch.nn.parallel.DistributedDataParallel(model)
        if self.config.compile:
            networks.compile_on(self.here.device, record.model)
        return record

    def batches(
        self, plan: Iterable[data.Batch], augmentation: str = "none"
    ) -> Iterator[tuple[data.Batch, torch.Tensor]]:
        """Yield each Batch of a plan with its images (B, channels, height, width), on the device of this process."""
        plan, same = itertools.tee(plan)
        device, workers = self.here.device, self.workers
        return zip(same, self.images.batches(plan, device=device, augmentation=augmentation, workers=workers))

    def take_steps(self, record: Record, step: Callable[[], torch.Tensor]) -> None:
        """Take the steps of the run from where its record stands to the end of its schedule.

        step(): takes one, and returns the sum of losses, the number of right answers and of images, a tensor (3,).
        """
        self.advance(record.step)
        for number in range(record.step, self.run.schedule[-1]):
            rate = self.config.learning_rate_at((number + 0.5) / self.run.steps_per_epoch)
            for group in record.optimiser.param_groups:
                group["lr"] = rate * group.get("factor", 1.0)
            record.add(step())
            self.advance(1)
            if self.here.any(bool(self.stop) or self.here.abandoned()):
                record.save_state()
                sys.exit(EXIT_REQUEUE)
