"""One call of a node, and what belongs to it alone."""
