"""Names of runs as figures have to show them: few, many, and long ones."""

SIX = [f"digits_{name}" for name in ("all", "even", "odd", "low", "high", "randomlab")]
TWELVE = [f"run_{k}" for k in range(11)] + ["run_with_a_name_that_goes_on_and_on_and_on"]
LONG = ["fashion_all_with_a_very_long_name_lr0.01", "fashion_all_with_a_very_long_name_lr0.1", "x", "_y"]
