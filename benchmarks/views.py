"""Time views: those of a whole batch at once (learning/data/views.py), against torchvision's, image by image.

    python benchmarks/views.py          10 seconds on one CPU core

Each image has random parameters of its own in both.  torchvision's transforms (v2) give all images of a batch the same
ones, so that they have to go one by one.  Weak views: a shift and a mirror image; strong views: a crop, a mirror image,
brightness, contrast and, of colours, saturation, hue and grey.  Times are of the CPU, with one thread, the least of 30.
"""

import argparse
import time

import torch
from torchvision.transforms import v2

from info_geometry.files import command
from learning import tasks
from learning.data import views, warps

BATCH, TIMES = 128, 30
DATASETS = "fashion", "cifar10"


def main(argv=None):
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    torch.set_num_threads(1)
    print(
        f"torch {torch.__version__}, milliseconds for {BATCH} images\n\n"
        "| images | views | at once | v2, image by image | ratio |\n| --- | --- | ---: | ---: | ---: |"
    )
    for dataset in DATASETS:
        channels, side = tasks.facts(dataset).channels, tasks.facts(dataset).size
        images = torch.rand(BATCH, channels, side, side, generator=torch.Generator().manual_seed(0))
        for kind, transform in transforms(dataset, channels, side).items():
            ours = milliseconds(getattr(views, kind), images, 0, dataset)
            theirs = milliseconds(one_by_one, transform, images)
            print(
                f"| {channels} x {side} x {side} | {kind} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.0f} |",
                flush=True,
            )


def transforms(dataset, channels, side):
    """Return {kind of view: the transforms of torchvision that do the same to an image}."""
    colour = {"saturation": warps.SATURATION, "hue": warps.TURN} if channels == 3 else {}
    jitter = v2.ColorJitter(brightness=warps.OFFSET, contrast=warps.GAIN, **colour)
    crop = v2.RandomResizedCrop(side, (tasks.facts(dataset).area, 1), warps.RATIO, antialias=False)
    grey = [v2.RandomGrayscale(warps.GREY)] if channels == 3 else []
    return {
        "weak": v2.Compose([v2.RandomCrop(side, side // 8, padding_mode="edge"), v2.RandomHorizontalFlip()]),
        "strong": v2.Compose([crop, v2.RandomHorizontalFlip(), v2.RandomApply([jitter], warps.JITTERED), *grey]),
    }


def one_by_one(transform, images):
    return torch.stack([transform(image) for image in images])


def milliseconds(function, *arguments):
    """Return the least milliseconds of CPU time of some calls."""
    seconds = []
    for _ in range(TIMES):
        started = time.process_time()
        function(*arguments)
        seconds.append(time.process_time() - started)
    return 1000 * min(seconds)


if __name__ == "__main__":
    command(main)
