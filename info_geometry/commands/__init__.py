"""What the commands do: arguments in, files and figures out."""
