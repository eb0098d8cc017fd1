"""The one exception for mistakes that a user can mend, what other exceptions say, and words that messages share."""

from textwrap import shorten

LONGEST = 1000  # characters of a message; what files and words say may be longer


class FullheadError(Exception):
    """Bad input, said in one line that tells what to do. The command line prints it and exits with code 2.

    A longer message, as of a file that says very much, loses its middle.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.splitlines())
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST - 300]} ... {line[-295:]}")


def in_words(error: BaseException) -> str:
    """What an error says, in one line and without its number: what a FullheadError tells of another error."""
    said = f"it has no {error}" if isinstance(error, KeyError) else str(error).strip()
    return shorten(getattr(error, "strerror", None) or said or type(error).__name__, 300, placeholder=" ...")


def counted(number: int, noun: str) -> str:
    """As in: 1 frame, 2 frames."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def with_article(noun: str) -> str:
    """As in: a GANHead, an Encoder."""
    return f"{'an' if noun[:1] in 'AEIOaeio' else 'a'} {noun}"


def about(seconds: float) -> str:
    """A time that is not known well, as in: about 40 s, about 3 min, about 2 h."""
    number, unit = next(((seconds / n, unit) for n, unit in ((3600, "h"), (60, "min")) if seconds >= 1.5 * n), (seconds, "s"))
    return f"about {number:.0f} {unit}"
