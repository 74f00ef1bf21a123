"""Labelled frames: reading and writing them, their labels and neighbours, how they are split, and those shipped."""
