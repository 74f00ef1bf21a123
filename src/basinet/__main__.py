"""`python -m basinet` is `basinet`."""

from basinet.cli import main

if __name__ == "__main__":
    main()
