"""What a call writes into the log of its own and of its script's doings."""

from __future__ import annotations

from ivrnode.media import messages as media
from ivrnode.script import messages as script


def statistics(event: media.Statistics) -> str:
    return (
        f"RTP sent {event.packets_sent}, received {event.packets_received}, lost {event.packets_lost}, "
        f"late {event.packets_late}, concealed {event.concealed}, jitter {event.jitter_ms:.1f} ms; "
        f"the far end lost {event.remote_lost}, jitter {event.remote_jitter_ms:.1f} ms"
    )


def summary(action: script.Action) -> str:
    """An action in one line; sound and frames by their length."""
    match action:
        case script.Play():
            return f"play {action.item} {action.codec} {len(action.audio)} bytes {action.tag}".rstrip()
        case script.SendSocket():
            return f"socket {action.socket} send {len(action.data)}"
        case script.OpenSocket():
            return f"socket {action.socket} connect"  # its URL may hold a key that no mask hides yet
        case script.Request():
            return f"request {action.request} {action.what!r:.60}"
        case _:
            return str(action)
