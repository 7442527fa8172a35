"""Rules about the source."""

import ast

import pytest

from info_geometry.files import ROOT
from tests.support.commands import PACKAGE

METHODS = {
    "claims",
    "contrastive",
    "fine_tuning",
    "meta_learning",
    "semi_supervised",
    "supervised_imagenet",
    "task_tree",
}


SOURCES = sorted(
    path for folder in ("info_geometry", "learning", *sorted(METHODS)) for path in (ROOT / folder).rglob("*.py")
)


def imports(path):
    """Yield the absolute names a file imports, as `package.module` or `package.module.name`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_in_one_direction(path):
    """info_geometry knows no networks; learning only prediction files and how files are read; methods no methods."""
    found, package = set(imports(path)), path.relative_to(ROOT).parts[0]
    heads = {name.split(".")[0] for name in found}
    if package == "info_geometry":
        assert not heads & {"learning", "torchvision", "sklearn", *METHODS}
    if package == "learning":
        ours = {".".join(name.split(".")[:2]) for name in found if name.startswith("info_geometry")}
        assert ours <= {f"info_geometry.{module}" for module in ("predictions", "files", "hdf5")}
        assert not heads & METHODS
    if package in METHODS:
        assert not heads & (METHODS - {package}), "what a script needs of another belongs into learning"
    assert "pickle" not in heads or path == PACKAGE / "storage" / "embeddings.py", "nothing executable is loaded"
    assert not heads & {"dill", "joblib", "marshal", "shelve", "cloudpickle"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_executable_is_loaded(path):
    text = path.read_text(encoding="utf-8")
    for word in (
        "yaml.load(",
        "yaml.unsafe_load",
        "weights_only=False",
        "shell=True",
        "sys.path",
        "allow_pickle=True",
        "os.system",
        "os.chdir",
    ):
        assert word not in text, word
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"eval", "exec"}


def test_stages_hold_no_modules():
    for method in METHODS:
        assert not list((ROOT / method).rglob("__init__.py"))
