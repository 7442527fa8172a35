"""Fine-tuning: a task B is learned from where a network stands that has learned a task A.

Body and norm layers are those of a checkpoint of A; the head, which stands for the classes of B, is new.
"""

import dataclasses
from pathlib import Path

import torch

from info_geometry.files import InputError
from learning import supervise
from learning.config import Config
from learning.runs import find, weights
from learning.runs import run as runs
from learning.runs.job import Job
from learning.runs.run import Folders, Run
from learning.tasks import Task, load


@dataclasses.dataclass(frozen=True)
class Continuation:
    """A method: going on from checkpoint number `checkpoint` (None: the last one) of the run of task `start`."""

    start: str
    checkpoint: int | None = None

    def name(self, task: Task, config: Config) -> str:
        """Return the name of the run that learns a Task from there."""
        try:
            first = load(config.dataset, self.start).name
        except InputError:  # class folders of another data set may have it; if not, describe says so
            first = self.start
        at = "" if self.checkpoint is None else f"_at_{self.checkpoint}"
        return f"{task.dataset}_{task.name}_from_{first}{at}"

    def describe(self, run: Run, images, config: Config, folders: Folders) -> Run:
        """Return the Run with the weights it starts from.

        Raises InputError where these are not there, unless the run is there and says what they were.
        """
        first = load(config.dataset, self.start, images.class_names)
        try:
            start = find.weights_of(find.Asked(supervise.name(first, None), run.seed), self.checkpoint, folders)
        except InputError:
            there = runs.read(folders.run(run.name, run.seed))
            if there is None or there.start is None:
                raise
            start = there.start
        return dataclasses.replace(run, start=start)

    def train(self, job: Job) -> None:
        """Train a run, as `supervise.train` does, from the weights it starts from."""
        start = job.run.start
        path = job.folders.run(start["run"], job.run.seed) / "ckpt" / start["checkpoint"]
        if not path.exists():
            raise InputError(
                f"{path}: no such checkpoint, from which {job.run.name} starts; train {start['run']} again"
            )
        network = job.network()
        start_from(path, network)
        supervise.train(job, network)


def start_from(path: Path, network: torch.nn.Module) -> None:
    """Put the weights of the body in a checkpoint into a network, whose head is left as it is."""
    saved = weights.unwrapped(weights.load(path), path)
    body = {key.removeprefix("body."): value for key, value in saved.items() if key.startswith("body.")}
    weights.fit(body, network.body, path)
