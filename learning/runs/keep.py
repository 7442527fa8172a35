"""What is kept of a network at a checkpoint: its weights, or at once its predictions; and how well it does."""

from pathlib import Path

import numpy as np
import torch

from learning.config import Config
from learning.distributed import Processes
from learning.runs import store, weights
from learning.runs.diverged import DivergedError
from learning.runs.evaluate import accuracy
from learning.runs.run import Run


class Keeper:
    """Keeps the model of each checkpoint of a run; a Record calls it in all processes."""

    def __init__(
        self,
        folder: Path,
        run: Run,
        network: torch.nn.Module,
        config: Config,
        here: Processes,
        imprinter: store.Imprinter | None,
        as_you_go: bool = False,
    ):
        """imprinter: of the evaluation images.  as_you_go: keep predictions instead of weights."""
        self._folder, self._run, self._network, self._config, self._here = folder, run, network, config, here
        self._imprinter, self._as_you_go = imprinter, as_you_go
        # under float16 autocast, convolutions round their weights to float16 anyway: nothing is lost
        self._half = here.device.type == "cuda" and config.evaluation_precision == "float16"
        self._images = imprinter.prepare(run) if as_you_go or config.evaluate_every else None

    def __call__(self, step: int) -> dict[str, float | None]:
        """Keep the model after `step` steps if that is a checkpoint; return what there is to log besides.

        Raises DivergedError where a weight, or a prediction that is kept in its place, is not finite.
        """
        if self._here.main and step in self._run.schedule:
            path = self._run.path(self._folder, step)
            found = weights.of(self._network, path, self._half)
            if self._as_you_go:
                roots = self._imprinter.roots(found, path)
                _check_finite(roots, path)
                store.write_part(self._folder, self._run, step, roots, self._imprinter)
            else:
                weights.save(path, found)
        return {"evaluation_accuracy": self._accuracy()} if self.due(step) else {}

    def due(self, step: int) -> bool:
        """Return whether it is time to measure the accuracy on evaluation images."""
        epoch, rest = divmod(step, self._run.steps_per_epoch)
        every, last = self._config.evaluate_every, epoch == self._config.epochs
        return bool(every and epoch and not rest and (last or epoch % every == 0) and not self._run.task.random_labels)

    def _accuracy(self):
        labels, classes = self._images.labels, self._run.task.classes
        outputs = torch.from_numpy(np.searchsorted(classes, labels))
        chosen = np.flatnonzero(np.isin(labels, classes))
        return accuracy(self._network, self._images, chosen, outputs, self._config, self._here)


def _check_finite(roots, path):
    """Raise DivergedError where predictions (N, C) of weights that are finite are not: these are too large."""
    bad = int((~torch.isfinite(roots).all(dim=1)).sum())
    if bad:
        told = f"the predictions of {bad} of {len(roots)} images are not finite"
        raise DivergedError(f"{path}: {told}; training diverged, lower the learning rate")
