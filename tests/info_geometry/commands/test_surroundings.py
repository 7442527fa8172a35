"""Commands where not all is as usual: settings of the user's matplotlib, names in other encodings, other devices."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from info_geometry.commands import inpca
from info_geometry.files import ROOT
from tests.support.synthetic import write_runs


def inpca_in(folder, *words, **environment):
    """Run inpca.py in a process of its own; return (exit code, output) with all bytes as they were printed."""
    command = [
        sys.executable,
        ROOT / "info_geometry" / "inpca.py",
        "--predictions",
        folder,
        "--plots",
        folder / "plots",
    ]
    done = subprocess.run(
        [*map(os.fsencode, command), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape")


def test_settings_of_a_latex_user_and_the_backend_of_a_notebook_do_not_matter(tmp_path):
    settings = tmp_path / "matplotlibrc"
    settings.write_text("text.usetex: True\nfont.family: no such font\nsavefig.bbox: tight\nsavefig.dpi: 10\n")
    write_runs(tmp_path / "a", seeds=(0,), tasks=("all", "odd"), T=3)
    environment = {"MATPLOTLIBRC": str(settings), "MPLBACKEND": "module://ipympl.backend_nbagg"}
    theirs = inpca_in(tmp_path / "a", **environment)
    first = {path.name: path.read_bytes() for path in (tmp_path / "a" / "plots" / "toy").glob("*.pdf")}
    usual = inpca_in(tmp_path / "a", "--redo")
    again = {path.name: path.read_bytes() for path in (tmp_path / "a" / "plots" / "toy").glob("*.pdf")}
    assert theirs[0] == usual[0] == 0, theirs[1]
    same = {name: text.replace(b" --redo", b"") for name, text in again.items()}
    assert first and {name: len(text) for name, text in same.items()} == {
        name: len(text) for name, text in first.items()
    }


def test_folder_whose_name_is_not_utf8_on_a_terminal_of_ascii(tmp_path):
    try:
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/donn\xe9es"))
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    write_runs(folder, seeds=(0,), tasks=("all", "odd"), T=3)
    for _ in range(2):  # made, then found to be there
        code, text = inpca_in(folder, PYTHONIOENCODING="ascii")
        assert code == 0 and "Traceback" not in text and "inpca.html" in text, text
    assert "skipped (already complete" in text
    code, text = inpca_in(folder, "--name", "other", PYTHONIOENCODING="ascii")
    assert code == 1 and "donn\\udce9es has no run of data set 'other'" in text


@pytest.mark.parametrize("device", ["mps", "xpu", "meta", "cuda", "nonsense"])
def test_device_that_is_not_there(folder, command, device):
    import torch

    if device != "meta" and device != "nonsense" and getattr(torch, device).is_available():
        pytest.skip(f"there is {device}")
    write_runs(folder, seeds=(0,), tasks=("all", "odd"), T=3)
    code, _, err = command(inpca, "--device", device)
    assert code == 1 and err.startswith(f"error: device '{device}': ") and "; leave it out to use the CPU" in err
