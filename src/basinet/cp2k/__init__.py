"""CP2K itself: what it writes, its input, one run of it."""
