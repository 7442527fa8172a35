"""A part of what is measured: its claims, tables and figures."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Section:
    """rows, beside: of the table of claims, and what its rules do not look at (`learning.finding.table`).

    tables: other ones, each as text.  written: paths of figures and pages.
    """

    title: str
    rows: list[str]
    beside: list[str]
    tables: list[str]
    written: list[Path]
