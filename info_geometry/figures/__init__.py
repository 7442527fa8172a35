"""Arrays in, figure files out.

Figures look the same whatever the settings of the user's matplotlib are: `style.STYLE` begins from those that matplotlib
has of itself, and the backend, which a notebook leaves in MPLBACKEND to the commands it starts, is not looked for.
"""

import os

_BACKEND = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib as matplotlib
finally:
    if _BACKEND is not None:
        os.environ["MPLBACKEND"] = _BACKEND  # as it was, for whatever else this process starts
