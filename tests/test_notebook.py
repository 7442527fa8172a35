"""The tutorial notebook: it runs from top to bottom, and what is stored is what a run of it gives."""

import base64
import importlib.util
import io
import re
import subprocess
import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest

from info_geometry.files import ROOT, InputError

nbformat = pytest.importorskip("nbformat", reason="the tutorial is checked with nbformat: pip install -e '.[dev]'")
PATH = ROOT / "picture_of_tasks_tutorial.ipynb"
SECONDS = 240
BYTES = 3_000_000
LINES = 25  # of a code cell
PLACEHOLDER = "OWNER/picture-of-tasks"


@pytest.fixture(scope="module")
def make_notebook():
    spec = importlib.util.spec_from_file_location("make_notebook", ROOT / "docs" / "make_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stored():
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.fixture(scope="module")
def rerun(make_notebook, tmp_path_factory):
    """The notebook after another run: itself, its seconds, and the folder for temporary files that it had."""
    for package in "nbclient", "ipykernel":
        pytest.importorskip(package, reason=f"the tutorial is run with {package}: pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("notebook")
    copy, temporary = folder / PATH.name, folder / "temporary"
    copy.write_bytes(PATH.read_bytes())
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        start = time.monotonic()
        text = make_notebook.make(copy)
    return nbformat.reads(text, as_version=4), time.monotonic() - start, temporary


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def sections(notebook):
    """Return {number: cells} of what follows each heading `## 1. ...`, up to the next heading of that level."""
    found, number = {}, None
    for cell in notebook.cells:
        heading = re.match(r"## (?:(\d)\. )?", cell.source) if cell.cell_type == "markdown" else None
        number = heading[1] if heading else number
        found.setdefault(number, []).append(cell)
    return found


def texts(cell):
    """Yield every text among the outputs of a cell."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        else:
            yield from (value for kind, value in output.get("data", {}).items() if kind.startswith("text/"))


def images(notebook):
    return [
        base64.b64decode(output.data["image/png"])
        for cell in code(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def shape(notebook):
    """Return what should not differ between two runs: all but numbers in outputs and pixels."""
    return [
        (
            cell.id,
            cell.cell_type,
            cell.source,
            dict(cell.metadata),
            [
                (output.output_type, output.get("name"), sorted(output.get("data", {})))
                for output in cell.get("outputs", [])
            ],
        )
        for cell in notebook.cells
    ]


def test_stored_as_a_run_leaves_it(stored):
    assert [cell.execution_count for cell in code(stored)] == list(range(1, len(code(stored)) + 1))
    assert {output.output_type for cell in code(stored) for output in cell.outputs} <= {"stream", "display_data"}
    assert {output.get("name", "stdout") for cell in code(stored) for output in cell.outputs} == {"stdout"}
    assert PATH.stat().st_size < BYTES
    assert len(images(stored)) >= 12


def test_says_nothing_of_the_computer(stored):
    for cell in code(stored):
        for text in texts(cell):
            assert not re.search(r"(?<![\w:/.$])/\w[\w.-]*/|\b[A-Z]:\\|0x[0-9a-f]{6}", text), text
        assert not cell.metadata
    for image in images(stored):
        for text in (str(ROOT).encode(), b"tEXt", b"Software"):
            assert text not in image
    assert dict(stored.metadata.kernelspec) == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert dict(stored.metadata.language_info) == {"name": "python"}
    assert [cell.id for cell in stored.cells] == [f"cell-{i:02d}" for i in range(1, len(stored.cells) + 1)]


def test_story(stored):
    assert re.match(
        r"\[!\[Open in Colab\]\(https://colab\.research\.google\.com/assets/colab-badge\.svg\)\]"
        r"\(https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+/blob/main/" + re.escape(PATH.name) + r"\)",
        stored.cells[0].source,
    )
    parts = sections(stored)
    assert [number for number in parts if number] == ["1", "2", "3", "4", "5"]
    for number in "12345":
        assert parts[number][-1].source.startswith("> **Try it.**"), number
    for cell in code(stored):
        assert cell.source.count("\n") < LINES, cell.id
        assert not re.search(r"^\s*[%!]", cell.source, re.MULTILINE), cell.id


def test_figures_are_explained(stored):
    """The first markdown cell after each figure says what to see in it."""
    for i, cell in enumerate(stored.cells):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            following = next(after for after in stored.cells[i + 1 :] if after.cell_type == "markdown")
            assert following.source.startswith("**What to see.**"), cell.id


def test_links_to_one_repository(stored):
    badge = re.search(r"google\.com/github/([\w.-]+/[\w.-]+)/blob", stored.cells[0].source)[1]
    assert re.search(r'^REPOSITORY = "https://github.com/([\w.-]+/[\w.-]+)"', code(stored)[0].source, re.M)[1] == badge


@pytest.mark.slow
def test_runs(rerun, stored):
    notebook, seconds, temporary = rerun
    assert seconds < SECONDS
    assert shape(notebook) == shape(stored)
    assert not [path for path in temporary.rglob("*") if path.is_file()]  # torch leaves an empty folder


@pytest.mark.slow
def test_storing_it_again_changes_nothing_else(rerun, stored):
    assert rerun[0].metadata == stored.metadata
    assert [cell.execution_count for cell in code(rerun[0])] == [cell.execution_count for cell in code(stored)]


def first_cell(stored, repository):
    return re.sub(r"(?<=https://github.com/)[\w.-]+/[\w.-]+(?=\")", repository, code(stored)[0].source, count=1)


def test_installs_nothing_where_all_is_there(stored, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it installs"))
    exec(first_cell(stored, PLACEHOLDER), {})
    assert capsys.readouterr().out == "everything is installed\n"


def test_says_what_to_do_where_it_cannot_install(stored, tmp_path):
    bare = [sys.executable, "-I", "-S", "-c", first_cell(stored, PLACEHOLDER)]  # sees the standard library only
    found = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert found.returncode == 1 and not found.stdout
    assert "Set REPOSITORY" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.parametrize(
    "line, cloned",
    [
        ('REPOSITORY = "https://github.com/someone/tasks"', "https://github.com/someone/tasks"),
        ('REPOSITORY = "clone/of/it"', None),
    ],
)
def test_installs_from_the_repository(stored, monkeypatch, tmp_path, line, cloned):
    """All of the clone is needed: what pip installs without one is the library alone."""
    called, spec = [], importlib.util.find_spec
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clone" / "of" / "it").mkdir(parents=True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "learning" else spec(name))
    monkeypatch.setattr(subprocess, "run", lambda command, **options: called.append((command, options)))
    monkeypatch.setattr(sys, "path", [*sys.path])
    exec(re.sub(r"^REPOSITORY = .*$", line, code(stored)[0].source, flags=re.M), {})
    clone = tmp_path / ("picture-of-tasks" if cloned else "clone/of/it")
    expected = [["git", "clone", "--quiet", "--depth", "1", cloned, clone]] if cloned else []
    expected.append([sys.executable, "-m", "pip", "install", "--quiet", "-e", f"{clone}[train]"])
    assert called == [(command, {"check": True}) for command in expected] and sys.path[0] == str(clone)


@pytest.mark.parametrize(
    "address, expected",
    [
        ("https://github.com/someone/tasks.git", "someone/tasks"),
        ("https://github.com/someone/tasks", "someone/tasks"),
        ("git@github.com:someone/tasks.v2.git", "someone/tasks.v2"),
        ("ssh://git@github.com/a-b/c_d", "a-b/c_d"),
        ("https://token@github.com/someone/tasks/", "someone/tasks"),
        ("https://gitlab.com/someone/tasks.git", None),
        ("https://example.org/github.com/someone/tasks", None),
        (None, None),
    ],
)
def test_address_of_the_clone(make_notebook, tmp_path, address, expected):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    if address:
        subprocess.run(["git", "remote", "add", "origin", address], cwd=tmp_path, check=True)
    assert make_notebook.github(tmp_path) == expected


def test_address_takes_the_place_of_the_placeholder(make_notebook):
    cells = [nbformat.v4.new_markdown_cell(f"https://github.com/{PLACEHOLDER}"), nbformat.v4.new_code_cell("1")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    make_notebook.settle(notebook, None)
    assert PLACEHOLDER in notebook.cells[0].source
    make_notebook.settle(notebook, "someone/tasks")
    once = nbformat.writes(notebook)
    make_notebook.settle(notebook, "someone/tasks")
    assert nbformat.writes(notebook) == once
    assert notebook.cells[0].source == "https://github.com/someone/tasks"


def test_images_lose_their_texts_only(make_notebook):
    pixels = np.random.default_rng(0).random((9, 7, 3))
    files = []
    for metadata in {"Software": "one"}, {"Software": "another", "Source": "somewhere"}:
        file = io.BytesIO()
        plt.imsave(file, pixels, metadata=metadata)
        files.append(make_notebook.without_texts(file.getvalue()))
        assert np.array_equal(plt.imread(io.BytesIO(files[-1])), plt.imread(io.BytesIO(file.getvalue())))
    assert files[0] == files[1] and b"one" not in files[0]


def test_refuses_what_is_no_notebook(make_notebook, tmp_path):
    (tmp_path / "text.ipynb").write_text("not JSON")
    for name in "text.ipynb", "missing.ipynb":
        with pytest.raises(InputError, match="cannot be read as a notebook"):
            make_notebook.make(tmp_path / name)


@pytest.mark.slow
def test_a_cell_that_fails_is_named(make_notebook, tmp_path):
    pytest.importorskip("nbclient", reason="the tutorial is run with nbclient: pip install -e '.[dev]'")
    pytest.importorskip("ipykernel", reason="the tutorial is run with ipykernel: pip install -e '.[dev]'")
    path = tmp_path / "failing.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="ZeroDivisionError"):
        make_notebook.make(path)
    assert path.read_bytes() == before
