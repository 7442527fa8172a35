"""What float32 and bfloat16 change of what people read off, against float64, on the runs of `make picture`.

    python benchmarks/precision.py [FILE.h5 ...]         seconds; or on prediction files of one's own

Lengths, progress and distances at equal progress are not of these products: they are summed in float64.
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import embedding
import numpy as np

from info_geometry import distance, inpca, predictions
from info_geometry.files import command

DECADES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.h5")
    given = parser.parse_args(argv).files
    print(tables([predictions.open_trajectory(path) for path in given]))


def tables(trajectories=()):
    """Return the table of precisions, in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        trajectories = trajectories or embedding.trained(Path(folder))
        D = {name: distance.pairwise(trajectories, precision=name, fast=True) for name in distance.PRECISIONS}
    exact, M = D["float64"], len(D["float64"])
    pairs = exact[np.triu_indices(M, 1)]
    full = inpca.fit(exact)
    names = [f"{a:.0e} to {b:.0e}" for a, b in itertools.pairwise(DECADES)]
    lines = [
        f"{M} models, {trajectories[0].shape[1]} samples, {trajectories[0].shape[2]} classes.  Largest differences to "
        "float64: of distances; of the explained stress of 1 to 5 axes; of coordinates in 3 axes, as a part of the "
        "largest; of distances of so much, as a part of these.",
        "",
        f"| precision | distances | explained stress | coordinates | {' | '.join(names)} | larger |",
        f"| --- | ---: | ---: | ---: |{' ---: |' * len(DECADES)}",
    ]
    for name in distance.PRECISIONS[1:]:
        found, error = inpca.fit(D[name]), abs(D[name][np.triu_indices(M, 1)] - pairs)
        numbers = [
            error.max(),
            abs(found.explained_stress()[:5] - full.explained_stress()[:5]).max(),
            abs(found.coordinates - full.coordinates).max() / abs(full.coordinates).max(),
        ]
        for low, high in zip(DECADES, (*DECADES[1:], np.inf)):
            some = (pairs > low) & (pairs <= high)
            numbers.append((error[some] / pairs[some]).max(initial=0))
        lines.append(f"| {name} | {' | '.join(f'{x:.0e}' for x in numbers)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    command(main)
