"""Time whole commands, as they are typed: from the start of Python to the last figure, on the runs of `make picture`.

    python benchmarks/commands.py [--rounds 3]         half a minute on two CPU cores

Of the time of inpca.py and trajectory.py, importing is what `python -c "import ..."` takes of the same modules.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import embedding

from info_geometry.files import ROOT, InputError, command

GOALS = {"inpca.py": 3, "trajectory.py": 1.5}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    print(tables(parser.parse_args(argv).rounds))


def tables(rounds=3):
    """Return the table of commands, in Markdown: the best of the rounds, which take turns."""
    with tempfile.TemporaryDirectory() as folder:
        runs = sorted({Path(x.path).parent for x in embedding.trained(Path(folder))})
        options = ["--predictions", str(runs[0].parent), "--plots", f"{folder}/plots", "--redo"]
        options += ["--name", "digits", *(run.name for run in runs)]
        ways = {
            "import info_geometry.distance, .inpca, .trajectory": [
                "-c",
                "from info_geometry import distance, inpca, trajectory",
            ],
            "import info_geometry.commands.inpca": ["-c", "import info_geometry.commands.inpca"],
            "inpca.py": [str(ROOT / "info_geometry" / "inpca.py"), *options, "--embedding", f"{folder}/digits.npz"],
            "trajectory.py": [str(ROOT / "info_geometry" / "trajectory.py"), *options],
        }
        seconds = {way: [] for way in ways}
        for _ in range(rounds + 1):  # the first compiles, if it must
            for way, words in ways.items():
                seconds[way].append(timed(words))
        return "\n".join(
            [
                "On 720 models of 599 samples and 10 classes, everything written.",
                "",
                "| command | s | goal |",
                "| --- | ---: | ---: |",
                *(f"| {way} | {min(found[1:]):.2f} | {GOALS.get(way, '')} |" for way, found in seconds.items()),
            ]
        )


def timed(words):
    """Return the seconds that Python takes with these words."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{' '.join(words[:2])} failed: {done.stderr.strip()[-500:]}")
    return time.perf_counter() - started


if __name__ == "__main__":
    command(main)
