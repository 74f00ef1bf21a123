"""From inputs or configurations to labelled frames."""
