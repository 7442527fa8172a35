"""What the READMEs say is so: commands and code run as they stand, links lead somewhere, trees name what is there.

Commands of all READMEs are held against the parser of the program that they call; those of RUN are run on small data,
in a copy of the repository, but for blocks below `<!-- not run: reason -->`, which NOT_RUN lists.
"""

import argparse
import functools
import importlib.util
import itertools
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from info_geometry.files import ROOT
from tests.support import synthetic

FOLDERS = (
    "benchmarks",
    "docs",
    "experiments",
    "info_geometry",
    "learning",
    "plots",
    "predictions",
    "supervised_imagenet",
)
READMES = [*sorted(ROOT.glob("*.md")), *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
RUN = ("README.md", "docs/recipes.md", "predictions/README.md")
NOT_RUN = {
    ("docs/recipes.md", "needs a network"),
    ("docs/recipes.md", "needs the published files"),
    ("predictions/README.md", "needs a network"),
    ("supervised_imagenet/README.md", "needs ImageNet"),
}
PROGRAMS = ("python", "torchrun", "make", "sh", "sbatch", "pip", "conda")
CHEAP = {
    "info_geometry.inpca",
    "info_geometry.trajectory",
    "info_geometry.predictions",
    "learning.tasks",
    "experiments.task_tree.tree",
}  # programs that are run
DATA = {
    "fashion": ("all", "clothing", "garment", "footwear", "shoe"),
    "cifar100": ("taskA", "taskB"),
    "imagenet": ("all", "3rd", "instr", "vert"),
}  # what is in predictions/ when they are
PREPARED = """
import numpy as np, torch
from tests.support import synthetic
labels = synthetic.labels_of(60, 5)
P = synthetic.training(np.random.default_rng(0), labels, 5)
torch.manual_seed(0)
test_images, network = torch.randn(60, 40), torch.nn.Linear(40, 5)
optimiser = torch.optim.Adam(network.parameters(), 0.01)
def train_one_epoch(network):
    loss = torch.nn.functional.cross_entropy(network(test_images), torch.tensor(labels))
    optimiser.zero_grad(), loss.backward(), optimiser.step()
"""  # what a reader has who reads the Python code of README.md

SEEN = """
assert picture.coordinates.shape == (8, 3) and place.shape == (20, 3)
assert curve.shape == (101,) and 0 < integral < 14
"""  # what that code says of its results


@dataclass(frozen=True)
class Block:
    """A block of code: its lines, the language if it is said, and why it is not run, or None."""

    lines: tuple
    language: str
    reason: str | None


def ids(path):
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else str(path)


@functools.cache
def split(path):
    """Return the blocks of code of a Markdown file, fenced or indented by four, and the text without them."""
    blocks, text, lines, reason = [], [], path.read_text(encoding="utf-8").splitlines(), None
    while lines:
        line = lines.pop(0)
        if line.startswith("```"):
            inside = list(itertools.takewhile(lambda each: each != "```", lines))
            del lines[: len(inside) + 1]
            blocks.append(Block(tuple(inside), line[3:], reason))
            reason = None
        elif line.startswith("    ") and (not text or not text[-1]):
            inside = [line, *itertools.takewhile(lambda each: not each or each.startswith("    "), lines)]
            del lines[: len(inside) - 1]
            blocks.append(Block(tuple(each[4:] for each in inside), "", reason))
            reason = None
            text.append("")
        else:
            if found := re.fullmatch("<!-- not run: (.*) -->", line):
                reason = found[1]
            text.append(line)
    return blocks, "\n".join(text)


def commands(block):
    """Return the commands in a block of code, each as one line: the lines that begin with a program."""
    lines = re.sub(r"\\\n\s*", "", "\n".join(block.lines)).splitlines() if block.language != "python" else []
    parts = [part.strip() for line in lines for part in re.sub(" +# .*", "", line).split("&&")]
    return [part for part in parts if re.match(rf"([A-Z_]+=\S+ )*({'|'.join(PROGRAMS)}) ", part)]


def spans(path):
    """Return the commands in the running text; of CHANGELOG not those in the first column, which are gone."""
    text = split(path)[1]
    if path.name == "CHANGELOG.md":
        text = re.sub(r"^\|[^|]*\|", "|", text, flags=re.M)
    found = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    return [span for span in found if re.match(rf"({'|'.join(PROGRAMS)}) ", span) and " ..." not in span]


def everything():
    """Yield (README, command) once each."""
    for path in READMES:
        for command in dict.fromkeys([*(c for block in split(path)[0] for c in commands(block)), *spans(path)]):
            yield path, command


def program_of(command):
    """Return the module that a command starts by its name or its path, and its words; (None, words) for others."""
    words = shlex.split(command, comments=True)
    while "=" in words[0]:
        words.pop(0)
    if words[0] not in ("python", "torchrun"):
        return None, words
    if "-m" in words:
        at = words.index("-m")
        return words[at + 1], words[at + 2 :]
    name = (
        words[1] if (ROOT / words[1]).exists() else f"info_geometry/{words[1]}"
    )  # cd info_geometry && python inpca.py
    return name.removesuffix(".py").replace("/", "."), words[2:]


def path_of(module):
    """Return the path of a program of ours, whether it is there or not."""
    path = ROOT / module.replace(".", "/")
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


class Called(BaseException):
    """A program has come to the place where it parses its command line."""


@functools.cache
def parser_of(module):
    """Return the parser of a program of ours."""
    path = path_of(module)

    def stop(parser, *_):
        raise Called(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        patch.setattr(sys, "argv", [str(path)])
        patch.setattr(sys, "path", [str(path.parent), *sys.path])
        try:
            runpy.run_path(str(path), run_name="__main__")
        except Called as called:
            return called.args[0]
    raise AssertionError(f"{module} parses no command line")


def help_of(parser):
    """Return all that --help says, of the parser and of those for its verbs."""
    verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return "\n".join([parser.format_help(), *(help_of(each) for verb in verbs for each in verb.choices.values())])


def check_arguments(module, words, capture):
    """Hold the words of a command against the parser of its module; those of a pattern, `--task T [T ...]`, by name."""
    parser = parser_of(module)
    text = help_of(parser)
    if any(re.fullmatch(r"[A-Z]+|.*[\[\]].*|\.\.\.", word) for word in words):
        rest = [word.strip("[]") for word in words]
    else:
        try:
            known, rest = parser.parse_known_args(words)
        except SystemExit:
            pytest.fail(capture.readouterr().err)
        config = getattr(known, "config", None)
        assert not isinstance(config, str) or "/" in config or re.search(rf"\b{config}\b", text), config
    for word in rest:
        if word.startswith("--"):  # a key of the configuration
            assert re.search(rf"(?<![\w-])(--)?{re.escape(word[2:].partition('=')[0])}\b", text), (
                f"{module} has no {word}"
            )


@pytest.mark.parametrize("path, command", [*everything()], ids=ids)
def test_commands_can_be_given(path, command, capsys):
    """What a command names is there, and the program takes what it is told."""
    module, words = program_of(command)
    for word in shlex.split(command, comments=True):
        if re.fullmatch(r"[\w./-]+/[\w.-]+\.(yaml|yml|sh|py)", word):
            assert (ROOT / word).exists(), word
    if module and module.split(".")[0] in FOLDERS:
        assert path_of(module).exists(), module
        if words:
            check_arguments(module, words, capsys)
    elif module:
        assert importlib.util.find_spec(module), module
    elif words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in (word for word in words[1:] if "=" not in word):
            assert re.search(rf"^{target}:", makefile, re.M) or re.search(rf"^{target} .*:", makefile, re.M), target
    elif words[0] == "pip":
        for extra in re.findall(r"\[(\w+)\]", command):
            assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M), extra


def test_what_is_not_run_is_listed():
    assert {(ids(path), block.reason) for path in READMES for block in split(path)[0] if block.reason} == NOT_RUN


@pytest.mark.parametrize("path", READMES, ids=ids)
def test_one_way_to_say_python(path):
    """`source .venv/bin/activate` is said once; from then on it is `python`."""
    assert not re.search(r"\.venv/bin/(python|pip|ruff|torchrun)", path.read_text(encoding="utf-8"))


@pytest.fixture
def clone(tmp_path):
    """A copy of the repository, with small predictions in it; ROOT of what is started there is this copy."""
    for folder in ("info_geometry", "learning", "experiments", "supervised_imagenet"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "data", "*.lock")
        )
    shutil.copytree(ROOT / "learning" / "data", tmp_path / "learning" / "data", dirs_exist_ok=True)
    for dataset, tasks in DATA.items():
        synthetic.write_runs(tmp_path / "predictions", dataset, tasks, seeds=(0, 1), C=10)
    return tmp_path


def run_in(folder, command):
    """Run a command line in a shell, with the Python of these tests."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
    }
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_blocks_run_from_top_to_bottom(name, clone):
    """Python code and cheap commands, in the order in which they stand."""
    if name != "README.md":  # README.md makes its own
        synthetic.write_runs(clone / "predictions", "mine", ("a", "b"), seeds=(0,))
    for block in split(ROOT / name)[0]:
        if block.language == "python":
            code = "\n".join([PREPARED, *block.lines, SEEN if "transform" in "".join(block.lines) else ""])
            (clone / "code.py").write_text(code, encoding="utf-8")
            run_in(clone, "python code.py")
        for command in commands(block) if block.reason is None else ():
            if program_of(command)[0] in CHEAP:
                run_in(clone, command)
    for command in spans(ROOT / name):
        if program_of(command)[0] == "learning.tasks":
            assert run_in(clone, command)


def slug(heading):
    """Return the anchor that GitHub gives a heading."""
    words = re.sub(r"[^\w\- ]", "", re.sub(r"<[^>]*>|[`*]", "", heading).lower())
    return words.strip().replace(" ", "-")


@pytest.mark.parametrize("path", READMES, ids=ids)
def test_links_lead_somewhere(path):
    text = split(path)[1]
    for label, target in re.findall(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", text):
        if re.match("https?:|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (path.parent / name).resolve() if name else path
        assert place.exists(), target
        if anchor:
            headings = [line.lstrip("#").strip() for line in split(place)[1].splitlines() if line.startswith("#")]
            assert anchor in map(slug, headings), target
        named = re.fullmatch(r"`(?:\w+\.)+(?!py`)(\w+)`", label)
        if place.suffix == ".py" and named:  # a name in that file
            definition = rf"^ *(def|class) {named[1]}\b|^ *{named[1]}(:.*)? = "
            assert re.search(definition, place.read_text(encoding="utf-8"), re.M), f"{label} is not in {target}"


def tree(path):
    """Return the paths that the tree in a Markdown file names: four spaces a level, two spaces after the names."""
    block = next(block for block in split(path)[0] if block.lines[0] == "info_geometry/")
    found, way = [], []
    for line in block.lines:
        depth, names = (len(line) - len(line.lstrip())) // 4, re.split(" {2,}", line.strip())[0].split()
        way = [*way[:depth], names[0]]
        found += [ROOT.joinpath(*way[:depth], name) for name in names]
    return found


def test_the_tree_of_files_is_whole():
    """docs/architecture.md names what there is: all modules of both libraries, and nothing that is gone."""
    named = tree(ROOT / "docs" / "architecture.md")
    assert not [ids(place) for place in named if not place.exists()]
    modules = {path for folder in ("info_geometry", "learning") for path in (ROOT / folder).rglob("*.py")}
    modules = {path for path in modules if not path.name.startswith("__")}
    assert not sorted(map(ids, modules - set(named))), "say in docs/architecture.md what these are for"
