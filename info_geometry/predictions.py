"""The file contract: an HDF5 file holds an ordered set of models, each as its predictions on the same samples.

    data    (T, N, C)           numbers that stand for probabilities (`quantity`, below): model, sample, class
    t       (T,) float64        where each model stands in the order: usually training time; increases
    labels  (N,) int64          true classes of the samples; without them there is no progress
    attributes                  format_version, quantity, t_name, labels_sha256, data_sha256, versions, and what the
                                writer adds: task, seed, dataset, split, config (JSON), ...; keep_order = 1 where t
                                need not increase; rounded = "in bfloat16", "in float16" or "to 4 decimals" where all
                                models were so before they were stored; predicted_by = "imprinting, ..." or "head" of
                                what was trained here, and temperatures (T numbers) where these were fitted

    quantity    sqrt_probability    float16    sqrt(p): distances accurate to 0.03 %
                probability         float16    p
                fourth_root_8bit    uint8      round(255 (p / max p)^(1/4)), max of the row: half the bytes

A file that exists is complete (it is built under a temporary name), in chunks of some samples of one model that carry
checksums and may be compressed with gzip; readers need not know.
A file without `quantity` is a published one: `data` is float16 probabilities rounded to 5 decimals, with LZ4.

    python -m info_geometry.predictions check FILE...      says what a file holds and whether it is sound
    python -m info_geometry.predictions convert FILE... FOLDER [--compact | --to QUANTITY] [--compression gzip]
                                turns files, ours or published, into FOLDER/<run>/preds_<seed>.h5; --to published, too
    python -m info_geometry.predictions fetch [NAME]       downloads published trajectories; without NAME: lists them
"""

from info_geometry.files import InputError
from info_geometry.storage.checking import check
from info_geometry.storage.format import FORMAT_VERSION, fingerprint
from info_geometry.storage.labels import as_labels, read_labels
from info_geometry.storage.quantities import ROOTS, TOLERANCE, explain_rows, to_roots
from info_geometry.storage.recorder import Recorder, write
from info_geometry.storage.trajectories import (
    QUANTITIES,
    Trajectory,
    as_trajectory,
    block_size,
    check_shapes,
    open_trajectory,
)

__all__ = [
    "FORMAT_VERSION",
    "QUANTITIES",
    "ROOTS",
    "TOLERANCE",
    "InputError",
    "Recorder",
    "Trajectory",
    "as_labels",
    "as_trajectory",
    "block_size",
    "check",
    "check_shapes",
    "explain_rows",
    "fingerprint",
    "open_trajectory",
    "read_labels",
    "to_roots",
    "write",
]

if __name__ == "__main__":
    import runpy

    runpy.run_module("info_geometry.commands.predictions", run_name="__main__")
