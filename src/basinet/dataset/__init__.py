"""Labelled frames as flat arrays, and the split of a trajectory in time."""

from basinet.dataset.build import build_dataset, isolated_energies
from basinet.dataset.dataset import Dataset
from basinet.dataset.splits import Split, blocked_folds, contiguous_split

__all__ = ["Dataset", "Split", "blocked_folds", "build_dataset", "contiguous_split", "isolated_energies"]
