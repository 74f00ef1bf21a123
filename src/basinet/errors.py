"""The one exception that a user's mistake raises."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: the message says what is wrong, where (file, frame, line or key), and what to do about it.

    The command line turns it into one line on standard error and exit code 2.
    """
