"""Image files in one folder a class: which files are images, which folders classes, and in which order they come.

    <root>/<class>/*.JPEG      also further down, as in <root>/<class>/images/*.JPEG
    <root>/*.JPEG              where a list says their classes (see `lists.py`); also in <root>/images/

Classes are in the order of their names.  Where all names are numbers, alone or after the same word, that is the order
of the numbers: 2 comes before 10, so that task 2,3 means the folders 2 and 3 (torchvision's ImageFolder sorts them as
texts).  Within a class, images are in the order of torchvision's ImageFolder.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from info_geometry.files import InputError, log
from learning.data import lists

# files that are called so are images; of others the content says it
ENDINGS = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
SYSTEM = {"__MACOSX", "__pycache__", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
SHOWN = 5  # names in a message
HIDDEN, NO_IMAGES, NO_CLASS = "hidden", "that cannot be read as images", "in no class folder"


class Folder:
    """Image files in one folder a class, a source of encoded images (see `encoded.py`).

    labels (N,): int64, positions in class_names, the names of the folders in order.  paths (N,): below root, bytes.
    """

    def __init__(self, root: Path):
        """List the files, and log what is left out; raise InputError where a class, or all, has no images."""
        if not root.is_dir():
            raise InputError(absent(root))
        left = {HIDDEN: [], NO_IMAGES: [], NO_CLASS: []}
        try:
            found = _classes(root, left)
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
        if any(left.values()):
            parts = [f"{len(names)} {what} ({some(sorted(names))})" for what, names in left.items() if names]
            log.warning("%s: left out: %s", root, ", ".join(parts))
        empty = [name for name, paths in found.items() if not paths]
        if empty:
            raise InputError(
                f"{root}: no images in {len(empty)} of {len(found)} class folders ({some(empty)}); "
                "complete or remove them"
            )
        self.root, self.class_names = root, ordered(found)
        if self.class_names != sorted(found):
            told = "%s: classes are in the order of their numbers (%s), not of texts as in torchvision's ImageFolder"
            log.info(told, root, some(self.class_names))
        counts = [len(found[name]) for name in self.class_names]
        self.labels = np.repeat(np.arange(len(found), dtype=np.int64), counts)
        # one array of bytes: a list of a million texts would be copied into every process that reads its counts
        self.paths = np.array([os.fsencode(path) for name in self.class_names for path in found[name]])

    def name(self, i: int) -> Path:
        """Return the path of image i."""
        return self.root / os.fsdecode(self.paths[i])

    def read(self, i: int) -> bytes:
        """Return the bytes of image i."""
        return self.name(i).read_bytes()


def ordered(names: Iterable[str]) -> list[str]:
    """Return names of classes in their order: that of their numbers where they differ in nothing else, or of texts."""
    names = sorted(names)
    parts = [re.fullmatch(r"(.*?[^0-9.])?([0-9]+)", name, re.DOTALL) for name in names]
    if all(parts) and len({part[1] for part in parts}) == 1:
        names.sort(key=lambda name: int(re.search("[0-9]+$", name)[0]))
    return names


def is_image(path: str | Path) -> bool:
    """Return whether a file is an image that can be read: by its ending, or else by how it begins."""
    if os.path.splitext(path)[1].lower() in ENDINGS:
        return True
    if not os.path.isfile(path):
        return False
    Image.init()
    try:
        with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]):
            return True
    except Exception:  # damaged files make Pillow raise almost anything
        return False


def some(names: Sequence[str]) -> str:
    """Return the first names, for a message, of which every name is one line."""
    return ", ".join([name.replace("\n", "?") for name in names[:SHOWN]] + ["..."] * (len(names) > SHOWN))


def absent(root: Path) -> str:
    """Return what to say where the folder of a split is not there."""
    others = visible(path.name for path in root.parent.glob("*/")) if root.parent.is_dir() else []
    there = f" ({root.parent} holds {some(sorted(others))}; rename the one that is meant)" if others else ""
    return f"{root}: no such folder{there}; it should hold one folder of images a class"


def visible(names: Iterable[str]) -> list[str]:
    """Return the names but for those that systems and programs leave behind, such as .ipynb_checkpoints or ._0.jpg."""
    return [name for name in names if not name.startswith(".") and name not in SYSTEM]


def _classes(root, left):
    """Return {class: paths of its images below root}; add to `left` what is left out."""
    folders, files = (_visible(names, "", left) for names in _listed(root))
    place = ""
    if [name.lower() for name in folders] == ["images"] and not visible(_listed(root / folders[0])[0]):
        place, folders = folders[0], []
        files = _visible(_listed(root / place)[1], place, left)
    if folders:
        left[NO_CLASS] += [name for name in files if is_image(root / name)]
        return {name: _below(root, name, left) for name in sorted(folders)}
    names = {True: [], False: []}
    for name in sorted(files):
        names[is_image(root / place / name)].append(name)
    left[NO_IMAGES] += [os.path.join(place, name) for name in names[False] if name not in lists.FILES]
    return lists.classes(root, [os.path.join(place, name) for name in names[True]], files)


def _listed(folder):
    """Return the names of the folders and of the files in a folder."""
    return next(os.walk(folder, onerror=_raise))[1:]


def _below(root, name, left):
    """Return the paths, below root, of the images in a class folder and the folders in it."""
    walked, paths = [], []
    for place, folders, files in os.walk(root / name, followlinks=True, onerror=_raise):
        here = os.path.relpath(place, root)
        folders[:] = _visible(folders, here, left)
        walked.append((place, here, _visible(files, here, left)))
    for place, here, files in sorted(walked):
        for file in sorted(files):
            if not file.endswith(lists.BOXES):
                (paths if is_image(os.path.join(place, file)) else left[NO_IMAGES]).append(os.path.join(here, file))
    return paths


def _visible(names, place, left):
    seen = visible(names)
    left[HIDDEN] += [os.path.join(place, name) for name in set(names) - set(seen)]
    return seen


def _raise(error):
    raise error
