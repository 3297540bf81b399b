"""The two kinds of failure that a person meets, and nothing else.

A `UserError` is something the caller can mend before anything runs (a wrong date, a missing
folder); a `RunError` stops a run that had begun. The command line turns them into exit
status 2 and 1. Programming faults stay ordinary exceptions.
"""


class ExtractionWatchError(Exception):
    """A failure whose message names what was expected, what was found, and the remedy."""


class UserError(ExtractionWatchError):
    """Wrong arguments or settings: nothing was started. Exit status 2."""


class RunError(ExtractionWatchError):
    """A run that had begun could not finish: nothing was published. Exit status 1."""
