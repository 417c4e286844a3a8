"""The assistant: whoever calls this node talks to OpenAI Realtime (or to any service that speaks its protocol).

This script runs once for every call, from its first line to its last; after that its handlers do the work:

    caller ──> call.stream ──> caller_spoke ──> ws.send ──> the service
    caller <── call.play   <────────────────── message <── the service

Nothing in it needs to be changed: give the node the secret `openai`, and the settings below as you like. Everything in
it may be changed: this file is an example as much as a product.
"""

import time

# Settings. What the node, its tenant or the system says of them wins over these defaults. A text that is said can be
# given as it is or per language, as here: then the languages that are not given stay.
SETTINGS = {
    "openai": {"type": "secret", "help": "The key of the service."},
    "url": {"default": "wss://api.openai.com/v1/realtime", "help": "The service, or one that speaks its protocol."},
    "model": {"default": "gpt-realtime-2.1", "help": "Which model answers."},
    "voice": {"default": "marin", "help": "How it sounds."},
    "instructions": {"help": "What the assistant is and does; {lang} becomes the language of the call.", "default":
        "You are a friendly assistant on the telephone. Be brief: one or two sentences at a time, without lists, "
        "symbols or web addresses. Ask one question at a time, and ask again when you did not understand. Say that you "
        "are an AI when somebody wants to know. When the caller says goodbye, say goodbye too and call hang_up. Begin "
        "in the language with the code {lang}, and follow the caller into any other."},
    "targets": {"default": {}, "help": 'Where the assistant may transfer to, such as {"sales": "120"}.'},
    "send_keys": {"default": False, "help": "Whether the assistant may press keys, for a machine at the far end."},
    "fallback": {"default": "", "help": "The extension that takes the call when the assistant cannot."},
    "codec": {"default": "g711_ulaw", "choices": ["g711_ulaw", "g711_alaw", "pcm16"],
        "help": "The sound to and from the service; the first two need no conversion on most lines."},
    "interval": {"default": 0.06, "help": "Seconds of the caller's sound in one message."},
    "silence_ms": {"default": 500, "help": "So long a pause ends the caller's turn."},
    "vad_gate": {"default": False, "help": "Send the service speech only: saves traffic, but not every service can."},
    "idle_seconds": {"type": "float", "default": 0, "help": "Ask after so much silence, then hang up; 0 = never."},
    "transcription_model": {"default": "gpt-transcribe", "help": "Which model writes down what the caller says."},
    "greeting": {"type": "str | dict", "help": "What callers hear first.", "default": {
        "en": "Hello, you are talking to an AI assistant. How can I help you?",
        "de": "Guten Tag, hier spricht ein KI-Assistent. Wie kann ich Ihnen helfen?",
        "fr": "Bonjour, vous parlez à un assistant virtuel. Comment puis-je vous aider ?",
        "es": "Hola, habla con un asistente virtual. ¿En qué puedo ayudarle?",
        "it": "Buongiorno, sono un assistente virtuale. Come posso aiutarla?"}},
    "retry": {"type": "str | dict", "help": "When one turn went wrong.", "default": {
        "en": "Sorry, that did not work. Please say it again.",
        "de": "Entschuldigung, das hat nicht geklappt. Bitte sagen Sie es noch einmal.",
        "fr": "Désolé, cela n'a pas marché. Répétez, s'il vous plaît.",
        "es": "Perdone, no ha funcionado. Repítalo, por favor.",
        "it": "Mi scusi, non ha funzionato. Lo ripeta, per favore."}},
    "still_there": {"type": "str | dict", "help": "When the caller has been silent for idle_seconds.", "default": {
        "en": "Are you still there?", "de": "Sind Sie noch da?", "fr": "Vous êtes toujours là ?",
        "es": "¿Sigue usted ahí?", "it": "È ancora in linea?"}},
    "goodbye": {"type": "str | dict", "help": "The last words before we hang up.", "default": {
        "en": "Goodbye.", "de": "Auf Wiederhören.", "fr": "Au revoir.", "es": "Adiós.", "it": "Arrivederci."}},
    "sorry": {"type": "str | dict", "help": "When we have to give up.", "default": {
        "en": "I am sorry, I cannot go on at the moment.", "es": "Lo siento, ahora mismo no puedo continuar.",
        "de": "Es tut mir leid, ich kann im Moment nicht weitermachen.",
        "fr": "Je suis désolé, je ne peux pas continuer pour le moment.",
        "it": "Mi dispiace, al momento non posso continuare."}},
    "no_key": {"type": "str | dict", "help": "When there is no key for the service.", "default": {
        "en": "I am sorry, this assistant has no key for its speech service yet.",
        "de": "Es tut mir leid, dieser Assistent hat noch keinen Schlüssel für seinen Sprachdienst.",
        "fr": "Je suis désolé, cet assistant n'a pas encore de clé pour son service vocal.",
        "es": "Lo siento, este asistente aún no tiene clave para su servicio de voz.",
        "it": "Mi dispiace, questo assistente non ha ancora una chiave per il suo servizio vocale."}},
}  # fmt: skip

targets, fallback = settings["targets"], settings["fallback"]
codec, silence_ms, vad_gate = settings["codec"], settings["silence_ms"], settings["vad_gate"]
G711 = {"g711_ulaw": {"type": "audio/pcmu"}, "g711_alaw": {"type": "audio/pcma"}}  # as the protocol calls them
FORMAT, BYTES_PER_MS = (G711[codec], 8) if codec in G711 else ({"type": "audio/pcm", "rate": 24000}, 48)

READY_SECONDS = 10  # the service must be ready for us
ANSWER_SECONDS = 15  # an answer must have begun
TOOL_SECONDS = 10  # a tool must have done its work
EXPIRY_SECONDS = 30  # we take a new session so long before the service ends the old one
SHORTEST_SESSION_SECONDS = 5  # no new session after one that was over so soon
CONTEXT_LINES = 20  # of what was said, so much goes into a new session
TRANSCRIPT_LINES = 100  # so much of it is kept
TRANSCRIPT_CHARS = 4000  # and so much goes into the log when the call is over


class State:  # what a call remembers
    began = ready_at = time.monotonic()
    is_ready = False  # the service has taken our settings: sound may flow
    is_renewing = False  # the old session is being closed, for a new one
    is_leaving = False  # somebody else has the caller, or our last words: nothing that comes in counts any more
    is_turn_open = False  # somebody speaks, or the answer is not complete
    has_answered = False  # the current response has sound
    has_asked = False  # whether the silent caller is still there
    sessions = turns = failures = 0  # failures: turns in a row without an answer
    received = {}  # an answer that may still be heard: its item's id -> ms of sound that came
    cut = set()  # items that the caller has interrupted: no more of them is played
    transcript = {}  # what was said, in order: its item's id -> (who, text)
    timers = {}  # those that run, by name
    tools = {}  # what the assistant can do, by name: (what it is told, the function, seconds)


state = State()
ws = Websocket(settings["url"] + ("&" if "?" in settings["url"] else "?") + "model=" + settings["model"])
ws.header([{"name": "Authorization", "value": f"Bearer {secret}", "secret": True}])
ws.on("error", lambda text: console.warn(f"speech service: {text}"))


def say(name):
    """Say one of the texts in the caller's language, else in English. Does not wait until it was heard."""
    own = settings[name]
    texts = {**SETTINGS[name]["default"], **({call.lang: own} if isinstance(own, str) else own)}
    lang = call.lang if call.lang in texts else "en"
    return call.say(text=texts[lang], lang=lang)


def remember(item, who, text=""):
    """Who said what. An item keeps its place, whenever its text comes: before or after the answer to it."""
    text = text.strip()
    state.transcript[item] = (who, text)
    if len(state.transcript) > TRANSCRIPT_LINES:
        del state.transcript[next(iter(state.transcript))]
    if text:
        call.log(f"{who}: {text}", 6)


def start_timer(name, seconds, then):
    stop_timers(name)
    state.timers[name] = setTimeout(then, int(seconds * 1000))


def stop_timers(*names):
    for name in names or list(state.timers):
        clearTimeout(state.timers.pop(name, 0))


# The service: it sends messages, each with a type. Those that stand nowhere here are ignored.
@ws.on("message")
def message(data):
    event = json.loads(data)
    match event.get("type") if ws.state == "open" and not state.is_leaving else None:
        case "session.created":
            begin_session(event["session"])
        case "session.updated" if not state.is_ready:
            state.is_ready, state.ready_at = True, time.monotonic()
            state.sessions += 1
            stop_timers("ready")
            go_on()
            listen()
        case "error":
            error_came(event["error"])
        case "input_audio_buffer.speech_started":
            caller_interrupts()
        case "input_audio_buffer.speech_stopped":
            state.turns += 1
            wait_for_answer()
            wait_for_speech()
        case "input_audio_buffer.committed" | "conversation.item.input_audio_transcription.completed":
            remember(event["item_id"], "caller", event.get("transcript") or "")
        case "response.created":
            state.is_turn_open, state.has_answered = True, False
        case "response.output_item.added" if event["item"]["type"] == "message":
            state.received.setdefault(event["item"]["id"], 0)
            remember(event["item"]["id"], "assistant")
        case "response.output_audio.delta" | "response.audio.delta" if event["item_id"] not in state.cut:
            if not state.has_answered:
                state.has_answered, state.failures = True, 0
                stop_timers("answer", "idle")
            item, audio = event["item_id"], fromBase64String(event["delta"])
            state.received[item] = state.received.get(item, 0) + len(audio) / BYTES_PER_MS
            call.play(codec=codec, audio=audio, tag=item)
        case "response.output_audio_transcript.done" | "response.audio_transcript.done":
            remember(event["item_id"], "assistant", event.get("transcript") or "")
        case "response.done" if event["response"]["status"] != "cancelled":  # by the caller: then it is his turn
            calls = [item for item in event["response"].get("output") or [] if item["type"] == "function_call"]
            state.is_turn_open = bool(calls)
            if event["response"]["status"] == "failed":
                turn_failed((event["response"].get("status_details") or {}).get("error"))
            elif calls and event["response"]["status"] == "completed":
                asyncio.create_task(use_tools(calls))


def begin_session(session):
    # All values, always: the service's own defaults are not those that it documents.
    turns = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": silence_ms}
    turns |= {"create_response": True, "interrupt_response": True}
    transcription = {"model": settings["transcription_model"], "language": call.lang}
    ws.send({"type": "session.update", "session": {
        "type": "realtime", "output_modalities": ["audio"], "max_output_tokens": 4096, "tool_choice": "auto",
        "instructions": settings["instructions"].replace("{lang}", call.lang),
        "tools": [about for about, _, _ in state.tools.values()],
        "audio": {
            "input": {"format": FORMAT, "transcription": transcription, "turn_detection": turns},
            "output": {"format": FORMAT, "voice": settings["voice"]},
        },
    }})  # fmt: skip
    left = (session.get("expires_at") or 0) - time.time()
    if 0 < left < 86_400:
        start_timer("expiry", max(left / 2, left - EXPIRY_SECONDS), renew_between_turns)


def error_came(error):
    code = error.get("code")
    why = f"speech service: {code}: {error.get('message')}"
    if code == "session_expired" and state.is_ready:
        renew(why)
    elif not state.is_ready or code in ("invalid_api_key", "beta_api_shape_disabled"):
        give_up(why)
    else:
        console.warn(why)
    if code == "beta_api_shape_disabled":
        console.error("something on the way adds the header OpenAI-Beta, which the service takes no more")


@ws.on("open")
def wait_until_ready():
    start_timer("ready", READY_SECONDS, lambda: give_up(f"the service is not ready after {READY_SECONDS} s"))


@ws.on("close")
def closed(code, reason):
    if state.is_renewing and not state.is_leaving:
        state.is_renewing = False
        ws.connect(timeout=READY_SECONDS)
    elif not state.is_leaving:
        why = f"the speech service has closed the connection: {code} {reason}"
        renew(why) if state.is_ready and code == 1001 else give_up(why)  # 1001: the session has reached its limit


def renew_between_turns():
    start_timer("expiry", 1, renew_between_turns) if state.is_turn_open else renew("the session is nearly over")


def renew(why):
    """A session has a limit, a call has none: when the old one is closed a new one begins and is told what was said.
    Of that the caller hears nothing, or at most that he should say it again."""
    if time.monotonic() - state.ready_at < SHORTEST_SESSION_SECONDS:
        give_up(why)
        return
    console.warn(f"{why}: a new one takes its place")
    state.is_renewing, state.is_ready = ws.state != "closed", False
    call.stream()
    stop_timers()
    state.received.clear()  # the new session knows nothing of the old one's items
    wait_until_ready()
    ws.close() if state.is_renewing else ws.connect(timeout=READY_SECONDS)


def go_on():
    """Tell the new session what was said. A turn that has got no answer is answered, or asked for again."""
    said = [(who, text) for who, text in state.transcript.values() if text]
    for who, text in said[-CONTEXT_LINES:]:
        kind = "output_text" if who == "assistant" else "input_text"
        item = {"type": "message", "role": {"caller": "user"}.get(who, who), "content": [{"type": kind, "text": text}]}
        ws.send({"type": "conversation.item.create", "item": item})
    last = said[-1][0] if said else ""
    is_unanswered = state.is_turn_open and not state.has_answered
    state.is_turn_open = False
    if last == "system" or (is_unanswered and last == "caller"):
        ws.send({"type": "response.create"})
        wait_for_answer()
    elif is_unanswered:
        say("retry")


def listen():
    # The service ends a turn by the silence that it receives: it must get more of it than that takes.
    vad = {"hang_over": max(0.8, silence_ms / 1000 + 0.1)} if vad_gate else False
    call.stream(codec=codec, interval=settings["interval"], callback=caller_spoke, vad=vad)
    wait_for_speech()


def caller_spoke(audio):
    ws.send({"type": "input_audio_buffer.append", "audio": toBase64String(audio)})


def caller_interrupts():
    call.mute()  # first of all: nobody likes to be talked over
    stop_timers("answer", "idle")
    state.has_asked = state.has_answered = False
    state.is_turn_open = True
    # The service was seconds ahead of our line: it must forget what the caller has not heard of its answer.
    newest = next((item for item in reversed(state.received) if call.played_ms(item)), None)
    if newest and (played := call.played_ms(newest)) < int(state.received[newest]):
        ws.send({"type": "conversation.item.truncate", "item_id": newest, "content_index": 0, "audio_end_ms": played})
    state.cut.update(state.received)
    state.received.clear()


def wait_for_answer():
    start_timer("answer", ANSWER_SECONDS, lambda: turn_failed(f"no answer in {ANSWER_SECONDS} s"))


def turn_failed(why):
    console.warn(f"no answer to turn {state.turns}: {why}")
    stop_timers("answer")
    state.is_turn_open = False
    state.failures += 1
    say("retry") if state.failures == 1 else give_up("two turns in a row were not answered")


# Tools: what the assistant can do besides talking. A tool gets a dict and returns what the assistant is told,
# or None when there is nothing more to talk about. What is not done in `seconds` is stopped.
def tool(do, description, seconds=TOOL_SECONDS, **arguments):
    """Offer `do` to the assistant. Each argument is a JSON schema."""
    parameters = {"type": "object", "properties": arguments, "required": list(arguments)}
    about = {"type": "function", "name": do.__name__, "description": description, "parameters": parameters}
    state.tools[do.__name__] = (about, do, seconds)


async def hang_up(arguments):
    part() if state.has_answered else part("goodbye")


async def transfer(arguments):
    target = arguments.get("target")
    if target not in targets:
        return f"There is no target {target!r}, only: {', '.join(targets)}."
    transferring = call.transfer(dest=targets[target], drain=True)
    state.is_leaving = True
    call.stream()
    stop_timers("answer", "idle")
    result = await transferring
    if result.ok:
        return None
    state.is_leaving = False  # the caller is back with us
    failure = f"The transfer to {target} did not work: {result.reason}."
    if state.is_ready and ws.state == "open":
        listen()
        return failure
    remember("transfer", "system", failure)  # the service has left meanwhile: the next session is told
    renew("the service has closed the session during a transfer")
    return None


async def send_keys(arguments):
    call.press(arguments.get("keys"))
    return "The keys were pressed."


tool(hang_up, "End the call, after both sides have said goodbye.")
if targets:  # what was said before it is heard first, then it rings for half a minute
    where = {"type": "string", "enum": list(targets)}
    tool(transfer, "Connect the caller with somebody else. Say that you do it before you do it.", 90, target=where)
if settings["send_keys"]:
    tool(send_keys, "Press keys of the telephone.", keys={"type": "string", "pattern": "[0-9*#]+"})


async def use_tools(calls):
    """Do what the assistant wants, tell it the results, and let it go on talking."""
    session = state.sessions
    results = [(item["call_id"], await use_tool(item["name"], item["arguments"])) for item in calls]
    is_same = session == state.sessions  # a new one has never called them
    results = [(call_id, result) for call_id, result in results if result is not None and is_same]
    for call_id, result in results:
        output = {"type": "function_call_output", "call_id": call_id, "output": result}
        ws.send({"type": "conversation.item.create", "item": output})
    if results:
        ws.send({"type": "response.create"})
        wait_for_answer()
    elif is_same:
        state.is_turn_open = False


async def use_tool(name, arguments):
    console.log(f"tool {name} {arguments}")
    if name not in state.tools:
        return f"There is no tool {name!r}."
    try:
        values = {**json.loads(arguments or "{}")}
    except (ValueError, TypeError):
        return "The arguments are not a JSON object."
    _, do, seconds = state.tools[name]
    try:
        return await asyncio.wait_for(do(values), seconds)
    except TimeoutError:
        console.warn(f"tool {name} has not ended in {seconds} s")
        return "The tool took too long and was stopped."
    except Exception as error:
        console.error(f"tool {name}: {error!r}")
        return "The tool failed."


# Silence: ask once, then hang up.
@call.on("drained")
def wait_for_speech():
    if settings["idle_seconds"] and state.is_ready and not state.is_leaving:
        start_timer("idle", settings["idle_seconds"], nobody_spoke)


def nobody_spoke():
    if call.queued_ms or "answer" in state.timers:
        wait_for_speech()  # something is being said, or will be at once
    elif not state.has_asked:
        state.has_asked = True
        say("still_there")  # when it was heard, `drained` starts to count anew
    else:
        part("goodbye")


# The end
def leave():
    """From here on only our own last words are heard."""
    state.is_leaving = True
    call.stream()
    stop_timers()
    ws.close()


def part(*words):
    """Hang up when the last words were heard."""
    leave()
    for name in words:
        say(name)
    call.hangup(drain=True)


def give_up(why, words="sorry"):
    """The caller always hears something: an apology, then somebody else or a goodbye. Only the first time counts."""
    if not state.is_leaving:
        console.warn(why)
        leave()
        if not words or call.queued_ms > 15_000:  # nobody waits for a long answer to end
            call.mute()
        if words:
            say(words)
        asyncio.create_task(pass_on())


async def pass_on():
    """To the fallback; if there is none, or nobody answers there, the call ends."""
    if not fallback or not (await call.transfer(dest=fallback, drain=True)).ok:
        part("goodbye")


@call.on("hangup")
def ended(reason):
    state.is_leaving = True
    said = " | ".join(f"{who}: {text}" for who, text in state.transcript.values() if text)
    call.log(f"said: {said[-TRANSCRIPT_CHARS:]}", 6)
    ms = call.withheld_ms
    gate = f", {ms / 1000:.1f} s ({ms * BYTES_PER_MS} bytes) of silence not sent" if vad_gate else ""
    console.log(f"{time.monotonic() - state.began:.0f} s, {state.turns} turns, {reason}{gate}")


# Here it begins.
if fallback:
    call.dtmf(lambda digit: digit == "0" and give_up("the caller wants somebody else", words=""))
if secret:
    say("greeting")
    ws.connect(timeout=READY_SECONDS)
else:
    console.error("no secret openai: put one into secrets.toml, or OPENAI_API_KEY into the environment")
    give_up("nobody can answer", "no_key")
