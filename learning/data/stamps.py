"""Which images were changed since they were packed, told without reading all of them.

A file of packed images holds a digest of each image file it was made from.  Their sizes and times of change are kept
beside the packed images, in `.stamps/<split>/<number>.npy`.  Where these are the same, images are taken for unchanged;
others are read, and compared by their digests: they may only have been touched, or copied.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from info_geometry.files import atomic_path, writing

DIGEST = 16  # bytes
NO_DIGEST = bytes(DIGEST)  # of an image that cannot be read


def of(root: Path, names: Sequence[str]) -> np.ndarray:
    """Return (n, 3) of images: bytes, times of change of content and of file in ns; -1 for one that is gone."""
    found = np.full((len(names), 3), -1)
    for i, name in enumerate(names):
        with contextlib.suppress(OSError):
            state = (root / name).stat()
            found[i] = state.st_size, state.st_mtime_ns, state.st_ctime_ns  # the first two may survive a replacement
    return found


def unchanged(packed: Path, root: Path, names: Sequence[str], digests: np.ndarray) -> bool:
    """Return whether images have the bytes of which these are the digests (n, DIGEST); keep their new stamps if so."""
    now, old = of(root, names), read(packed)
    changed = (now != old).any(axis=1) if old is not None and old.shape == now.shape else np.full(len(names), True)
    if not all(_digest_of(root / names[i]) == digests[i].tobytes() for i in np.flatnonzero(changed)):
        return False
    if changed.any():
        write(packed, now)
    return True


def digest(raw: bytes) -> bytes:
    """Return DIGEST bytes that are others for other bytes."""
    return hashlib.blake2b(raw, digest_size=DIGEST).digest()


def _digest_of(image):
    try:
        return digest(image.read_bytes())
    except OSError:
        return NO_DIGEST


def path(packed: Path) -> Path:
    """Return where the stamps of the images in a packed file are kept."""
    return packed.parent.parent / ".stamps" / packed.parent.name / f"{packed.stem}.npy"


def read(packed: Path) -> np.ndarray | None:
    """Return the stamps that images had when a file was made of them, or None where they are not known."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        return np.load(path(packed))


def write(packed: Path, found: np.ndarray) -> None:
    """Keep stamps of the images in a packed file; raise InputError where that cannot be."""
    with atomic_path(path(packed)) as temporary, writing(path(packed)), open(temporary, "wb") as file:
        np.save(file, found)
