"""Arrays in, figure files out."""
