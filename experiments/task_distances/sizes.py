"""Which tasks there are, and how many: those of `make tasks`, and fewer of `make tasks-quick`.  Imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Tasks are words TASK:CONDITION of one data set (conditions.py).

    config: of stage 1.  suite: tasks that are embedded, each also learned from scratch.  pairs: those, of the suite,
    of which each is learned after each, and beside each.  targets: of which a few labels are learned, `few` of each
    class, from networks that have learned the sources; widths: of other networks that have learned `all`, sources too.
    reach: those of which perceptrons learn each after each.  priced: those that variational networks learn, alone and
    two at once.
    """

    dataset: str
    config: str
    suite: tuple[str, ...]
    pairs: tuple[str, ...]
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    few: int
    widths: tuple[int, ...]
    reach: tuple[str, ...] = ()
    priced: tuple[str, ...] = ()


FULL = Size(
    dataset="fashion",
    config="fashion_tasks",
    suite=(
        *("all", "3rd", "even", "odd", "clothing", "garment", "footwear", "shirt", "shoe"),
        *("0,2,4,6", "0,2,3,4,6", "5,7,8,9", "2,4", "2,6", "7,9", "1,8"),
        *("all:flip", "all:blur7", "all:permuted_labels", "all:random_labels", "0,2,4,6:random_labels"),
    ),
    pairs=(
        *("all", "clothing", "footwear", "0,2,4,6", "even"),
        *("all:flip", "all:blur7", "all:random_labels"),
    ),
    targets=("clothing", "footwear", "shirt", "0,2,4,6", "5,7,8,9", "2,4", "2,6", "7,9", "even", "odd"),
    sources=(
        *("all", "3rd", "even", "odd", "clothing", "garment", "footwear", "shirt", "shoe", "0,2,4,6", "1,8"),
        *("all:flip", "all:blur7", "all:random_labels"),
    ),
    few=20,
    widths=(8, 32),
    reach=("all", "all:flip", "all:blur7", "all:random_labels"),
    priced=("all", "clothing", "footwear", "even", "all:flip", "all:random_labels"),
)
QUICK = Size(
    dataset="digits",
    config="digits_tasks",
    suite=("all", "even", "odd", "low", "high", "0,1", "all:flip", "all:random_labels"),
    pairs=("all", "even", "all:flip", "all:blur3", "all:random_labels"),
    targets=("even", "low", "0,1"),
    sources=("all", "odd", "high", "all:flip"),
    few=5,
    widths=(16,),
    priced=("all", "even", "all:random_labels"),
)
