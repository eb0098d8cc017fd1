"""The one exception for mistakes that a user can mend, what other exceptions say, and words that messages share."""

from textwrap import shorten


class FullheadError(Exception):
    """Bad input, said in one line that tells what to do. The command line prints it and exits with code 2."""


def in_words(error: Exception) -> str:
    """What an error says, in one line and without its number: what a FullheadError tells of another error."""
    return shorten(getattr(error, "strerror", None) or str(error).strip() or type(error).__name__, 300, placeholder=" ...")


def counted(number: int, noun: str) -> str:
    """As in: 1 frame, 2 frames."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def with_article(noun: str) -> str:
    """As in: a GANHead, an Encoder."""
    return f"{'an' if noun[:1] in 'AEIOaeio' else 'a'} {noun}"
