"""What every method shares on the way from a task to predictions."""
