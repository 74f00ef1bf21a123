"""Long work: its workers, its progress, and where its results come from."""
