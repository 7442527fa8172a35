"""Under which condition a task is learned: its images or labels may be other ones, all the time.  Imports no torch.

A task under a condition is written `all:blur7`, or `all` as it is.
"""

import re
from dataclasses import dataclass

from info_geometry.files import InputError

PLAIN = "plain"
KINDS = PLAIN, "blur", "flip", "permuted_labels", "random_labels"
FACTOR = 4  # of blur, where none is said


@dataclass(frozen=True)
class Condition:
    """A kind among KINDS, as learning/deficits.py has it; factor: by which `blur` lowers the resolution, else 0."""

    kind: str = PLAIN
    factor: int = 0

    @property
    def label(self) -> str:
        """The part of a run's name that says it: blur7, flip, ..., plain."""
        return f"{self.kind}{self.factor or ''}"


def read(text: str) -> Condition:
    """Return the Condition that a text states, such as `blur7`; raise InputError for another one."""
    found = re.fullmatch(r"(?P<kind>[a-z_]+)(?P<factor>[0-9]*)", text)
    kind, digits = found.group("kind", "factor") if found else ("", "")
    if kind not in KINDS or (digits and kind != "blur"):
        raise InputError(f"condition is {text!r}, expected one of {', '.join(KINDS)}, and of blur a factor: blur7")
    factor = int(digits or FACTOR) if kind == "blur" else 0
    if kind == "blur" and factor < 2:
        raise InputError(f"condition is {text!r}, which does not blur; expected a factor of at least 2: blur7")
    return Condition(kind, factor)


def apart(word: str) -> tuple[str, Condition]:
    """Return the name of a task and its Condition, from a word such as `all:blur7`, `0,3,7` or `tasks/mine.json`."""
    name, colon, condition = word.rpartition(":")
    if not colon:
        return word, Condition()
    if not name:
        raise InputError(f"{word!r} names no task; expected TASK:CONDITION, such as all:flip")
    return name, read(condition)
