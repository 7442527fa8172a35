"""Which task each run has learned, and where that stands in WordNet."""

from collections.abc import Iterable, Sequence

from info_geometry.files import InputError
from learning import tasks
from learning.tasks import wordnet


def find_tasks(
    names: Iterable[str], given: Sequence[str] = (), dataset: str | None = None
) -> dict[str, tasks.Task | str]:
    """Return {run: its Task, or the reason why none is known}.

    names: of runs, `<dataset>_<task>` where `given` does not say the task.  given: texts RUN=TASK.  dataset: whose
    tasks they are, by default what the name begins with.

    Raises InputError for a task of a run that is not there or that the data set does not have, for tasks of several
    data sets, and where no task is known at all.
    """
    names, stated = list(dict.fromkeys(map(str, names))), dict(each.partition("=")[::2] for each in given)
    for run, task in stated.items():
        if run not in names or not task:
            raise InputError(f"--task {run}={task}: expected RUN=TASK, RUN being one of {', '.join(names)}")
    if dataset is not None:
        tasks.facts(dataset)  # refuses one that is not known
    found = {run: _find_task(run, stated.get(run), dataset) for run in names}
    several = sorted({task.dataset for task in found.values() if isinstance(task, tasks.Task)})
    if len(several) > 1:
        raise InputError(f"the tasks are of {' and '.join(several)}, whose classes do not compare; say --dataset")
    if not several:
        raise InputError(f"of no run the task is known; of {names[0]}: {found[names[0]]}")
    return found


def _find_task(run, stated, dataset):
    """Return the Task of a run, or the reason why it has none.  stated: what was said of it, or None."""
    head, _, tail = run.partition("_")
    dataset = dataset or head
    if dataset not in tasks.DATASETS:
        if stated:
            raise InputError(f"--task {run}={stated}: {run} begins with no data set; say --dataset")
        return "its name begins with no data set (--dataset says it)"
    try:
        return tasks.load(dataset, stated or tail)
    except InputError:
        if stated:
            raise
        return f"its name says no task of {dataset} (--task {run}=TASK says it)"


def describe(found: dict[str, tasks.Task | str], synsets: dict[str, str]) -> list[str]:
    """Return the lines that say where every run stands in WordNet, or why it does not.

    found: what `find_tasks` returns.  synsets: run -> synset, of those that have a place.
    """
    width, lines = max(map(len, found)), []
    for run, task in found.items():
        if run in synsets:
            text = f"{len(task.classes)} classes, {synsets[run]} {wordnet.name(synsets[run])}"
        elif not isinstance(task, tasks.Task):
            text = f"in neither test: {task}"
        elif task.random_labels:
            text = "in neither test: its labels are random, so its classes mean nothing"
        else:
            why = "holds just these" if tasks.class_synsets(task.dataset) else f"is stated by {task.dataset}"
            text = f"{len(task.classes)} classes; not in the tree: no synset {why}"
        lines.append(f"{run:{width}}  {text}")
    return lines


def tree(synsets: dict[str, str], dataset: str) -> dict[str, dict]:
    """Return the nodes of the tree that holds these synsets of runs, as `info_geometry.figures.tree` wants them."""
    classes = tasks.class_synsets(dataset)
    return {
        node: {
            "parent": parent,
            "steps": steps,
            "name": wordnet.name(node),
            "classes": sum(node in wordnet.ancestors(each) for each in classes),
            "runs": [run for run in synsets if synsets[run] == node],
        }
        for node, (parent, steps) in wordnet.tree(synsets.values()).items()
    }
