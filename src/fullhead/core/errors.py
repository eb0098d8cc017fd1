"""The one exception for mistakes that a user can mend, and what other exceptions say."""

from textwrap import shorten


class FullheadError(Exception):
    """Bad input, said in one line that tells what to do. The command line prints it and exits with code 2."""


def in_words(error: Exception) -> str:
    """What an error says, in one line and without its number: what a FullheadError tells of another error."""
    return shorten(getattr(error, "strerror", None) or str(error).strip() or type(error).__name__, 300, placeholder=" ...")
