"""Why a connection did not come to be, in words for the script that asked for it. Never a URL or a header's value."""

from __future__ import annotations

import os
import socket
import ssl

from ivrnode.errors import IvrNodeError


def explain(error: BaseException, timeout: float) -> str:
    """`timeout`: the seconds that it was given to connect."""
    match error:
        case IvrNodeError():
            return str(error)
        case TimeoutError():
            return f"no connection within {timeout:g} s"
        case ssl.SSLCertVerificationError():
            return f"TLS: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS: {error.reason or 'handshake failed'}"
        case socket.gaierror():
            return f"host name: {error.strerror}"
        case OSError() if error.errno:
            return os.strerror(error.errno).lower()
        case ConnectionError():  # in the TLS handshake, by a server that speaks none
            return "the server ended the connection"
        case _:
            return "cannot connect"
