"""CP2K's output in the dialect since 2025.1, made from output of 2023.1: the same numbers in the newer formats.

CP2K 2025 was not at hand, so its output is imitated after the format statements of its source, tag v2025.2
(3b7c904): ``src/force_env_methods.F`` for the total, ``write_forces_to_screen`` in ``src/force_env_utils.F`` for
forces, ``src/qs_scf.F`` and ``src/common/cp_error_handling.F`` for the end without convergence. All other lines that
basinet reads have the same formats in v2023.1, v2025.2 and v2026.2.
"""

from __future__ import annotations

import math
import re

TOTAL = re.compile(r"^ ENERGY\| Total FORCE_EVAL \( QS \) energy \[a\.u\.\]: +(\S+)$", re.MULTILINE)
TABLE = re.compile(
    r"^ ATOMIC FORCES in \[a\.u\.\]\n\n.*\n((?: +\d+ +\d+ .*\n)+) SUM OF ATOMIC FORCES.*\n", re.MULTILINE
)
MESSAGE = (
    "SCF run NOT converged. To continue the calculation regardless,",
    "please set the keyword IGNORE_CONVERGENCE_FAILURE.",
)


def to_2025(text: str) -> str:
    """Say in the newer dialect what CP2K 2023.1 printed."""
    text = text.replace("CP2K version 2023.1", "CP2K version 2025.2").replace("git:b888bd8", "git:3b7c904")
    text = text.replace("(2000-2022)", "(2000-2025)")
    text = TOTAL.sub(lambda total: total_line(float(total[1])), text)
    return TABLE.sub(lambda table: force_table(table[1]), text)


def total_line(energy: float) -> str:
    return f" {'ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]':<53}{energy:26.15f}"


def force_table(rows: str) -> str:
    """Forces as ES15.8, each behind a blank, and their length behind two."""
    lines = [
        " FORCES| Atomic forces [hartree/bohr]",
        " FORCES|   Atom     x               y               z               |f|",
    ]
    total = [0.0, 0.0, 0.0]
    for row in rows.splitlines():
        number, _, _, *words = row.split()
        force = [float(word) for word in words]
        total = [a + b for a, b in zip(total, force, strict=True)]
        columns = "".join(f" {component:15.8E}" for component in force)
        lines.append(f" FORCES|{int(number):7d}{columns}  {math.hypot(*force):15.8E}")
    lines.append(f" {'FORCES| Sum':<14}" + "".join(f" {component:15.8E}" for component in total))
    lines.append(f" {'FORCES| Total atomic force':<64}{math.hypot(*total):15.8E}")
    return "\n".join(lines) + "\n"


def stop_unconverged(text: str, box: str) -> str:
    """End an unconverged output as CP2K does since 2024.1: with the box in which it reports why it aborted."""
    start = text.index(" *** WARNING in qs_scf.F")
    picture = [line[:11] for line in box.splitlines()[1:-1]]
    rows = [picture[i] + " " * 68 + "*" for i in range(7)]
    for i, message in enumerate(MESSAGE, start=3):
        fill = (66 - len(message)) // 2 + 1
        rows[i] = picture[i] + " " * (68 - len(message) - fill) + message + " " * fill + "*"
    location = "qs_scf.F:632"
    rows.append(f"{picture[7]}{location:>67} *")
    return text[:start] + "\n".join([" " + "*" * 79, *rows, " " + "*" * 79, "", ""])
