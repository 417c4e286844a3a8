# The demo with which scripted speech calls began, in the API's plainest words: every call of it has its counterpart
# here, in the same order, against the beta shape of the protocol. A test, not a model: see the default script for that.

key = "sk-test"
codec = settings.get("codec", "g711_ulaw")
model = "gpt-4o-realtime-preview-2024-10-01"
instructions = "You are a cheerful assistant on the telephone. Talk quickly."

texts = {"initial": {"en": "Go ahead, please.", "de": "Bitte sprechen Sie."}}


def text(name):
    prompt = texts[name]
    if call.lang in prompt:
        return prompt[call.lang]
    return prompt["en"]


call.say({"text": text("initial")})

ws = Websocket(settings["url"] + "?model=" + model)
ws.header(
    [
        {"name": "Authorization", "value": "Bearer " + key, "secret": True},
        {"name": "Cache-Control", "value": "no-cache"},
        {"name": "Pragma", "value": "no-cache"},
        {"name": "Sec-Fetch-Dest", "value": "websocket"},
        {"name": "Sec-Fetch-Mode", "value": "websocket"},
        {"name": "Sec-Fetch-Site", "value": "same-site"},
        {"name": "Sec-WebSocket-Protocol", "value": "realtime"},
        {"name": "OpenAI-Beta", "value": "realtime=v1"},
        {"name": "User-Agent", "value": "seed-demo/1"},
    ]
)


@ws.on("open")
def opened():
    console.log("open")


@ws.on("close")
def closed():
    console.log("closed")
    call.stream()


@ws.on("message")
def received(message):
    msg = json.loads(message)
    if msg["type"] == "session.created":
        ws.send(json.dumps(update))
    elif msg["type"] == "session.updated":
        call.stream({"codec": codec, "interval": 0.5, "callback": stream})
    elif msg["type"] == "conversation.item.created":
        if msg["previous_item_id"]:
            call.mute()
    elif msg["type"] == "response.audio.delta":
        call.play({"direction": "out", "codec": codec, "audio": fromBase64String(msg["delta"])})


update = {
    "type": "session.update",
    "session": {
        "instructions": instructions,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
        "voice": "alloy",
        "temperature": 0.8,
        "max_response_output_tokens": 4096,
        "tools": [],
        "modalities": ["text", "audio"],
        "input_audio_format": codec,
        "output_audio_format": codec,
        "input_audio_transcription": {"model": "whisper-1"},
        "tool_choice": "auto",
    },
}


def stream(audio):
    ws.send(json.dumps({"type": "input_audio_buffer.append", "audio": toBase64String(audio)}))


ws.connect()
