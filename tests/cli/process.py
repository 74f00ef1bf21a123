"""`basinet` as a process of its own, from this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src")}


# A shell starts background jobs with SIGINT ignored, and children inherit that: a test of Ctrl-C must not depend on it.
INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from basinet.cli import main; main()"
)


def start(*arguments, cwd, **options):
    """Start a command that Ctrl-C can interrupt, its output captured."""
    command = [sys.executable, "-c", INTERRUPTIBLE, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
