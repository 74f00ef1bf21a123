"""Exceptions for what the user, the input or the machine is to blame for, by what can be done about it."""


class InputError(ValueError):
    """Bad input: the message says what is wrong, where (file, frame, line or key), and what to do about it.

    The command line turns it into one line on standard error and exit code 2.
    """


class DiskFullError(InputError):
    """There is no space left to write to."""


class DensityError(InputError):
    """A density is missing, damaged, or none of the atoms it is said to be of."""
