"""Callers with somebody else: rung, bridged, lent to another node."""
