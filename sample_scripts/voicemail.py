"""Voicemail: the caller leaves a message, which is sent by e-mail as a WAV file. Also when he just hangs up.

Shows: record, a tone, an e-mail with an attachment in the grace after the call, the address book, PermissionError.
Needs: `rec = true` of the node, `[mail]` of the operator. Settings: `mail_to`, `greeting`, `max_seconds`.
"""

import math
import struct

SETTINGS = {
    "mail_to": {"type": "str", "help": "Who gets the messages."},
    "greeting": {"default": "Nobody is here. Please leave a message after the tone.", "help": "What callers hear."},
    "max_seconds": {"default": 120, "help": "How long a message may be."},
}


def tone(hertz=880, ms=300):
    """pcm16 at 8000 Hz."""
    samples = (8000 * math.sin(2 * math.pi * hertz * at / 8000) for at in range(8 * ms))
    return struct.pack(f"<{8 * ms}h", *map(int, samples))


def who():
    known = tables["adrbook"].search(number=call.caller) if call.caller else []
    return known[0]["name"] if known else call.caller_name or call.caller or "somebody unknown"


async def send(reason):
    """When the call is over, in its grace: so the message is sent also when the caller just hangs up."""
    if message is None or message.seconds < 1:
        console.log("no message")
        return
    text = f"{who()} ({call.caller}) has left a message of {message.seconds:.0f} seconds."
    sent = await system.email(to=settings["mail_to"], subject=f"Message from {who()}", body=text, attach=message.id)
    console.log("sent" if sent.ok else f"not sent: {sent.error}")


message = None
call.on("hangup", send)
await call.say(settings["greeting"])
await call.play(codec="pcm16", rate=8000, audio=tone())
try:
    message = call.record(channels=1, max_seconds=settings["max_seconds"], silence=6, finish="#")
    await message
    call.say("Thank you. Goodbye.")
except PermissionError:
    console.error("recording is off: set rec = true")
    call.say("I am sorry, I cannot take a message.")
