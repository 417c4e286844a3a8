"""Files of sound: what is played, what is recorded."""
