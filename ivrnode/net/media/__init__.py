"""The media engine in the loop or in its own process, and its UDP ports."""
