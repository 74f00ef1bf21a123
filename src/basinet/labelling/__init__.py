"""From inputs or configurations to labelled frames."""

from __future__ import annotations

from basinet.labelling.partition import Partitioned, partition_input
from basinet.labelling.partition_settings import Job, PartitionSettings

__all__ = [
    "Job",
    "PartitionSettings",
    "Partitioned",
    "partition_input",
]
