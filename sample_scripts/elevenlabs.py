"""ElevenLabs: callers talk to an agent of ElevenLabs, whose knowledge and voice are set up there.

Its events come in envelopes: {"type": "audio", "audio_event": {"audio_base_64", "event_id"}}. The agent must be set to
u-law 8000 Hz, in and out; the greeting, the turns and the interruptions are its own.

Shows: another service's protocol, its pings, forgetting sound from before an interruption, a tool.
Settings: `url`, `agent_id`, `operator`. Secret: `elevenlabs`.
"""

SETTINGS = {
    "elevenlabs": {"type": "secret", "help": "The key of the service."},
    "url": {"default": "wss://api.elevenlabs.io/v1/convai/conversation", "help": "The service."},
    "agent_id": {"type": "str", "help": "Which agent answers."},
    "operator": {"default": "", "help": "The extension behind the agent's client tool `transfer`; empty: none."},
}

interrupted_at = 0  # sound up to this event is not to be heard any more


def caller_spoke(audio):
    ws.send({"user_audio_chunk": toBase64String(audio)})


def message(data):
    global interrupted_at
    event = json.loads(data)
    kind = event["type"]
    body = event.get(f"{kind}_event", {})
    if kind == "conversation_initiation_metadata":
        formats = {body["agent_output_audio_format"], body["user_input_audio_format"]}
        if formats == {"ulaw_8000"}:
            call.stream(codec="g711_ulaw", interval=0.1, callback=caller_spoke)
        else:
            console.error(f"the agent must be set to ulaw_8000, not {formats}")
            ws.close()
    elif kind == "audio" and body["event_id"] > interrupted_at:
        call.play(codec="g711_ulaw", audio=fromBase64String(body["audio_base_64"]))
    elif kind == "interruption":
        interrupted_at = body["event_id"]
        call.mute()
    elif kind == "ping":
        pong = {"type": "pong", "event_id": body["event_id"]}
        setTimeout(lambda: ws.send(pong), body.get("ping_ms") or 0)
    elif kind == "client_tool_call":
        asyncio.create_task(use_tool(event["client_tool_call"]))
    elif kind == "user_transcript":
        call.log("caller: " + event["user_transcription_event"]["user_transcript"], 6)
    elif kind == "agent_response":
        call.log("agent: " + body["agent_response"], 6)


async def use_tool(wanted):
    outcome = f"There is no tool {wanted['tool_name']}."
    if wanted["tool_name"] == "transfer" and settings["operator"]:
        result = await call.transfer(settings["operator"], drain=True)
        if result.ok:
            return
        outcome = f"Nobody could be reached: {result.reason}."
    ws.send(
        {
            "type": "client_tool_result",
            "tool_call_id": wanted["tool_call_id"],
            "result": outcome,
            "is_error": True,
        }
    )


def closed(code, reason):
    call.stream()
    if code != 1000:  # 1000: the agent has ended the talk
        console.warn(f"the service has closed the connection: {code} {reason}")
        call.say("I am sorry, I cannot go on at the moment.")
    call.hangup(drain=True)


ws = Websocket(settings["url"] + "?agent_id=" + settings["agent_id"])
ws.header([{"name": "xi-api-key", "value": settings.secret("elevenlabs"), "secret": True}])
ws.on("open", lambda: ws.send({"type": "conversation_initiation_client_data"}))
ws.on("message", message)
ws.on("close", closed)
ws.connect()
