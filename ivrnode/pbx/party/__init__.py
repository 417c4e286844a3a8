"""Far ends: their SIP sessions and legs of media, and who is told of them."""
