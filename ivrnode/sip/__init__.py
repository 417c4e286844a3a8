"""SIP without input or output: RFC 3261 and its family. No socket, clock or thread is known here."""
