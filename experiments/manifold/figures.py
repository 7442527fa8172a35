"""The figures of the manifold: functions of a folder and of what was measured, which return the paths they wrote."""

FIGURES = ()
