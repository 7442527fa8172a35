"""The command lines of the stages.  Imports no torch, so that mistakes are answered at once."""

import argparse
import dataclasses
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from info_geometry.files import ROOT, InputError, valid_name
from learning.config import Config, read
from learning.imprinting import PROTOTYPES, RULES, USUAL, Imprinting
from learning.runs.run import Folders

LARGEST_SEED = 2**32 - 1  # torch draws initial weights from 32 bits of a seed


@dataclasses.dataclass(frozen=True)
class Options:
    """What a command line asks of a stage.

    config, tasks, seeds, variant: of the runs; or runs: their names, of which seeds None is all that are there.
    trained_by: the module that trains them, CONFIG and the keys that were given, for messages.
    own: arguments that only one method has.  part: (i, n), of all runs the i-th, (i + n)-th, ...
    as_you_go: predictions instead of weights.  head: predictions of the network's own head; how: else, of imprinting.
    report: a file that is told what came of each run.  plan: a file that is told which runs these are, instead.
    """

    config: Config | None
    tasks: tuple[str, ...]
    seeds: tuple[int, ...] | None
    variant: str
    folders: Folders
    device: str | None
    workers: int
    part: tuple[int, int]
    wait: bool
    report: Path | None
    trained_by: tuple[str, ...]
    runs: tuple[str, ...] = ()
    as_you_go: bool = False
    head: bool = False
    how: Imprinting = USUAL
    own: dict[str, Any] = dataclasses.field(default_factory=dict)
    plan: Path | None = None

    @property
    def suffix(self) -> str:
        """How the names of the runs of the predictions end."""
        return "_head" if self.head else self.how.suffix

    def taken(self, runs: Sequence) -> Sequence:
        """Return the runs that --part leaves to this process."""
        return runs[self.part[0] :: self.part[1]]


def module_of(script: str | Path) -> str:
    """Return the module of an entry script, as `python -m` takes it."""
    return ".".join(Path(script).resolve().relative_to(ROOT).with_suffix("").parts)


def training(
    description: str,
    script: str,
    argv: Sequence[str] | None,
    cls: type[Config] = Config,
    add: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
    required: Sequence[str] = (),
) -> Options:
    """Return what the command line of a script that trains asks for; print the table of --status and exit.

    script: its path, beside which `configs` lies, so that CONFIG may be `digits` for `configs/digits.yaml`.
    cls: the method's configuration.  add: adds the method's own arguments to the parser, of which some are required.
    """
    configs = Path(script).parent / "configs"
    parser = _parser(description, cls)
    parser.add_argument("config", metavar="CONFIG", nargs="?", help=f"a YAML file, or one of {_names(configs)}")
    parser.add_argument("--status", action="store_true", help="print a table of all runs, and do nothing else")
    parser.add_argument(
        "--imprint-as-you-go", action="store_true", help="store predictions at each checkpoint instead of weights"
    )
    parser.add_argument("--plan", type=Path, metavar="FILE", help="write to FILE which runs these are, and train none")
    before = set(vars(parser.parse_args([])))
    add(parser)
    given, rest = parser.parse_known_args(argv)
    if given.status:  # says how runs are doing, whatever they were configured with
        from learning.runs import status

        print(status.table(given.checkpoints_folder), flush=True)
        sys.exit(0)
    if given.config is None:
        parser.error("CONFIG is missing: a YAML file, or one of " + _names(configs))
    own = {key: value for key, value in vars(given).items() if key not in before}
    for key in required:
        if own[key] is None:
            parser.error(f"--{key} is missing")
    words = [word for key, value in own.items() if value is not None for word in (f"--{key}", str(value))]
    if given.variant:
        words += ["--variant", given.variant]
    config = _config(given.config, configs, cls, rest)
    common = _common(given, given.seed or [0], (module_of(script), given.config, *rest, *words))
    return Options(config, **common, as_you_go=given.imprint_as_you_go, own=own, plan=given.plan)


def storing(description: str, argv: Sequence[str] | None, trained_by: str) -> Options:
    """Return what the command line of the stage that stores predictions asks for: RUN [RUN ...], or CONFIG.

    trained_by: the module that trains the runs of CONFIG, beside which its configurations lie.
    """
    configs = ROOT.joinpath(*trained_by.split(".")[:-1], "configs")
    parser = _parser(description, Config)
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="*",
        help=f"names of runs, or patterns; or CONFIG, a YAML file or {_names(configs)}",
    )
    parser.add_argument("--head", action="store_true", help="predictions of the network's own head, as RUN_head")
    _add_imprinting(parser)
    given, rest = parser.parse_known_args(argv)
    if not given.runs:
        parser.error("RUN is missing: the name of a run below checkpoints/, or a pattern such as 'digits_*'")
    first, how = given.runs[0], _imprinting(given)
    if len(given.runs) == 1 and (_is_config(first, configs)):
        config = _config(first, configs, Config, rest)
        common = _common(given, given.seed or [0], (trained_by, first, *rest))
        return Options(config, **common, head=given.head, how=how)
    if rest:
        raise InputError(f"{rest[0]!r}: a run is stored as it was trained, so keys of a configuration say nothing here")
    names = _run_names(given.runs)
    return Options(None, **_common(given, given.seed, (trained_by,)), runs=names, head=given.head, how=how)


def _add_imprinting(parser):
    """Add the choices of imprinting: those that are not usual name the runs of the predictions, RUN_<choices>."""
    usual, group = USUAL, parser.add_argument_group("imprinting (docs/definitions.md)")
    group.add_argument("--imprinting", choices=RULES, default=usual.rule, help="rule; default: %(default)s")
    group.add_argument("--scale", type=float, default=usual.scale, help="of normalised and cosine; default: 1")
    group.add_argument("--temperature", default="1", metavar="T", help="a number, or `fitted`; default: 1")
    group.add_argument("--prototypes", choices=PROTOTYPES, default=usual.prototypes, help="default: %(default)s")
    group.add_argument("--over", default="", metavar="TASK", help="over the classes of another task; default: all")
    group.add_argument(
        "--training-images",
        type=int,
        default=usual.training_images,
        metavar="N",
        help="how many training images fitting and prototypes of training look at; default: %(default)s",
    )


def imprinting(words: Sequence[str]) -> Imprinting:
    """Return the Imprinting that words of a command line ask for, such as `--temperature fitted`."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--head", action="store_true")
    _add_imprinting(parser)
    return _imprinting(parser.parse_args(words))


def _imprinting(given):
    """Return the Imprinting that `_add_imprinting` was told."""
    try:
        temperature = None if given.temperature == "fitted" else float(given.temperature)
    except ValueError:
        raise InputError(f"--temperature is {given.temperature!r}, expected a number or `fitted`") from None
    how = Imprinting(given.imprinting, given.scale, temperature, given.prototypes, given.over, given.training_images)
    if given.head and how != USUAL:
        raise InputError("--head is no imprinting; leave out --imprinting, --scale, --temperature, ... or --head")
    return how


def of_runs(
    description: str, argv: Sequence[str] | None, add: Callable[[argparse.ArgumentParser], None]
) -> tuple[Options, dict[str, Any]]:
    """Return what the command line of a stage asks for that takes runs by their names, and what `add` added to it."""
    parser = _shared(description)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="names of runs, or patterns such as 'digits_*'")
    parser.set_defaults(task=[], variant="")
    before = set(vars(parser.parse_args(["RUN"])))
    add(parser)
    given = parser.parse_args(argv)
    own = {key: value for key, value in vars(given).items() if key not in before}
    return Options(None, **_common(given, given.seed, ()), runs=_run_names(given.runs)), own


def _run_names(words):
    """Return the names of runs, for which their folders stand as well."""
    return tuple(Path(name).name if Path(name).is_dir() else name for name in words)


def _parser(description, cls):
    """Return the parser of a stage that takes a configuration."""
    parser = _shared(description)
    parser.epilog = "Any key of the configuration: --key VALUE.  Keys: " + ", ".join(
        field.name for field in dataclasses.fields(cls)
    )
    parser.add_argument(
        "--task",
        nargs="+",
        default=["all"],
        metavar="T",
        help="tasks: rules, WordNet synsets, class ids or files; see `python -m learning.tasks list`",
    )
    parser.add_argument("--variant", default="", metavar="NAME", help="the last part of the names of the runs")
    return parser


def _shared(description):
    """Return the parser of what all stages are told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--seed", nargs="+", type=int, metavar="S", help="of everything random in a run; default: 0")
    add_folders(parser)
    parser.add_argument("--device", help="cpu, cuda, ...; default: cuda where there is one")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode image files; default: 0")
    parser.add_argument("--part", default="0/1", metavar="I/N", help="of all runs take the I-th, (I+N)-th, ...")
    parser.add_argument("--wait", action="store_true", help="wait for a run that another process is writing")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="add to FILE what came of each run, as JSON, instead of printing it"
    )
    return parser


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where data, runs and predictions lie."""
    for name, folder in (
        ("--data", Folders.data),
        ("--checkpoints-folder", Folders.checkpoints),
        ("--predictions", Folders.predictions),
    ):
        parser.add_argument(name, type=Path, default=folder, help="default: %(default)s")


def folders_of(given: argparse.Namespace) -> Folders:
    """Return what `add_folders` was told."""
    return Folders(given.data, given.checkpoints_folder, given.predictions)


def part_of(text: str) -> tuple[int, int]:
    """Return (I, N) of `I/N`; raise InputError unless I < N."""
    part = tuple(map(int, text.split("/"))) if re.fullmatch("[0-9]+/[0-9]+", text) else (0, 0)
    if part[0] >= part[1]:
        raise InputError(f"--part {text!r}: expected I/N, such as 0/2 and 1/2 for two processes")
    return part


def _common(given, seeds, trained_by):
    """Return the fields of Options that all stages share, checked."""
    wrong = [seed for seed in seeds or () if not 0 <= seed <= LARGEST_SEED]
    if wrong:
        raise InputError(
            f"--seed {wrong[0]}: expected whole numbers from 0 to {LARGEST_SEED}; torch draws initial "
            "weights from 32 bits of a seed"
        )
    if given.workers < 0:
        raise InputError(f"--workers is {given.workers}, expected 0 or more")
    return {
        "tasks": tuple(given.task),
        "seeds": None if seeds is None else tuple(seeds),
        "variant": valid_name(given.variant, "--variant") if given.variant else "",
        "folders": folders_of(given),
        "device": given.device,
        "workers": given.workers,
        "part": part_of(given.part),
        "wait": given.wait,
        "report": given.report,
        "trained_by": tuple(trained_by),
    }


def _names(configs):
    return ", ".join(sorted(path.stem for path in configs.glob("*.yaml")))


def _is_config(word, configs):
    return (configs / f"{word}.yaml").exists() or Path(word).suffix in (".yaml", ".yml") or Path(word).is_file()


def _config(word, configs, cls, rest):
    """Return the configuration that a word names, with what the rest of the command line overrides."""
    named = {path.stem: path for path in sorted(configs.glob("*.yaml"))}
    if word not in named and not Path(word).exists():
        near = difflib.get_close_matches(word, named, n=1)
        raise InputError(
            f"{word}: no such file"
            + (f"; did you mean {near[0]}?" if near else f", and none of the configurations {', '.join(named)}")
        )
    config = read(named.get(word, Path(word)), cls, _overrides(rest))
    valid_name(config.dataset, "dataset")
    return config


def _overrides(words):
    """Return [(key, text)] from `--key value` and `--key=value`."""
    pairs, words = [], list(words)
    while words:
        key, equals, value = words.pop(0).partition("=")
        if not key.startswith("--") or not (equals or words):
            raise InputError(f"{key!r}: expected --key value for a key of the configuration")
        pairs.append((key[2:].replace("-", "_"), value if equals else words.pop(0)))
    return pairs
