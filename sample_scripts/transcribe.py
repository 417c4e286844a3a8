"""Transcription: what the caller says is written down and posted to a web server, sentence by sentence.

Nothing answers: this is a dictation line, or the ears of something larger. The service is Deepgram's `listen`: sound
goes up as binary frames, results come down as JSON.

Shows: a binary WebSocket, a query and a header with a secret, keeping what a service says in order, work after the end
of the call. Settings: `url`, `model`, `post_to`. Secret: `deepgram`.
"""

import urllib.parse

SETTINGS = {
    "deepgram": {"type": "secret", "help": "The key of the service."},
    "url": {"default": "wss://api.deepgram.com/v1/listen", "help": "The service."},
    "model": {"default": "nova-3", "help": "Which model listens."},
    "post_to": {"default": "", "help": "A web server that gets the text when the call is over; empty: the log only."},
    "greeting": {"default": "Please speak now. Hang up when you are done.", "help": "What callers hear first."},
}

sentences = []
is_closed = asyncio.Event()
is_over = False


def opened():
    call.stream(codec="g711_ulaw", interval=0.1, callback=ws.send)


def message(data):
    event = json.loads(data)
    if event["type"] == "Results" and event["is_final"]:
        text = event["channel"]["alternatives"][0]["transcript"]
        if text:
            sentences.append(text)
            console.log("caller:", text)


def closed(code, reason):
    is_closed.set()
    if not is_over:
        console.warn(f"the service has closed the connection: {code} {reason}")
        call.stream()
        call.say("I am sorry, I cannot hear you any more.")
        call.hangup(drain=True)


async def over(reason):
    """The service sends what it still has and closes; this handler holds the socket open for a second."""
    global is_over
    is_over = True
    ws.send({"type": "CloseStream"})
    await is_closed.wait()
    text = " ".join(sentences)
    console.log("all:", text)
    if settings["post_to"]:
        body = {"call": call.callid, "caller": call.caller, "text": text}
        reply = await system.http(url=settings["post_to"], method="POST", body=body)
        console.log("delivered", reply.code)


query = {"model": settings["model"], "language": call.lang, "encoding": "mulaw", "sample_rate": 8000, "channels": 1}
ws = Websocket(settings["url"] + "?" + urllib.parse.urlencode(query))
ws.header([{"name": "Authorization", "value": "Token " + settings.secret("deepgram"), "secret": True}])
ws.on("open", opened)
ws.on("message", message)
ws.on("close", closed)
ws.connect()
call.on("hangup", over)
call.say(settings["greeting"])
