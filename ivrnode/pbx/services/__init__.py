"""What scripts ask for by name."""
