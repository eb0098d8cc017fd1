"""One file per command: a typed function whose docstring is the command's help. cli.py gathers them."""
