"""Features of few images under the models of one run, kept for the next way in which this process imprints it."""

import hashlib
from collections.abc import Callable, Iterable

import torch

from learning.runs.run import Run

KEPT_BYTES = 1 << 28  # of normalised images, and of features, at most, that are kept in memory


class Features:
    """Features of one run, by the weights of the body and the images that they are of."""

    def __init__(self):
        self._run, self._found, self._room = None, {}, KEPT_BYTES

    def begin(self, run: Run) -> None:
        """Forget what is kept of another run."""
        if run != self._run:
            self._run, self._found, self._room = run, {}, KEPT_BYTES

    def of(self, body: torch.nn.Module, images: tuple, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return what is kept for a body with these weights and these images, which a digest stands for, or compute."""
        key = images, digest(body.state_dict().values())
        if key in self._found:
            return self._found[key]
        found = compute()
        if found.nbytes <= self._room:
            self._found[key], self._room = found, self._room - found.nbytes
        return found


KEPT = Features()  # of this process


def digest(tensors: Iterable[torch.Tensor]) -> bytes:
    """Return a digest of the numbers in tensors."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.contiguous().cpu().numpy())
    return found.digest()
