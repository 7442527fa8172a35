"""Files that survive faults, and errors that a user can act on.  What stands here knows nothing but files.

`atomic`: a file under its final name is complete.  `locks`: one process at a time writes.  `errors`: messages instead
of tracebacks.  `machine`: what this computer has.  `hdf5`: HDF5 files that may be damaged or hostile.
"""

from info_geometry.files.atomic import atomic_path, remove_orphans, unwritable, write_text, writing
from info_geometry.files.errors import InputError, command, first_line, log
from info_geometry.files.locks import HeldError, holder, lock
from info_geometry.files.machine import (
    ROOT,
    accelerator,
    device_of,
    free_memory,
    in_threads,
    threads,
    valid_name,
    versions,
)

__all__ = [
    "ROOT",
    "HeldError",
    "InputError",
    "accelerator",
    "atomic_path",
    "command",
    "device_of",
    "first_line",
    "free_memory",
    "holder",
    "in_threads",
    "lock",
    "log",
    "remove_orphans",
    "threads",
    "unwritable",
    "valid_name",
    "versions",
    "write_text",
    "writing",
]
