"""A run: what determines it, what it leaves on the disk, and how it goes on."""
