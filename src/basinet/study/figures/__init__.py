"""Figures of a study: the paper's ten, and more that put them in context."""
