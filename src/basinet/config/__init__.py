"""Settings: what can be set, what it means, and readable errors where a file is wrong."""

from __future__ import annotations

from basinet.config.loading import load_study_config, load_train_config, preset_names, read_yaml
from basinet.config.settings import StudyConfig, TrainConfig

__all__ = ["StudyConfig", "TrainConfig", "load_study_config", "load_train_config", "preset_names", "read_yaml"]
