"""From the models of a run to its prediction file, so that a GPU computes and never waits.

While one model runs, the weights of the next are read and the predictions of the one before are compressed and written.
Several processes take a checkpoint each and leave its predictions beside the weights; the main one puts them together.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from info_geometry import predictions
from info_geometry.files import InputError
from learning import data, imprint, networks
from learning.config import of_run, with_defaults
from learning.distributed import Processes
from learning.imprinting import USUAL, Imprinting
from learning.runs import features, weights
from learning.runs.run import Run

# a model: weights, a network, or the path of a file of weights (.pth) or of its predictions (.h5)
Model = Mapping[str, torch.Tensor] | torch.nn.Module | Path


def attributes(run: Run) -> dict[str, Any]:
    """Return what the prediction file says of the run it was made from; `start`: where it did not begin anew."""
    return {
        "dataset": run.config["dataset"],
        "task": run.task.name,
        "classes": list(run.task.classes),
        "seed": run.seed,
        "config": run.config,
        **({"start": run.start} if run.start else {}),
        **({"variant": run.variant} if run.variant else {}),
    }


class Imprinter:
    """Predicts with the networks of a run, on evaluation images that are decoded once.

    images: those that are predicted.  The predictions are those of imprinting, as `how` says, or with `head` those of
    the networks' own heads.  training: the images that `how` looks at besides, where it does.  over: the class ids
    that the images are of, where these are not all.
    """

    def __init__(
        self,
        images,
        here: Processes,
        *,
        workers: int = 0,
        on_device: bool = True,
        head: bool = False,
        how: Imprinting = USUAL,
        training=None,
        over: Sequence[int] | None = None,
    ):
        over = range(images.classes) if over is None else over
        self.images, self.head, self.how, self.classes = images, head, how, len(over)
        self.labels = np.searchsorted(over, images.labels)
        self._sets = [(images, self.labels)]
        if how.looks_at_training:
            self._sets.append((training, np.searchsorted(over, training.labels)))
        self._here, self._workers, self._on_device = here, workers, on_device
        self._decoded = {}
        self.temperature = 1.0  # of the last model

    @property
    def suffix(self) -> str:
        """How the names of files of predictions of one checkpoint end."""
        name = "head" if self.head else self.how.name
        return f".{name}.h5" if name else ".h5"

    @property
    def attributes(self) -> dict[str, str]:
        """What prediction files say of how they were made."""
        return {"predicted_by": "head" if self.head else str(self.how)}

    def prepare(self, run: Run):
        """Build the network of a run and decode the images at its resolution; all processes do this together."""
        config = of_run(run.config)
        if run.class_names != self.images.class_names:
            raise InputError(
                f"{run.name} was trained on other class folders than those in {self.images.root}, or in another order; "
                "training and evaluation need the same ones"
            )
        if self.head and not run.classes:
            raise InputError(f"{run.name}: its networks have no head; leave out --head to imprint them")
        resolution = config.evaluation_resolution
        if resolution not in self._decoded:
            options = {"workers": self._workers, "on_device": self._on_device}
            self._decoded = {
                resolution: [images.in_memory(resolution, self._here, **options) for images, _ in self._sets]
            }
        images = self.images
        network = networks.of_config(config, images, run.classes, run.seed)
        self._run, self._config, self._network = run, config, networks.on(self._here.device, network)
        if config.compile:
            networks.compile_on(self._here.device, self._network if self.head else self._network.body)
        sets = self._decoded[resolution]
        count, side = sum(len(images.labels) for images in sets), resolution or self.images.size
        self._ready = None
        if 4 * count * self.images.channels * side**2 <= features.KEPT_BYTES:  # few: normalised once for all models
            ready = [list(self._batches(number)) for number in range(len(sets))]
            self._ready = [(batches, (features.digest(batches), self._here.device)) for batches in ready]
            features.KEPT.begin(run)
        return sets[0]

    @torch.inference_mode()
    def roots(self, model: Mapping[str, torch.Tensor] | torch.nn.Module, where: str | Path) -> torch.Tensor:
        """Return the square roots (N, C), float16, of the probabilities of weights, or of a network.

        where: what errors name.
        """
        if isinstance(model, torch.nn.Module):
            network = networks.on(self._here.device, model)
        else:
            network = self._network
            weights.fit(model, network, where)
        if self.head:
            batches = self._ready[0][0] if self._ready else self._batches(0)
            precision = self._config.evaluation_precision
            found = imprint.of_head(network, batches, self._run.task.classes, self.classes, precision)
        else:
            sets = [
                (self._features(network.body, number), torch.from_numpy(labels).to(self._here.device))
                for number, (_, labels) in enumerate(self._sets)
            ]
            found, self.temperature = imprint.of_features(*sets[0], self.classes, self.how, *sets[1:])
        return found.sqrt_().half().cpu()

    def _features(self, body, number):
        """Return the features of all images of a set."""
        precision = self._config.evaluation_precision
        if self._ready is None:
            return imprint.features(body, self._batches(number), precision)
        batches, digest = self._ready[number]
        return features.KEPT.of(body, digest, lambda: imprint.features(body, batches, precision))

    def _batches(self, number):
        """Return the iterator of all decoded images of a set in their order."""
        config = self._config
        images = self._decoded[config.evaluation_resolution][number]
        plan = data.evaluation_plan(len(images.labels), config.evaluation_batch_size, config.evaluation_resolution)
        return images.batches(plan, device=self._here.device)


def store(
    target: Path,
    run: Run,
    models: Iterable[tuple[float, Model]],
    imprinter: Imprinter,
    *,
    say: Callable[[], dict[str, Any]] = dict,
    **more: Any,
) -> None:
    """Write a prediction file of models, (t, model) in their order, to `target`; more: attributes.

    say(): attributes that are known once all models are taken.

    models: networks of a prepared run along its training, on a line between two of them, ...; t: where each stands
    there.  The next one is taken, and read, while one is computed.
    """
    temperatures = []
    with _recorder(target, run, imprinter, **more) as recorder, ThreadPoolExecutor(1) as writer:
        pending = None
        for t, model, where in _read_ahead(models):
            if isinstance(model, Path):
                _finish(pending)
                temperatures += predictions.open_trajectory(model).attributes.get("temperatures", [])
                pending = writer.submit(recorder.append_file, model)
            else:
                roots = imprinter.roots(model, where or f"{target}, t = {t:g}")
                temperatures.append(imprinter.temperature)
                _finish(pending)
                pending = writer.submit(recorder.append_roots, roots, t)
        _finish(pending)
        _say_temperatures(recorder, imprinter, temperatures)
        recorder.say(**say())


def store_checkpoints(target: Path, folder: Path, run: Run, imprinter: Imprinter, here: Processes, **more: Any) -> None:
    """Write the prediction file of a run whose checkpoints are all there, as `store` does.

    Under torchrun the processes share the checkpoints; the main one writes the file.
    """
    imprinter.prepare(run)
    check_space(target, len(run.schedule) * len(imprinter.labels) * imprinter.classes * 2)
    if here.world > 1:
        absent = run.missing(folder, (imprinter.suffix,))
        here.barrier()  # all have the same list
        mine = [(step, run.path(folder, step)) for step in absent[here.rank :: here.world]]
        with ThreadPoolExecutor(1) as writer:
            pending = None
            for step, model, where in _read_ahead(mine):
                roots = imprinter.roots(model, where)
                _finish(pending)
                pending = writer.submit(write_part, folder, run, step, roots, imprinter, imprinter.temperature)
            _finish(pending)
        here.barrier()
    if here.main:
        parts = [run.path(folder, step, imprinter.suffix) for step in run.schedule]
        models = [
            (run.time(step), part if part.exists() else run.path(folder, step))
            for step, part in zip(run.schedule, parts)
        ]
        store(target, run, models, imprinter, **more)
        remove_parts(folder, imprinter.suffix)
    here.barrier()


def write_part(
    folder: Path, run: Run, step: int, roots: torch.Tensor, imprinter: Imprinter, temperature: float = 1.0
) -> None:
    """Keep the predictions of one checkpoint beside, or instead of, its weights."""
    with _recorder(run.path(folder, step, imprinter.suffix), run, imprinter) as recorder:
        recorder.append_roots(roots, run.time(step))
        _say_temperatures(recorder, imprinter, [temperature])


def remove_parts(folder: Path, suffix: str = ".h5") -> None:
    """Remove the predictions beside the checkpoints of a run, which are all in one file now."""
    for part in (folder / "ckpt").glob("[0-9]*.h5"):
        if part.name.partition(".")[2] == suffix[1:]:
            part.unlink()


def _read_ahead(models: Iterable[tuple[float, Model]]) -> Iterator[tuple[float, Model, Path | None]]:
    """Yield (t, model, its path), with the weights of a .pth file loaded, one ahead, in a thread."""

    def following():
        t, model = next(remaining, (None, None))
        if isinstance(model, Path) and model.suffix == ".pth":
            return t, weights.load(model), model
        return t, model, None

    remaining = iter(models)
    with ThreadPoolExecutor(1) as reader:
        pending: Future = reader.submit(following)
        while (found := pending.result())[1] is not None:
            pending = reader.submit(following)
            yield found


def _recorder(path, run, imprinter, **more):
    given = {**attributes(run), **imprinter.attributes, **more}
    return predictions.Recorder(path, labels=imprinter.labels, overwrite=True, **{"t_name": run.t_name, **given})


def _say_temperatures(recorder, imprinter, temperatures):
    """Have a file say the temperatures of its models, where these were fitted."""
    if imprinter.how.temperature is None and not imprinter.head:
        recorder.say(temperatures=temperatures)


def _finish(pending):
    """Wait for what a thread does; raise what went wrong in it."""
    if pending is not None:
        pending.result()


def check_same(target: Path, run: Run | None, folder: Path, imprinter: Imprinter) -> None:
    """Raise InputError if predictions that are there come from other settings or other samples than asked for."""
    there = predictions.open_trajectory(target).attributes
    if isinstance(there.get("config"), dict):
        there = {**there, "config": with_defaults(there["config"])}
    there = {"predicted_by": "imprinting", **there}
    asked = {**attributes(run), **imprinter.attributes} if run else imprinter.attributes
    if any(there.get(key) != value for key, value in asked.items()):
        raise InputError(
            f"{target} was made from a run with other settings than {folder}; delete it to store the "
            "predictions of that run"
        )
    if there.get("labels_sha256") != predictions.fingerprint(imprinter.labels):
        raise InputError(f"{target} holds predictions of other samples than the data here; delete it to redo it")


def check_published_labels(images, folder: Path, dataset: str, split: str) -> None:
    """Raise InputError if published labels are there and the data here are not in their order."""
    path = folder / f"{dataset}_{split}_labels.npy"
    labels = predictions.read_labels(path)
    if labels is not None and (labels.shape != images.labels.shape or (labels != images.labels).any()):
        raise InputError(
            f"{path}: {labels.size} labels of {len(np.unique(labels))} classes, but the data here are "
            f"{len(images.labels)} samples of {images.classes} classes, or in another order; predictions "
            "could not be compared with the published ones: complete the data or remove the label file"
        )


def check_space(target: Path, needed: int) -> None:
    """Raise InputError if the disk has less room than the predictions may need."""
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise InputError(f"cannot write {target}: needs up to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB free")
