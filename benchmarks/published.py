"""The published analysis, re-implemented plainly from its description: what the benchmarks compare with.

distances: slabs of 1,000 samples from files of float16 probabilities (LZ4, h5py's automatic chunks), to float32,
square root, one batched product (n, M, M), clip at 1e-6, logarithm, sum over samples.  (The published script leaves
the root out, by mistake; it costs little.)

progress: for each checkpoint a bounded scalar minimisation of the mean over samples of -log <gamma(s), sqrt P>.
gamma(s) is formed in full, (N, C), at each evaluation: the angle between the end points is found anew, and rows
whose end points coincide are left out by a mask.
"""

import h5py
import numpy as np
import torch
from scipy.optimize import minimize_scalar

SLAB = 1000


def write(path, probabilities):
    """Write probabilities (T, N, C), a tensor, as the published files are: float16, rounded to 5 decimals, LZ4."""
    import hdf5plugin

    rounded = torch.round(probabilities, decimals=5).half().numpy()
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=rounded, **hdf5plugin.LZ4())


def distances(paths):
    """Return the distances (M, M), float32, of all models of published files."""
    import hdf5plugin  # noqa: F401 - HDF5 learns to read LZ4 by it

    files, total = [h5py.File(path, "r") for path in paths], 0
    N = files[0]["data"].shape[1]
    for start in range(0, N, SLAB):
        slab = np.concatenate([file["data"][:, start : start + SLAB] for file in files])
        roots = torch.from_numpy(slab).float().sqrt().transpose(0, 1)
        affinity = torch.bmm(roots, roots.transpose(1, 2))
        total = total - torch.log(torch.clip(affinity, 1e-6)).sum(dim=0)
    for file in files:
        file.close()
    return (total / N).numpy()


def progress(P, labels):
    """Return the progress (float) of one model, probabilities (N, C), float32, with true labels (N,)."""
    N, C = P.shape
    ignorance, truth, root = np.full((N, C), np.sqrt(1 / C)), np.eye(C)[labels], np.sqrt(P)

    def interpolate(s):
        angle = np.arccos(np.clip((ignorance * truth).sum(axis=1, keepdims=True), 0, 1))
        apart, gamma = angle[:, 0] > 1e-6, np.array(ignorance)
        gamma[apart] = np.sin((1 - s) * angle[apart]) * ignorance[apart] + np.sin(s * angle[apart]) * truth[apart]
        gamma[apart] = gamma[apart] / np.sin(angle[apart])
        return gamma

    def distance(s):
        affinity = (interpolate(s).astype(np.float32) * root.astype(np.float32)).sum(axis=1)
        return -np.log(np.clip(affinity, 1e-9, None)).mean()

    return minimize_scalar(distance, bounds=(0, 1), method="bounded").x
