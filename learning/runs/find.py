"""Which runs are asked for: by their names, or by the tasks of a configuration; and how each is trained."""

import dataclasses
import difflib
import fnmatch
import hashlib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from info_geometry import predictions
from info_geometry.files import ROOT, InputError
from learning.runs import run as runs
from learning.runs.run import Folders, Run

# how runs of version 0.1, whose run.json does not say it, and runs that are not there are trained: their names, module,
# and what the names of its configurations end with, where the name of the run does not say it
STITCH = "experiments.symmetries.01_training.train_stitch"
KINDS = "full|low_rank|gumbel_sinkhorn|identity|random_permutation|random_g_relu|random_rotation|matched|procrustes"
KIND = rf"((?P<more>g_relu|lasso)|(?P<kind>{KINDS}))(_(?P<variant>.+))?"
DEFICITS = "none|blur|flip|permuted_labels|random_labels|noise|constant"
CONDITIONS = r"plain|blur\d+|flip|permuted_labels|random_labels"
PERIODS = "experiments.critical_periods.01_training.train_periods"
DEFICIT = rf"(?P<deficit>{DEFICITS})(?P<factor>(?<=blur)\d+)?_(?P<onset>[\d.]+)to(?P<end>[\d.]+)"
METHODS = (
    (r"(?P<task>.+)_(?P<more>simclr|barlow)", "experiments.contrastive.01_training.train_contrastive"),
    (r"(?P<task>.+)_fixmatch", "experiments.semi_supervised.01_training.train_fixmatch"),
    (r"(?P<task>.+)_(?P<more>(?P<ways>\d+)way)", "experiments.meta_learning.01_training.train_prototypical"),
    (
        r"(?P<task>.+?)_(?P<more>variational)(_warm)?(_(?P<variant>.+))?",
        "experiments.weight_information.01_training.train_variational",
    ),
    (rf"(?P<task>.+?)_retrained_{KIND}", STITCH, "transformed"),
    (rf"(?P<task>.+?)_(?P<sender>self|planted)_{KIND}", STITCH, "stitch"),
    (
        rf"(?P<task>.+?)(_(?P<sender>untrained|random_labels|noise))?_(?P<receiver>(plus|minus)\d+)_{KIND}",
        STITCH,
        "stitch",
    ),
    (rf"(?P<task>.+?)_{DEFICIT}(_(?P<more>window))?(_(?P<variant>.+))?", PERIODS, "periods"),
    (
        rf"(?P<task>((?!_from_).)+?)_(?P<condition>{CONDITIONS})(_and_(?P<also>.+?_({CONDITIONS})))?"
        rf"(_from_(?P<start>.+?(_({CONDITIONS})|$)))?(_beta(?P<beta>[\d.e-]+))?(_(?!and_|from_|beta)(?P<variant>.+))?",
        "experiments.task_distances.01_training.train_task",
        "tasks",
    ),
    (
        r"(?P<task>.+?)_from_(?P<start>.+?)(_at_(?P<checkpoint>\d+))?",
        "experiments.fine_tuning.01_training.train_fine_tuned",
    ),
    (
        r"(?P<task>.+?)_(?P<layerwise>layerwise_)?(?P<more>point|line|curve|simplex)(?P<vertices>\d+)?(_(?P<variant>.+))?",
        "experiments.subspaces.01_training.train_subspace",
    ),
    (r"(?P<task>.+?)_clean(_(?P<more>window))?(_(?P<variant>.+))?", PERIODS, "periods"),
    (r"(?P<task>.+)", "supervised_imagenet.01_training.train_imagenet"),
)


@dataclasses.dataclass(frozen=True)
class Asked:
    """A run that is asked for.  trained_by: the module that trains it, and what it is told, where that is known."""

    name: str
    seed: int
    trained_by: tuple[str, ...] = ()


def named(patterns: Sequence[str], seeds: Sequence[int] | None, folders: Folders) -> list[Asked]:
    """Return the runs, of these seeds or all there are, whose names match patterns such as `digits_*`.

    Raises InputError for a pattern that nothing matches.  A name that is no pattern is taken as it is.
    """
    there = _seeds(folders.checkpoints.glob("*/seed_*/run.json"), lambda path: path.parent.parent.name)
    stored = _seeds(folders.predictions.glob("*/preds_*.h5"), lambda path: path.parent.name)
    asked = []
    for pattern in patterns:
        names = [pattern] if pattern in there or pattern in stored else fnmatch.filter(sorted(there), pattern)
        if not names and re.search(r"[*?\[]", pattern):
            raise InputError(f"{folders.checkpoints} has no run {pattern!r}; there are {', '.join(sorted(there))}")
        for name in names or [_near(pattern, there)]:
            every = there.get(name, set()) | stored.get(name, set())
            asked += [Asked(name, seed) for seed in (sorted(every) or [0] if seeds is None else seeds)]
    return list(dict.fromkeys(asked))


def _seeds(paths, name):
    """Return {name of a run: its seeds} from paths that end in a number, or lie in a folder that does."""
    found = {}
    for path in paths:
        digits = re.search(r"(\d+)$", path.stem if path.suffix == ".h5" else path.parent.name)
        if digits:
            found.setdefault(name(path), set()).add(int(digits.group()))
    return found


def _near(name, there):
    """Return a name that is not there; raise InputError where it looks like no run, or like another one, misspelt."""
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.8)
    if near or "_" not in name:
        raise InputError(
            f"there is no run {name!r}, nor a configuration"
            + (f"; did you mean {near[0]}?" if near else f"; there are the runs {', '.join(sorted(there)) or 'none'}")
        )
    return name


def dataset_of(path: Path) -> str:
    """Return the data set of a prediction file."""
    found = predictions.open_trajectory(path).attributes.get("dataset")
    return found if isinstance(found, str) else path.parent.name.split("_")[0]


def training_command(asked: Asked, run: Run | None, folders: Folders) -> str:
    """Return a command that can be pasted, which trains a run, or goes on with it."""
    trained_by = (run.trained_by if run else ()) or asked.trained_by or guessed(asked.name)
    return command(*trained_by, "--seed", asked.seed, folders=folders)


def weights_of(asked: Asked, number: int | None, folders: Folders) -> dict[str, str]:
    """Return what run.json says of weights that a run starts from: checkpoint `number` (None: the last) of another.

    {"run": its name, "checkpoint": the name of its file, "sha256"}.  Raises InputError where it is not there.
    """
    folder = folders.run(asked.name, asked.seed)
    there = runs.read(folder)
    advice = f"train it with {training_command(asked, there, folders)}"
    if there is None:
        raise InputError(f"{folder} holds no run to start from; {advice}")
    steps = there.schedule
    if number is not None and not 0 <= number < len(steps):
        raise InputError(f"--checkpoint {number}: {folder} has the checkpoints 0 to {len(steps) - 1}")
    path = there.path(folder, steps[-1 if number is None else number])
    if not path.exists():
        raise InputError(
            f"{path}: no such checkpoint; training did not finish, or kept predictions alone "
            f"(--imprint-as-you-go); {advice}"
        )
    return {"run": asked.name, "checkpoint": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def command(module: str, *words: object, folders: Folders) -> str:
    """Return a command that can be pasted: of a module, with these words, in the same folders."""
    options = {"data": "--data", "checkpoints": "--checkpoints-folder", "predictions": "--predictions"}
    given = [
        (option, getattr(folders, name))
        for name, option in options.items()
        if getattr(folders, name) != getattr(Folders, name)
    ]
    return shlex.join(["python", "-m", module, *map(str, words), *(str(word) for pair in given for word in pair)])


def guessed(name: str) -> tuple[str, ...]:
    """Return what trains a run according to its name: a module, a configuration, and what it is told."""
    dataset, _, rest = name.partition("_")
    for pattern, module, *ending in METHODS:
        found = re.fullmatch(pattern, rest)
        if found:
            said = {key: value for key, value in found.groupdict().items() if value is not None}
            said = {key: "true" if value == f"{key}_" else value for key, value in said.items()}
            if "receiver" in said:
                said["receiver"] = said["receiver"].replace("plus", "").replace("minus", "-")
            if "condition" in said:  # of distances between tasks, which name a run, and another task with its condition
                if "start" in said:
                    said["start"] = f"{dataset}_{said['start']}"
                if "also" in said:
                    said["also"] = re.sub(f"_({CONDITIONS})$", r":\1", said["also"])
                if "beta" in said:
                    ending = ["tasks_variational"]
            configs = ROOT.joinpath(*module.split(".")[:-1], "configs")
            names = sorted(path.stem for path in configs.glob(f"{dataset}*.yaml"))
            exact = f"{dataset}_{said.pop('more', *ending or [''])}"
            config = exact if exact in names else dataset if dataset in names else (names or ["CONFIG"])[0]
            return module, config, *(word for key, value in said.items() for word in (f"--{key}", value))
    return "supervised_imagenet.01_training.train_imagenet", "CONFIG"
