"""Real third-party peers as test partners: baresip and SIPp in a network namespace of their own."""
