"""How far results would move with other samples or other seeds, and what chance would give."""
