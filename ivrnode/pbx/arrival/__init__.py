"""From a request to what it is about: who calls, whom, and whether he may."""
