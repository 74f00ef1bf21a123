"""Long work: its workers, its progress."""
