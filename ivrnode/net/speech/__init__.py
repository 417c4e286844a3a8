"""Text to speech in its own process."""
