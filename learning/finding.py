"""What is found of a claim, and the verdict that a rule gives.  Imports no torch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

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


@dataclass(frozen=True)
class Claim:
    """A claim: its number, sentence and place in a paper, and the function that finds what was measured of it."""

    number: str
    sentence: str
    where: str
    measure: Callable[[Any], Finding]


def table(claims: Sequence[Claim], measured: Any, verdicts: bool = True) -> tuple[list[str], list[str]]:
    """Return the lines of a table of claims, and a list of what rules do not look at; or without verdicts."""
    rows, beside = [*HEAD], []
    for claim in claims:
        one = claim.measure(measured)
        verdict = one.verdict if verdicts else "not asked (quick)"
        rows.append(f"| {claim.number}. {claim.sentence} | {claim.where} | {one.value} | {one.null} | **{verdict}** |")
        beside += [f"- {claim.number}: {one.beside}."] if one.beside else []
    return rows, beside


def decide(holds: bool, fails: bool) -> str:
    """Return the verdict: rules exclude each other, and what neither decides is undecided."""
    return HOLDS if holds else FAILS if fails else UNDECIDED


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error (0 for a single value)."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def said(values: Sequence[float], digits: int = 2, sign: bool = True) -> str:
    """Return a mean and its standard error as a text; of a single value there is no error."""
    mean, error = mean_and_error(values)
    spread = f" +- {error:.{digits}f}" if len(values) > 1 else ""
    return f"{mean:{'+' if sign else ''}.{digits}f}{spread}"


def above(values: Sequence[float], bound: float = 0) -> bool:
    """Return whether the mean less 2 SE is above a bound."""
    mean, error = mean_and_error(values)
    return mean - 2 * error > bound


def below(values: Sequence[float], bound: float = 0) -> bool:
    """Return whether the mean plus 2 SE is below a bound."""
    mean, error = mean_and_error(values)
    return mean + 2 * error < bound


def rank(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's rank correlation of two lists, of pairs that are both finite; nan of fewer than 3."""
    fine = np.isfinite(x) & np.isfinite(y)
    if fine.sum() < 3 or np.ptp(x[fine]) == 0 or np.ptp(y[fine]) == 0:
        return math.nan
    return float(spearmanr(x[fine], y[fine]).statistic)


def ranks(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the rank correlations (S,) of x (n,) or (S, n) with y (S, n)."""
    return np.array([rank(a, b) for a, b in zip(np.broadcast_to(x, y.shape), y)])


def rises(steps: np.ndarray) -> tuple[bool, bool]:
    """Return whether all steps (n, S) are above 0, and whether any is below."""
    return all(above(x) for x in steps), any(below(x) for x in steps)
