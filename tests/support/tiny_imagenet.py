"""For the tests: a small TinyImageNet, its files and folders as they are distributed."""

import shutil

import numpy as np
from PIL import Image

CLASSES = ["n01443537", "n02085620", "n02123045"]  # goldfish, Chihuahua, tabby: the last two are mammals


def pixels_of(rng, k):
    """Return an image (64, 64, 3) of noise around the colour of class k."""
    colour = np.random.default_rng(k).integers(40, 216, 3)
    return np.clip(colour + rng.normal(0, 20, (64, 64, 3)), 0, 255).astype(np.uint8)


def write(root, per_class=4, classes=CLASSES, seed=0):
    """Write train/<class>/images/ and val/images/ below root; return [class, image (64, 64, 3)] of val_0, val_1, ...

    JPEGs change pixels; here files called .JPEG hold PNGs, which do not.
    """
    rng, evaluation = np.random.default_rng(seed), []
    (root / "val" / "images").mkdir(parents=True)
    (root / "wnids.txt").write_text("".join(f"{name}\n" for name in reversed(classes)))
    for k, name in enumerate(classes):
        (root / "train" / name / "images").mkdir(parents=True)
        for i in range(per_class):
            image = Image.fromarray(pixels_of(rng, k))
            image.save(root / "train" / name / "images" / f"{name}_{i}.JPEG", format="PNG")
        boxes = "".join(f"{name}_{i}.JPEG\t0\t0\t62\t62\n" for i in range(per_class))
        (root / "train" / name / f"{name}_boxes.txt").write_text(boxes)
    lines = []
    for i, k in enumerate(rng.permutation(np.repeat(np.arange(len(classes)), per_class)).tolist()):
        evaluation.append((k, pixels_of(rng, k)))
        Image.fromarray(evaluation[-1][1]).save(root / "val" / "images" / f"val_{i}.JPEG", format="PNG")
        lines.append(f"val_{i}.JPEG\t{classes[k]}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    return evaluation


def sort_val(root, classes=CLASSES, below=""):
    """Move the evaluation images into one folder a class, as many do before they train; below: a folder in each."""
    for line in (root / "val" / "val_annotations.txt").read_text().splitlines():
        image, name = line.split("\t")[:2]
        (root / "val" / name / below).mkdir(parents=True, exist_ok=True)
        shutil.move(root / "val" / "images" / image, root / "val" / name / below / image)
    (root / "val" / "images").rmdir()
