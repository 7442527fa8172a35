"""What is found of a claim, and the verdict that a rule gives.  Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
HEAD = ["| claim | where | measured | null | verdict |", "| --- | --- | --- | --- | --- |"]  # of a table of claims


@dataclass(frozen=True)
class Finding:
    """What was found of a claim: texts of the value with its spread and of the null, and the verdict.

    shown: what its figure is drawn of.  beside: what the rule does not look at.
    """

    value: str
    null: str
    verdict: str
    shown: dict
    beside: str = ""


def decide(holds: bool, fails: bool) -> str:
    """Return the verdict: rules exclude each other, and what neither decides is undecided."""
    return HOLDS if holds else FAILS if fails else UNDECIDED


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error (0 for a single value)."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def said(values: Sequence[float], digits: int = 2, sign: bool = True) -> str:
    """Return a mean and its standard error as a text."""
    mean, error = mean_and_error(values)
    return f"{mean:{'+' if sign else ''}.{digits}f} +- {error:.{digits}f}"


def above(values: Sequence[float], bound: float = 0) -> bool:
    """Return whether the mean less 2 SE is above a bound."""
    mean, error = mean_and_error(values)
    return mean - 2 * error > bound


def below(values: Sequence[float], bound: float = 0) -> bool:
    """Return whether the mean plus 2 SE is below a bound."""
    mean, error = mean_and_error(values)
    return mean + 2 * error < bound
