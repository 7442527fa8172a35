"""Arrays in, figure files out.

Figures look the same whatever settings of matplotlib the user has: `style.STYLE` begins from those that it comes with,
and the backend, which a notebook leaves in MPLBACKEND to the commands it starts, is not looked for.
"""

import os

_BACKEND = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib as matplotlib
finally:
    if _BACKEND is not None:
        os.environ["MPLBACKEND"] = _BACKEND  # as it was, for whatever else this process starts
