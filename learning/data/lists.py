"""The classes of evaluation images that lie side by side, as they are distributed, from the list that comes with them.

    ImageNet           ILSVRC2012_val_00000001.JPEG, ...; ILSVRC2012_validation_ground_truth.txt and meta.mat of the
                       development kit, unpacked or in ILSVRC2012_devkit_t12.tar.gz
    ImageNet, Kaggle   LOC_val_solution.csv: a line an image, its name, a comma, its class and boxes
    tiny-imagenet      val_annotations.txt: a line an image, its name, a tab, its class and a box

A list is looked for beside the images, in the folders above, and there in a folder of the development kit.  No file is
moved.  Images come in the order that they would have in one folder a class.
"""

import io
import os
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path

from info_geometry.files import InputError, first_line, log

ROWS = ("val_annotations.txt", "LOC_val_solution.csv")
KIT = "ILSVRC2012_devkit_t12"
NUMBERS, META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
BOXES = "_boxes.txt"  # how the names of tiny-imagenet's lists of boxes end, one a class folder
FILES = {*ROWS, NUMBERS, META, f"{KIT}.tar.gz"}
NUMBERED = re.compile(r"ILSVRC2012_val_([0-9]{8})(\.[A-Za-z]+)?")
ABOVE = 3  # folders above that of the images: Kaggle's list is beside ILSVRC/Data/CLS-LOC


def classes(root: Path, images: Sequence[str], files: Sequence[str]) -> dict[str, list[str]]:
    """Return {class: paths of its images} for images (paths below root) that lie side by side, of a list that says so.

    files: all that lie there.  Raises InputError where there are no images, no list, or not all images are in it.
    """
    if not images:
        raise InputError(f"{root}: {_nothing(files)}")
    listed, source = _read(root, images)
    absent = [path for path in images if not listed.get(os.path.basename(path))]
    if absent:
        raise InputError(f"{source}: says no class of {len(absent)} of {len(images)} images in {root} ({absent[0]})")
    log.info("%s: the classes of %d images are those in %s", root, len(images), source)
    found = {}
    for path in images:
        found.setdefault(listed[os.path.basename(path)], []).append(path)
    return found


def _nothing(files):
    archives = sorted(name for name in files if name.endswith((".tar", ".tar.gz", ".tgz", ".zip")))
    if archives:
        return f"{len(archives)} archives, such as {archives[0]}, and no class folders; unpack each into one"
    return "no class folders in it; it should hold one folder of images a class"


def _read(root, images):
    """Return {file name: class} and the path of the list that says it."""
    names = [os.path.basename(path) for path in images]
    places = [root.absolute(), *root.absolute().parents[:ABOVE]]
    rows = [path for place in places for name in ROWS if (path := place / name).is_file()]
    for path in rows:
        if any((said := _of_rows(names, path)).values()):  # above, there may be lists of other images
            return said, path
    numbers = {name: int(match[1]) for name in names if (match := NUMBERED.fullmatch(name))}
    for place in places if len(numbers) == len(names) else []:
        for kit in (place, place / "data", *place.glob("*devkit*/"), *place.glob("*devkit*/data/")):
            if (kit / NUMBERS).is_file():
                return _of_kit(numbers, kit / NUMBERS, lambda name, kit=kit: (kit / name).read_bytes()), kit / NUMBERS
        archive = place / f"{KIT}.tar.gz"
        if archive.is_file():
            return _of_kit(numbers, archive, lambda name, archive=archive: _unpacked(archive, name)), archive
    if rows:
        return {}, rows[0]
    raise InputError(
        f"{root}: {len(names)} images lie side by side ({names[0]}, ...), and no list of their classes; move them into "
        f"one folder a class, or put the list that came with them into {root.parent}: {KIT}.tar.gz (ImageNet), "
        f"{ROWS[1]} (Kaggle), or {ROWS[0]} (tiny-imagenet; a line an image: name, tab, class)"
    )


def _unpacked(archive, name):
    with tarfile.open(archive) as kit:
        return kit.extractfile(f"{KIT}/data/{name}").read()


def _of_rows(names, path):
    """Return {file name: class} of a list with a line an image: its name, with or without its ending, and its class."""
    rows = (re.split("[,\t]", line) for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    said = {os.path.basename(row[0].strip()): row[1].split()[0] for row in rows if len(row) > 1 and row[1].strip()}
    return {name: said.get(name) or said.get(os.path.splitext(name)[0]) for name in names}


def _of_kit(numbers, source, read):
    """Return {file name: class} of images {file name: number from 1}; read(name): bytes of a file of the kit."""
    from scipy.io import loadmat  # takes a while, and no other data need it

    try:
        synsets = loadmat(io.BytesIO(read(META)), squeeze_me=True)["synsets"]
        names = dict(zip(synsets["ILSVRC2012_ID"].tolist(), synsets["WNID"].tolist()))
        said = [names[int(line)] for line in read(NUMBERS).split()]
    except Exception as error:  # damaged files make scipy and tarfile raise almost anything
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(
            f"{source}: not the classes of ImageNet's evaluation images, or no {META} that goes with them ({reason}); "
            f"unpack {KIT}.tar.gz again"
        ) from None
    return {name: said[k - 1] for name, k in numbers.items() if k <= len(said)}
