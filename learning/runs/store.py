"""From the checkpoints of a run to its prediction file, so that a GPU computes and never waits.

While the network of one checkpoint runs, the weights of the next are read and the predictions of the one before are
compressed and written.  Several processes take a checkpoint each and leave its predictions beside the weights; the
main one puts them together.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from info_geometry import predictions
from info_geometry.files import InputError
from learning import data, imprint, networks
from learning.config import of_run
from learning.runs import checkpoints


def attributes(run):
    """Return what the prediction file says of the run it was made from; `start`: where it did not begin anew."""
    return {
        "dataset": run["config"]["dataset"],
        "task": run["task"]["name"],
        "classes": list(run["task"]["classes"]),
        "seed": run["seed"],
        "config": run["config"],
        **({"start": run["start"]} if "start" in run else {}),
    }


class Imprinter:
    """Imprints the networks of a run with evaluation images that are decoded once."""

    def __init__(self, images, here, *, workers=0, on_device=True):
        self.images, self.labels, self.classes = images, images.labels, images.classes
        self._here, self._workers, self._on_device = here, workers, on_device
        self._run, self._decoded = None, {}

    def prepare(self, run):
        """Build the network of a run and decode the images at its resolution; all processes do this together."""
        config = of_run(run["config"])
        if run.get("class_names") != self.images.class_names:
            raise InputError(
                f"{run['name']} was trained on other class folders than those in {self.images.root}; "
                "training and evaluation need the same ones"
            )
        if config.evaluation_resolution not in self._decoded:
            self._decoded = {
                config.evaluation_resolution: self.images.in_memory(
                    config.evaluation_resolution, self._here, workers=self._workers, on_device=self._on_device
                )
            }
        outputs = run.get("outputs", len(run["task"]["classes"]))
        network = networks.build(config.network, self.images.channels, self.images.size, outputs, run["seed"])
        self._run, self._config, self._network = run, config, networks.on(self._here.device, network)
        if config.compile and self._here.device.type == "cuda":
            self._network.body.compile(dynamic=False)
        return self._decoded[config.evaluation_resolution]

    @torch.inference_mode()
    def roots(self, weights, where):
        """Return the square roots (N, C), float16, of the probabilities that weights give."""
        checkpoints.fit_weights(weights, self._network, where)
        config, device = self._config, self._here.device
        images = self._decoded[config.evaluation_resolution]
        plan = data.evaluation_plan(len(self.labels), config.evaluation_batch_size, config.evaluation_resolution)
        found = imprint.imprint(
            self._network.body,
            images.batches(plan, device=device),
            torch.from_numpy(self.labels).to(device),
            self.classes,
            config.evaluation_precision,
        )
        return found.sqrt_().half().cpu()


def write_part(folder, run, step, roots, labels):
    """Keep the predictions of one checkpoint beside, or instead of, its weights."""
    with _recorder(checkpoints.path(folder, run, step, ".h5"), run, labels) as recorder:
        recorder.append_roots(roots, _time(run, step))


def store(target, folder, run, imprinter, here, **more):
    """Write the prediction file of a run whose checkpoints are all there; more: attributes.

    Under torchrun the processes share the checkpoints; the main one writes the file.
    """
    imprinter.prepare(run)
    check_space(target, len(run["schedule"]) * len(imprinter.labels) * imprinter.classes * 2)
    if here.world > 1:
        absent = [step for step in run["schedule"] if not checkpoints.path(folder, run, step, ".h5").exists()]
        here.barrier()  # all have the same list
        with ThreadPoolExecutor(1) as writer:
            pending = None
            for step, roots in _imprinted(folder, run, absent[here.rank :: here.world], imprinter):
                _finish(pending)
                pending = writer.submit(write_part, folder, run, step, roots, imprinter.labels)
            _finish(pending)
        here.barrier()
    if here.main:
        _assemble(target, folder, run, imprinter, more)
    here.barrier()


def _assemble(target, folder, run, imprinter, more):
    parts = {step: checkpoints.path(folder, run, step, ".h5") for step in run["schedule"]}
    parts = {step: part for step, part in parts.items() if part.exists()}
    found = _imprinted(folder, run, [step for step in run["schedule"] if step not in parts], imprinter)
    with _recorder(target, run, imprinter.labels, **more) as recorder, ThreadPoolExecutor(1) as writer:
        pending = None
        for step in run["schedule"]:
            if step in parts:
                _finish(pending)
                pending = writer.submit(recorder.append_file, parts[step])
            else:
                _, roots = next(found)
                _finish(pending)
                pending = writer.submit(recorder.append_roots, roots, _time(run, step))
        _finish(pending)
    remove_parts(folder)


def remove_parts(folder):
    """Remove the predictions beside the checkpoints of a run, which are all in one file now."""
    for part in (folder / "ckpt").glob("[0-9]*.h5"):
        part.unlink()


def _imprinted(folder, run, steps, imprinter):
    """Yield (step, square roots (N, C)) of checkpoints; the weights of the next are read while one is imprinted."""
    paths = [checkpoints.path(folder, run, step) for step in steps]
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(checkpoints.load, paths[0]) if paths else None
        for i, step in enumerate(steps):
            weights = following.result()
            following = reader.submit(checkpoints.load, paths[i + 1]) if i + 1 < len(paths) else None
            yield step, imprinter.roots(weights, paths[i])


def _recorder(path, run, labels, **more):
    return predictions.Recorder(path, labels=labels, t_name=run.get("t_name", "epoch"), **attributes(run), **more)


def _time(run, step):
    return step / run["steps_per_epoch"]


def _finish(pending):
    """Wait for what a thread does; raise what went wrong in it."""
    if pending is not None:
        pending.result()


def check_same(target, run, folder, images):
    """Raise InputError if predictions that are there come from other settings or other samples than asked for."""
    there = predictions.open_trajectory(target).attributes
    if run and any(there.get(key) != value for key, value in attributes(run).items()):
        raise InputError(
            f"{target} was made from a run with other settings than {folder}; delete it to store the "
            "predictions of that run"
        )
    if there.get("labels_sha256") != predictions.fingerprint(images.labels):
        raise InputError(f"{target} holds predictions of other samples than the data here; delete it to redo it")


def check_published_labels(images, folder, dataset, split):
    """Raise InputError if published labels are there and the data here are not in their order."""
    path = folder / f"{dataset}_{split}_labels.npy"
    labels = predictions.read_labels(path)
    if labels is not None and (labels.shape != images.labels.shape or (labels != images.labels).any()):
        raise InputError(
            f"{path}: {labels.size} labels of {len(np.unique(labels))} classes, but the data here are "
            f"{len(images.labels)} samples of {images.classes} classes, or in another order; predictions "
            "could not be compared with the published ones: complete the data or remove the label file"
        )


def check_space(target, needed):
    """Raise InputError if the disk has less room than the predictions may need."""
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise InputError(f"cannot write {target}: needs up to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB free")
