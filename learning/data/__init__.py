"""Data sets behind one small interface: batches of a task to train on, and evaluation samples in a fixed order.

    sets.py                  finds and reads the files of a data set: load(dataset, split, folder)
    plans.py                 which samples are loaded together, in which order
    memory.py, encoded.py    images held in memory; images in files, decoded when they are needed
    small.py                 small images in files, decoded once, when they are loaded
    kept.py                  ... and for all runs that one process takes
    gaussian.py              inputs that are no images: Gaussian, labelled by a network
    folders.py, lists.py     image files in one folder a class, or with a list of their classes
    pixels.py                from the bytes of a file to pixels, whatever decodes them
    packed.py, packing.py    many encoded images in a few large files: reading, writing
    stamps.py                which images were changed since they were packed
    views.py, warps.py       random variants of images, and what they are made of

A set of images has `labels` (N,), `classes`, `class_names` (of an image folder, else None), `channels`, `size`, and

    batches(plan, ...)     float images (B, channels, height, width) for each Batch of a plan
    in_memory(...)         the same images decoded and cut for evaluation

A subset is a list of indices, never a copy.  Order and augmentation are functions of (seed, epoch, batch), so that a
run can be resumed at any step and does not depend on the number of processes that load it or train on it.
"""

from learning.data.encoded import check_shared_memory
from learning.data.memory import TensorImages, move, normalise
from learning.data.plans import Batch, evaluation_plan, steps_per_epoch, training_plan, whole_plan
from learning.data.sets import check_classes, load

__all__ = [
    "Batch",
    "TensorImages",
    "check_classes",
    "check_shared_memory",
    "evaluation_plan",
    "load",
    "move",
    "normalise",
    "steps_per_epoch",
    "training_plan",
    "whole_plan",
]
