"""From densities to labelled frames: local energies, populations and volumes of one input or of thousands."""

from __future__ import annotations

from basinet.partition.frame import Partitioned, partition_input
from basinet.partition.settings import Job, PartitionSettings

__all__ = ["Job", "PartitionSettings", "Partitioned", "partition_input"]
