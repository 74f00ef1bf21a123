"""Reading and checking of configs: YAML read safely, settings checked strictly, errors that name key and remedy."""
