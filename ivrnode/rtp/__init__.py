"""RTP and RTCP (RFC 3550, 3551), telephone events (RFC 4733), the jitter buffer. Pure: no clock, socket or codec."""
