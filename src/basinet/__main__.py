"""`python -m basinet` is `basinet`."""

from __future__ import annotations

from basinet.cli import main

if __name__ == "__main__":
    main()
