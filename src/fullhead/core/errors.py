"""The one exception for mistakes that a user can mend."""


class FullheadError(Exception):
    """Bad input, said in one line that tells what to do. The command line prints it and exits with code 2."""
