"""The processes of the scripts."""
