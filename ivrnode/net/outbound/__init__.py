"""What leaves the house for others: WebSockets, HTTP, mail, under one policy."""
