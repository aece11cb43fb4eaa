"""What a user declares, read from a YAML file and checked whole."""
