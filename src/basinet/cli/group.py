"""How every command ends: 0 for success, 2 and one line for a user's mistake, 130 where it was interrupted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from basinet.errors import InputError


class Interrupted(typer.TyperException):
    """Stopped by Ctrl-C; the message says how to go on."""

    exit_code = 130


class Commands(TyperGroup):
    """The commands, with errors in one line each."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and turn what is raised into a line on standard error and an exit code."""
        try:
            code = super().main(
                args, prog_name or "basinet", complete_var, standalone_mode=False,
                windows_expand_args=windows_expand_args, **extra,
            )  # fmt: skip
            if code == Interrupted.exit_code:
                _complain("interrupted", code, kind="")
        except InputError as error:
            code = _complain(str(error), 2)
        except Interrupted as error:
            code = _complain(error.message, error.exit_code, kind="")
        except typer.TyperException as error:
            code = _complain(error.format_message() + _hint(error), 2)
        except typer.Abort:
            code = 1
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _complain(message: str, code: int, kind: str = "error: ") -> int:
    """Write one line; whatever line breaks a message brings along are spaces."""
    typer.echo(f"basinet: {kind}{' '.join(message.split())}", err=True)
    return code


def _hint(error: typer.TyperException) -> str:
    """Name the help page of the command that was misused."""
    context = getattr(error, "ctx", None)
    return f" (see '{context.command_path} --help')" if context is not None else ""


class SeveralValues(TyperCommand):
    """A command whose options ``--data``, ``--reference`` take all values that follow: ``--data a.xyz b.xyz``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its values, which is what Typer understands."""
        return super().parse_args(ctx, spread(spread(args, "--data"), "--reference"))


def spread(args: Sequence[str], option: str) -> list[str]:
    """Repeat an option before every value that follows it.

    >>> spread(["--data", "a", "b", "--seed", "1"], "--data")
    ['--data', 'a', '--data', 'b', '--seed', '1']
    """
    result: list[str] = []
    values = 0
    inside = False
    for argument in args:
        if argument.startswith("-"):
            inside, values = argument == option, 0
        elif inside:
            values += 1
            if values > 1:
                result.append(option)
        result.append(argument)
    return result
