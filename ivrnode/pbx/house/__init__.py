"""What all calls share: deadlines, quotas, the breaker, and what may be asked of the world."""
