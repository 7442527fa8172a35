"""Measure every stage of supervised_imagenet on images made for it, each beside the ceiling it could reach.

    python benchmarks/imagenet.py --small                  a minute on two CPU cores
    python benchmarks/imagenet.py --checkpoints 61         on a GPU: the full evaluation set and number of checkpoints
    python benchmarks/imagenet.py --loader-only            packing and loading at full size, without a GPU
    python benchmarks/imagenet.py --images-only FOLDER     only make the images: FOLDER/train and FOLDER/val

Makes an image folder of JPEGs with the amplitude spectrum of natural images (1/f^1.2, Tolhurst et al. 1992), 500 x 375
pixels and about 110 kB each, packs it, reads it, trains on it and imprints with it, and prints a table in Markdown.
The images need about 10 GB in --folder for 1,000 classes of 40 + 50.  No figure is extrapolated.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from info_geometry.files import ROOT, InputError, command
from learning import config as configs
from learning.tasks import class_synsets
from learning.tasks import load as load_task

STAGE = ROOT / "supervised_imagenet" / "01_training"
SMALL = {"batch_size": 16, "micro_batch_size": 8, "evaluation_batch_size": 20, "evaluation_resolution": 64}


def main(argv=None):
    given = arguments(argv)
    options = Options(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Options)})
    if given.images_only:
        write_images(given.images_only, options)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        Benchmark(Path(folder), options).run()


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured: `classes` of `per_class` images (to train on, to evaluate), `width` pixels wide; how many
    checkpoints are imprinted and steps of training timed; on which device, and how many processes decode."""

    small: bool
    loader_only: bool
    device: str | None
    workers: int
    classes: int
    per_class: tuple[int, int]
    width: int
    checkpoints: int
    steps: int


def arguments(argv):
    """Return what the command line says, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="few small images and steps")
    parser.add_argument("--loader-only", action="store_true", help="pack and load, but do not train or imprint")
    parser.add_argument("--images-only", type=Path, metavar="FOLDER", help="make the images and stop")
    parser.add_argument("--folder", type=Path, help="where to put temporary files; default: the system's")
    parser.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    parser.add_argument("--workers", type=int, default=max(1, os.cpu_count() - 2), help="default: all cores but two")
    parser.add_argument("--classes", type=int, help="at most 1,000")
    parser.add_argument("--per-class", type=int, nargs=2, metavar=("TRAIN", "VAL"), help="images")
    parser.add_argument("--width", type=int, help="pixels of the long side of an image")
    parser.add_argument("--checkpoints", type=int, help="to imprint")
    parser.add_argument("--steps", type=int, help="of training to time, after as many to warm up")
    given = parser.parse_args(argv)
    defaults = {
        "classes": (1000, 8),
        "per_class": ((40, 50), (12, 6)),
        "width": (500, 100),
        "checkpoints": (6, 3),
        "steps": (20, 2),
    }
    for name, (full, small) in defaults.items():
        if getattr(given, name) is None:
            setattr(given, name, small if given.small else full)
    if not 2 <= given.classes <= 1000 or min(*given.per_class, given.checkpoints, given.steps) < 1:
        raise InputError("--classes takes 2 to 1000, --per-class, --checkpoints and --steps positive numbers")
    return given


def write_images(folder, options):
    """Write `folder`/{train,val}/<synset>/<number>.JPEG, in parallel."""
    classes = class_synsets("imagenet")[: options.classes]
    jobs = [
        (folder / split, name, k, count, options.width)
        for split, count in zip(("train", "val"), options.per_class)
        for k, name in enumerate(classes)
    ]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count() if len(jobs) > 100 else 1) as pool:
        pool.starmap(write_class, jobs)


def write_class(root, name, k, count, width):
    """Write the images of a class: parts of a few large fields of 1/f^1.2 noise, around a colour of the class."""
    from PIL import Image

    height = width * 3 // 4
    rng = np.random.default_rng([k, count])
    fields = [field(rng, 2 * height, 2 * width) for _ in range(3)]
    colour = np.random.default_rng(k).uniform(-40, 40, 2)
    (root / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        parts = []
        for _ in range(3):
            top, left = rng.integers(0, height), rng.integers(0, width)
            parts.append(fields[rng.integers(3)][top : top + height, left : left + width])
        pixels = np.stack([128 + 40 * parts[0], 128 + colour[0] + 20 * parts[1], 128 + colour[1] + 20 * parts[2]], -1)
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "YCbCr").convert("RGB")
        image.save(root / name / f"{name}_{number}.JPEG", quality=93)


def field(rng, height, width):
    """Return noise (height, width) of unit variance whose amplitude falls with frequency as 1/f^1.2."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    amplitude = np.maximum(frequency, 1 / max(height, width)) ** -1.2
    noise = np.fft.irfft2(amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape)), s=(height, width))
    return (noise - noise.mean()) / noise.std()


class Benchmark:
    """The measurements, in the order of the stages; each prints its row."""

    def __init__(self, folder, options):
        self.folder, self.options, self.rows = folder, options, []
        self.overrides = SMALL if options.small else {}

    def run(self):
        import torch

        from learning import data, distributed

        with distributed.processes(self.options.device) as here:
            self.here, self.cuda = here, here.device.type == "cuda"
            self.name = torch.cuda.get_device_name(here.device) if self.cuda else f"{os.cpu_count()} CPU cores"
            print(
                f"{self.name}, {self.options.workers} workers, torch {torch.__version__}; {self.options.classes} "
                f"classes, {self.options.per_class[0]} + {self.options.per_class[1]} images each\n",
                flush=True,
            )
            print("| measured | images/s | ceiling | images/s | ratio |\n| --- | ---: | --- | ---: | ---: |")
            self.pack()
            self.train_images, self.val = (
                data.load("imagenet", split, self.folder / "packed") for split in ("train", "val")
            )
            for side in (32, 64) if self.options.small else (160, 192):
                self.load(side)
                if not self.options.loader_only:
                    self.train(side)
            if not self.options.loader_only:
                self.imprint()
            print(f"\npeak memory: {peak_memory(here.device)}")

    def row(self, measured, rate, ceiling, best):
        print(f"| {measured} | {rate:,.0f} | {ceiling} | {best:,.0f} | {rate / best:.2f} |", flush=True)

    def pack(self):
        """Pack in parallel; the ceiling is one core's rate times the cores."""
        from learning.data import folders, packing

        source = self.folder / "images"
        write_images(source, self.options)
        folder = folders.Folder(source / "train")
        raw = [folder.read(i) for i in range(min(100, len(folder.labels)))]
        alone = rate(len(raw), lambda: [packing.reduced(each, 400, 90) for each in raw])
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "supervised_imagenet.01_training.write_imagenet", source, self.folder / "packed"],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        count = self.options.classes * sum(self.options.per_class)
        self.row(
            "packing", count / (time.perf_counter() - started), f"one core x {os.cpu_count()}", alone * os.cpu_count()
        )

    def load(self, side):
        """Load training batches; the ceiling is one process times the workers."""
        from learning import data

        workers, batch = self.options.workers, self.config(side).micro_batch_size
        count = len(self.train_images.labels) // batch * batch
        few = max(batch, min(count, 10 * batch) // batch * batch if self.options.small else batch)

        def read(number, workers):
            plan = data.training_plan(np.arange(number), batch, 0, 0, resolution=side)
            for _ in self.train_images.batches(
                plan, device=self.here.device, augmentation="random_resized_crop", workers=workers
            ):
                pass

        read(batch, 0)  # imports
        alone = rate(few, lambda: read(few, 0))
        self.row(
            f"loader alone, {side} pixels",
            rate(count, lambda: read(count, workers)),
            f"one process x {workers}",
            alone * workers,
        )

    def train(self, side):
        """Train with the loader; the ceiling is the same loop on images that are in memory."""
        import torch

        from learning.data import TensorImages

        config = self.config(side)
        count = 2 * config.batch_size
        pixels = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
        labels = np.arange(count) % self.options.classes
        memory = TensorImages(pixels, labels, self.options.classes, [128.0] * 3, [64.0] * 3)
        memory.class_names = self.train_images.class_names
        plain = self.config(side, augmentation="none")
        best = self.trained(memory, plain, f"memory_{side}")
        if self.cuda:
            compiled = self.trained(memory, self.config(side, augmentation="none", compile=True), f"compiled_{side}")
            self.row(f"training from memory, {side} pixels, compiled", compiled, "not compiled", best)
        self.row(
            f"training with the loader, {side} pixels",
            self.trained(self.train_images, config, f"loader_{side}"),
            "from memory",
            best,
        )

    def trained(self, images, config, name):
        """Return the images/s of stage 1's own loop, after as many steps to warm up."""
        from learning import supervise
        from learning.runs.job import Job
        from learning.runs.run import Folders

        run = self.describe(images, config, [0, self.options.steps, 2 * self.options.steps], name)
        folders = Folders(checkpoints=self.folder / "runs")
        job = Job(run, config, images, folders, self.here, self.options.workers)
        supervise.train(job)
        last = json.loads((job.folder / "log.jsonl").read_text().splitlines()[-1])
        return last["images"] / last["seconds"]

    def imprint(self):
        """Imprint checkpoints and store their predictions; the ceiling is the forward passes alone."""
        import torch

        from learning import data, imprint, networks
        from learning.runs import store, weights

        config, count = self.config(0), self.options.checkpoints
        run = self.describe(self.val, config, list(range(count)))
        folder, trained = self.folder / "runs" / "imprinted", max((self.folder / "runs").glob("loader_*/*/last.pth"))
        network = networks.build(config.network, 3, 224, self.options.classes, 0, config.width)
        weights.fit(weights.load(trained)["network"], network, trained)
        whole, half = (weights.of(network, trained, half) for half in (False, True))
        for step in run.schedule:
            weights.save(run.path(folder, step), half if self.cuda else whole)
        imprinter = store.Imprinter(self.val, self.here, workers=self.options.workers)
        N, side = len(self.val.labels), config.evaluation_resolution
        started = time.perf_counter()
        images = imprinter.prepare(run)
        decoding = N / (time.perf_counter() - started)
        difference = abs(imprinter.roots(whole, trained).float() - imprinter.roots(half, trained).float()).max()
        network = networks.on(self.here.device, network)

        def forward():
            for _ in range(count):
                plan = data.evaluation_plan(N, config.evaluation_batch_size, side)
                imprint.features(
                    network.body, images.batches(plan, device=self.here.device), config.evaluation_precision
                )
            if self.cuda:
                torch.cuda.synchronize()

        forward()
        best = rate(N * count, forward)
        target = self.folder / "predictions" / "imagenet_all" / "preds_0.h5"
        found = rate(N * count, lambda: store.store_checkpoints(target, folder, run, imprinter, self.here))
        self.row(f"imprinting, {side} pixels", found, "forward passes alone", best)
        print(
            f"\n{count} checkpoints x {N} images imprinted in {N * count / found:.1f} s, once decoded at "
            f"{decoding:,.0f} a second; file of {target.stat().st_size / 1e6:.1f} MB\n"
            f"half-precision weights change square roots of probabilities by {difference:.1e} at most here; "
            f"storing them in float16 by {2**-12:.1e}"
        )

    def describe(self, images, config, schedule, name="imprinted"):
        """Return the Run `name`, with a schedule of our own."""
        from learning.runs.job import describe

        task = load_task("imagenet", ",".join(map(str, range(self.options.classes))), images.class_names)
        return dataclasses.replace(describe(task, 0, images, config, name), schedule=schedule)

    def config(self, side, **changes):
        """Return the configuration of ImageNet at one resolution, with enough epochs for the steps."""
        base = configs.read(STAGE / "configs" / "imagenet_rn50.yaml")
        return configs.Config(
            **{
                **vars(base),
                "resolution": side,
                "final_resolution": side,
                "epochs": 10_000,
                "evaluate_every": 0,
                "warmup_epochs": 1.0,
                **self.overrides,
                **changes,
            }
        )


def rate(count, work):
    """Return count / seconds of work."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def peak_memory(device):
    """Return the peak memory of this process, and of the GPU."""
    import torch

    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    gpu = f", {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB of the GPU" if device.type == "cuda" else ""
    return f"{own / 2**30:.1f} GiB{gpu}"


if __name__ == "__main__":
    command(main)
