"""Reference data that ships with the package, and its loader."""

from __future__ import annotations

from basinet.data.reference_data import (
    load_isolated_atoms,
    load_reference,
    reference_checksums,
    verify_reference,
)

__all__ = ["load_isolated_atoms", "load_reference", "reference_checksums", "verify_reference"]
