"""Suites: lists of tasks of a data set, TASK or TASK:CONDITION, as YAML files.  Imports no torch.

dataset: fashion
tasks: [all, footwear, "0,2,4,6", "all:blur7"]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.task_distances import conditions
from experiments.task_distances.conditions import Condition
from experiments.task_distances.vectors.choices import file_name
from info_geometry.files import InputError
from learning.config import read_yaml
from learning.tasks import Task, facts, lists, load

FOLDER = Path(__file__).parents[1] / "suites"


@dataclass(frozen=True)
class Word:
    """A task under a condition, and how it was written."""

    text: str
    task: Task
    condition: Condition

    @property
    def name(self) -> str:
        """What it is called in names of runs and files, such as all_blur7."""
        return f"{self.task.name}_{self.condition.label}"

    @property
    def file(self) -> str:
        """The name of its file; of a task that a file lists it says the classes too: files may be edited, or moved."""
        listed = conditions.apart(self.text)[0].endswith(lists.ENDINGS)
        return file_name(self.task.name, self.condition.label, self.task.classes if listed else ())


def read(name: str | Path) -> tuple[str, tuple[str, ...]]:
    """Return the data set and the words of a suite: a YAML file, or the name of one of `suites`.

    Raises InputError, naming the file, for one that is no such file.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        if not str(name).endswith((".yaml", ".yml")):
            there = ", ".join(sorted(each.stem for each in FOLDER.glob("*.yaml")))
            raise InputError(f"there is no suite {str(name)!r}; there are {there}, or give a YAML file")
        path = Path(name)
    found = read_yaml(path)
    if not isinstance(found, dict) or found.keys() != {"dataset", "tasks"}:
        raise InputError(f"{path} is no suite; expected the two keys dataset and tasks")
    words = found["tasks"]
    if not isinstance(words, list) or not words or not all(isinstance(each, str) for each in words):
        raise InputError(f'{path}: tasks is {words!r:.60}; expected a list of texts, such as [all, "0,2", "all:flip"]')
    facts(str(found["dataset"]))
    return str(found["dataset"]), tuple(words)


def resolved(dataset: str, words: Sequence[str], class_names: Sequence[str] | None = None) -> list[Word]:
    """Return the tasks that words state; class_names: as for `learning.tasks.load`.

    Raises InputError for one that states none, and for two that are the same.
    """
    found = []
    for text in words:
        name, condition = conditions.apart(text)
        task = load(dataset, name, class_names)
        if task.random_labels:
            raise InputError(f"task {text!r}: say the condition, all:random_labels, of a task that has labels")
        word = Word(text, task, condition)
        twice = next((each for each in found if each.name == word.name), None)
        if twice and twice.task.classes != task.classes:
            raise InputError(
                f"{twice.text!r} and {text!r} are other classes with one name, {task.name}; rename one of the files"
            )
        if twice:
            raise InputError(f"{twice.text!r} and {text!r} are the same task; name each once")
        found.append(word)
    return found
