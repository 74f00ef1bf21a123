"""Tables of results, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from basinet.files import read_table


def read_rows(path: Path | str) -> list[dict[str, Any]]:
    """Rows of a CSV table; a missing value is an empty text."""
    return [
        {name: "" if pd.isna(value) else value for name, value in row.items()}
        for row in read_table(path).to_dict("records")
    ]
