"""The HTML report of a study, from its results directory."""
