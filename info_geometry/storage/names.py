"""What the name of a run says: <data set>_<task>, and where a setting sets it apart more after that."""


def dataset(run: str, attributes: dict | None = None) -> str:
    """Return the data set of a run: what its files say of themselves, or else what its name begins with.

    attributes: of one of its files, whose `dataset` counts; published files have none.
    """
    return str((attributes or {}).get("dataset") or run.partition("_")[0])
