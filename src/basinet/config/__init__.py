"""Reading and checking of configs: YAML read safely, settings checked strictly, errors that name key and remedy."""

from basinet.config.loading import Listed, Section, overlay, parse_yaml, read_yaml, validated

__all__ = ["Listed", "Section", "overlay", "parse_yaml", "read_yaml", "validated"]
