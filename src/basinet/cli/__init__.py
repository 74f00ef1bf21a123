"""The command line: each command translates between the shell and a function of another room."""

from __future__ import annotations


def main() -> None:
    """Run the command line with the process's arguments."""
    from basinet.cli.app import app

    app(prog_name="basinet")
