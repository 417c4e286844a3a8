"""How long a test waits for what must come. It costs nothing when it comes, and a machine may stand still for long."""

PATIENCE = 60.0
"""Seconds."""
