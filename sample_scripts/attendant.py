"""Attendant: an assistant asks who the caller wants to talk to, and puts him through.

Shows: the smallest script for a speech service: session, sound both ways, interruption, one tool, a transfer.
Settings: `people`, who can be reached; `url`, `model`. Secret: `openai`. The default script has more care for faults.
"""

SETTINGS = {
    "openai": {"type": "secret", "help": "The key of the speech service."},
    "url": {"default": "wss://api.openai.com/v1/realtime", "help": "The speech service."},
    "model": {"default": "gpt-realtime-2.1", "help": "Which model answers."},
    "company": {"default": "Example Limited", "help": "Who is called."},
    "people": {"default": {"sales": "120", "support": "121"}, "help": "Names, and the extension of each."},
}
people = settings["people"]
ULAW = {"type": "audio/pcmu"}
TRANSFER = {
    "type": "function",
    "name": "transfer",
    "description": "Put the caller through. Say that you do it before you do it.",
    "parameters": {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": list(people)}},
        "required": ["name"],
    },
}
SESSION = {
    "type": "realtime",
    "instructions": f"You are the telephone operator of {settings['company']}. Find out in one or two short questions "
    f"who of these the caller needs: {', '.join(people)}. Then call transfer. Do nothing else.",
    "output_modalities": ["audio"],
    "tools": [TRANSFER],
    "audio": {
        "input": {"format": ULAW, "turn_detection": {"type": "server_vad", "silence_duration_ms": 500}},
        "output": {"format": ULAW, "voice": "marin"},
    },
}


def caller_spoke(audio):
    ws.send({"type": "input_audio_buffer.append", "audio": toBase64String(audio)})


def message(data):
    event = json.loads(data)
    match event["type"]:
        case "session.created":
            ws.send({"type": "session.update", "session": SESSION})
        case "session.updated":
            call.stream(codec="g711_ulaw", callback=caller_spoke)
        case "input_audio_buffer.speech_started":
            call.mute()
        case "response.output_audio.delta":
            call.play(codec="g711_ulaw", audio=fromBase64String(event["delta"]))
        case "response.done":
            for item in event["response"]["output"]:
                if item["type"] == "function_call":
                    asyncio.create_task(put_through(item))


async def put_through(item):
    name = json.loads(item["arguments"]).get("name")
    console.log("wants", name)
    reason = f"there is no {name}"
    if name in people:
        result = await call.transfer(people[name], drain=True)
        if result.ok:
            return
        reason = result.reason
    output = {"type": "function_call_output", "call_id": item["call_id"], "output": f"That did not work: {reason}."}
    ws.send({"type": "conversation.item.create", "item": output})
    ws.send({"type": "response.create"})  # the assistant tells the caller, and asks what to do now


def closed(code, reason):
    call.stream()
    call.say("I am sorry, our operator is not there. Please call again.")
    call.hangup(drain=True)


ws = Websocket(settings["url"] + "?model=" + settings["model"])
ws.header([{"name": "Authorization", "value": "Bearer " + settings.secret("openai"), "secret": True}])
ws.on("message", message)
ws.on("close", closed)
ws.connect()
call.say(f"Welcome to {settings['company']}. Who would you like to speak to?")
