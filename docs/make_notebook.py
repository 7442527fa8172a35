"""Run the tutorial from top to bottom, and store it with its figures as it is then.

    .venv/bin/python docs/make_notebook.py [NOTEBOOK]      default: picture_of_tasks_tutorial.ipynb of the repository

needs nbclient and ipykernel (the extra `dev`).  Where `git remote get-url origin` is a repository on GitHub, its
address takes the place of OWNER/picture-of-tasks.  What is stored does not say where and when it was made: there are no
paths and no times in it, and cells have the ids cell-01, cell-02, ...  A notebook with a cell that fails is not stored.
Takes 40 seconds on 2 CPU cores, and prints the size of what it stored.
"""

import argparse
import base64
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from info_geometry.files import ROOT, InputError, command, first_line, write_text

NOTEBOOK = ROOT / "picture_of_tasks_tutorial.ipynb"
PLACEHOLDER = "OWNER/picture-of-tasks"
LARGEST = 3_000_000  # bytes
SECONDS = 600  # for one cell


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", nargs="?", type=Path, default=NOTEBOOK, metavar="NOTEBOOK")
    path = parser.parse_args(argv).notebook
    text = make(path)
    write_text(path, text)
    print(f"{path.name}: run and stored, {len(text) / 1e6:.2f} MB", flush=True)


def make(path: Path) -> str:
    """Return the text of the notebook at `path` with the outputs of running it.

    Raises InputError where it is no notebook, a cell fails, or the result is too large.
    """
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise InputError(f"{path}: cannot be read as a notebook ({first_line(error)})") from None
    settle(notebook, github(ROOT))
    run(notebook)
    normalise(notebook)
    text = nbformat.writes(notebook) + "\n"
    if len(text) > LARGEST:
        raise InputError(
            f"{path}: {len(text) / 1e6:.1f} MB with its figures, expected at most {LARGEST / 1e6:.0f} MB; "
            "draw smaller figures"
        )
    return text


def github(folder: Path) -> str | None:
    """Return "owner/name" of the repository on GitHub that a clone came from, or None."""
    try:
        found = subprocess.run(["git", "remote", "get-url", "origin"], cwd=folder, capture_output=True, text=True)
    except OSError:
        return None
    address = re.fullmatch(
        r"(?:https?://|ssh://|git://)?(?:[^@/\s]+@)?github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?", found.stdout.strip()
    )
    return address[1] if found.returncode == 0 and address else None


def settle(notebook, repository: str | None) -> None:
    """Give the cells their ids, and put "owner/name" in the place of the placeholder; None leaves it."""
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02d}"
        cell.metadata = {}
        if repository:
            cell.source = cell.source.replace(PLACEHOLDER, repository)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5


def run(notebook) -> None:
    """Run all cells, in a folder of their own, as Colab does; their outputs are then in the notebook."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # without colours
            raise InputError(f"the notebook does not run, and was not stored\n{plain}") from None


def normalise(notebook) -> None:
    """Take out what differs from one computer or revision to another although nobody sees it."""
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                image = without_texts(base64.b64decode(output.data["image/png"]))
                output.data["image/png"] = base64.b64encode(image).decode()


def without_texts(png: bytes) -> bytes:
    """Return the bytes of a PNG image without its texts (the programs that made it)."""
    kept, place = [png[:8]], 8
    while place < len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")  # length, type, data, checksum
        if png[place + 4 : place + 8] not in (b"tEXt", b"iTXt", b"zTXt"):
            kept.append(png[place:end])
        place = end
    return b"".join(kept)


if __name__ == "__main__":
    command(main)
