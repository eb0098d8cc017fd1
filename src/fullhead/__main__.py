"""`python -m fullhead` is the command `fullhead`."""

from fullhead.cli import main

if __name__ == "__main__":
    main()
