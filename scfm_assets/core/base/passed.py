"""What a check answers."""

Passed = tuple[bool, str]
"""Whether a check passed, and in words what it saw."""
