"""The rules of the house, held against the code: what may import what, what files are called, where things stand.

`docs/architecture.md` says them in words.
"""

import ast
import functools
import importlib.metadata
import subprocess
import sys

import pytest

from info_geometry.files import ROOT

LIBRARIES = ("info_geometry", "learning")
METHODS = sorted({path.relative_to(ROOT / "experiments").parts[0] for path in (ROOT / "experiments").rglob("*/*.py")})
FOLDERS = (*LIBRARIES, "experiments", "supervised_imagenet")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
EVERYTHING = sorted({*SOURCES, *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "docs").rglob("*.py")})

# Floors of info_geometry from the ground up: a module imports only what is on floors below, or what shares its folder.
FLOORS = (
    {"files"},
    {"storage", "figures"},
    {"sums", "published", "predictions"},
    {"distance"},
    {"embedding", "geodesic"},
    {"inpca", "trajectory"},
    {"uncertainty"},
    {"comparison", "equal_progress"},
    {"commands"},
)


def module_of(path):
    """Return the dotted name under which a file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports(path):
    """Return the absolute names that a file imports anywhere, inside functions too; of ours, the modules themselves."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found


def ours(path):
    return {name for name in imports(path) if name in MODULES}


def part(module):
    """Return the part of info_geometry that a module belongs to: a folder, or a file at its top."""
    return module.split(".")[1] if "." in module else ""


def ids(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parts[len(ROOT.parts)] == "info_geometry"], ids=ids)
def test_arrows_of_info_geometry_point_down(path):
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    here = part(module_of(path))
    if not here:  # the package itself holds nothing
        assert not ours(path)
        return
    assert here in floor, "every part of info_geometry stands on a floor"
    for module in ours(path):
        assert module.startswith("info_geometry."), f"info_geometry knows nothing of {module}"
        there = part(module)
        assert there == here or floor[there] < floor[here], f"{module} does not stand below"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_who_may_know_whom(path):
    """info_geometry knows no networks; learning only prediction files and how files are written; methods no methods."""
    found, parts = imports(path), path.relative_to(ROOT).parts
    heads = {name.split(".")[0] for name in found}
    if parts[0] == "info_geometry":
        assert not heads & {"learning", "experiments", "supervised_imagenet", "torchvision", "sklearn"}
    if parts[0] == "learning":
        known = {".".join(name.split(".")[:2]) for name in found if name.startswith("info_geometry")}
        assert known <= {"info_geometry.predictions", "info_geometry.files"}
        assert not heads & {"experiments", "supervised_imagenet"}
    if parts[0] in ("experiments", "supervised_imagenet"):
        others = {name.split(".")[1] for name in found if name.startswith("experiments.")}
        assert others <= set(parts[1:2]), "what two experiments need belongs into learning"
        assert not any("supervised_imagenet" in name for name in found)


def test_there_are_no_circles():
    """Counting imports inside functions, and taking what a package's __init__ hands on for what it is."""
    arrows = {name: {other for other in ours(path) if other != name} for name, path in MODULES.items()}
    done, way = set(), []

    def visit(name):
        assert name not in way, "a circle: " + " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            way.append(name)
            for other in sorted(arrows[name]):
                visit(other)
            done.add(way.pop())

    for name in sorted(arrows):
        visit(name)


def is_script(path):
    """Return whether a file is meant to be started by its path or with -m."""
    return any(isinstance(node, ast.If) and "__main__" in ast.dump(node.test) for node in tree_of(path).body)


def test_no_module_hides_another_one():
    """A script's folder comes first on the path: a module in it hides what is installed under the same name."""
    installed = set(importlib.metadata.packages_distributions()) | set(sys.stdlib_module_names)
    folders = {path.parent for path in EVERYTHING if is_script(path)}
    assert ROOT / "info_geometry" in folders
    for folder in sorted(folders):
        names = {path.stem for path in folder.glob("*.py")} | {
            path.parent.name for path in folder.glob("*/__init__.py")
        }
        assert not names & installed, f"{folder.relative_to(ROOT)} hides {', '.join(sorted(names & installed))}"


def test_a_script_leaves_the_packages_of_torch_as_they_are():
    """As `python info_geometry/inpca.py` sees them."""
    code = (
        "import importlib.util, sys; before = {name: importlib.util.find_spec(name) for name in sys.argv[2:]}\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for name, spec in before.items():\n"
        "    now = importlib.util.find_spec(name)\n"
        "    assert (now and now.origin, now and list(now.submodule_search_locations or ())) == "
        "(spec and spec.origin, spec and list(spec.submodule_search_locations or ())), name"
    )
    names = ["cuda", "triton", "torch", "numba", "numpy", "scipy", "matplotlib", "h5py", "plotly", "tqdm"]
    folder = str(ROOT / "info_geometry")
    found = subprocess.run([sys.executable, "-c", code, folder, *names], capture_output=True, text=True, cwd="/")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_nobody_below_a_command_sees_its_arguments(path):
    """Values are passed by name: only what parses a command line knows argparse and its namespace."""
    options = "info_geometry/commands/arguments.py", "learning/arguments.py", "learning/measuring.py"
    commands = is_script(path) or ids(path) in options
    if not commands:
        assert "argparse" not in imports(path)
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert node.value.id not in ("arguments", "args", "namespace", "parser"), f"line {node.lineno}"


@pytest.mark.parametrize("path", [path for path in EVERYTHING if is_script(path)], ids=ids)
def test_every_command_can_be_called_with_arguments(path):
    """main(argv=None), or the name of the command that a module stands for."""
    mains = [node for node in tree_of(path).body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    if not mains:
        assert "runpy" in imports(path)
        return
    assert [argument.arg for argument in mains[0].args.args] == ["argv"] and len(mains[0].args.defaults) == 1


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_nothing_executable_is_loaded(path):
    heads = {name.split(".")[0] for name in imports(path)}
    assert "pickle" not in heads or ids(path) == "info_geometry/storage/embeddings.py"
    assert not heads & {"dill", "joblib", "marshal", "shelve", "cloudpickle"}
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
    called = {node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)}
    assert not {function.id for function in called if isinstance(function, ast.Name)} & {"eval", "exec"}


def test_stages_hold_no_modules():
    """Folders of stages hold entry scripts that nothing imports."""
    for folder in FOLDERS[2:]:
        for stage in (ROOT / folder).rglob("0[0-9]_*"):
            assert not (stage / "__init__.py").exists()
            assert all(is_script(path) for path in stage.glob("*.py"))


@pytest.mark.parametrize("method", METHODS)
def test_an_experiment_is_whole(method):
    """One folder: a README, and where it trains, configurations and numbered stages."""
    folder = ROOT / "experiments" / method
    assert (folder / "README.md").is_file()
    for stage in folder.glob("01_*"):
        assert list(stage.glob("configs/*.yaml")) and list(stage.glob("*.py"))


def test_tests_mirror_the_source():
    """tests/<folder>/test_<module>.py; no file of tests is longer than 500 lines."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if "support" not in path.parts]
    for path in tests:
        source = ROOT / path.parent.relative_to(ROOT / "tests")
        assert path.parent == ROOT / "tests" or source.is_dir(), f"{ids(path)} tests a folder that is not there"
    for path in (ROOT / "tests").rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, ids(path)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_what_keeps_results_of_its_methods_is_equal_to_itself_alone(path):
    """Else a second object of the same folders returns what another one read there before."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef) and any(_keeps(x) for x in node.body if isinstance(x, ast.FunctionDef)):
            made = [ast.unparse(x) for x in node.decorator_list if ast.unparse(x).startswith("dataclass")]
            assert all("eq=False" in x for x in made), f"line {node.lineno}"


def _keeps(function):
    return any(ast.unparse(x).startswith(("functools.lru_cache", "functools.cache")) and "cached_property" not in
               ast.unparse(x) for x in function.decorator_list)  # fmt: skip
