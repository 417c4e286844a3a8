"""The assistant: whoever calls this node talks to OpenAI Realtime (or to any service that speaks its protocol).

This script runs once for every call, from its first line to its last; after that its handlers do the work:

    caller ──> call.stream ──> caller_spoke   ──> ws.send ──> the service
    caller <── call.play   <── answer_sounded <── message <── the service

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
    "instructions": {
        "default": "You are a friendly assistant on the telephone. Be brief: one or two sentences at a time, without "
        "lists, symbols or web addresses. Ask one question at a time, and ask again when you did not understand. Say "
        "that you are an AI when somebody wants to know. When the caller says goodbye, say goodbye too and call "
        "hang_up. Begin in the language with the code {lang}, and follow the caller into any other.",
        "help": "What the assistant is and does; {lang} becomes the language of the call.",
    },
    "targets": {"default": {}, "help": 'Where the assistant may transfer to, such as {"sales": "120"}.'},
    "send_keys": {"default": False, "help": "Whether the assistant may press keys, for a machine at the far end."},
    "fallback": {"default": "", "help": "The extension that takes the call when the assistant cannot."},
    "codec": {
        "default": "g711_ulaw",
        "choices": ["g711_ulaw", "g711_alaw", "pcm16"],
        "help": "The sound to and from the service; the first two need no conversion on most lines.",
    },
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
        "it": "Buongiorno, sono un assistente virtuale. Come posso aiutarla?",
    }},
    "retry": {"type": "str | dict", "help": "When one turn went wrong.", "default": {
        "en": "Sorry, that did not work. Please say it again.",
        "de": "Entschuldigung, das hat nicht geklappt. Bitte sagen Sie es noch einmal.",
        "fr": "Désolé, cela n'a pas marché. Répétez, s'il vous plaît.",
        "es": "Perdone, no ha funcionado. Repítalo, por favor.",
        "it": "Mi scusi, non ha funzionato. Lo ripeta, per favore.",
    }},
    "still_there": {"type": "str | dict", "help": "When the caller has been silent for idle_seconds.", "default": {
        "en": "Are you still there?",
        "de": "Sind Sie noch da?",
        "fr": "Vous êtes toujours là ?",
        "es": "¿Sigue usted ahí?",
        "it": "È ancora in linea?",
    }},
    "goodbye": {"type": "str | dict", "help": "The last words before we hang up.", "default": {
        "en": "Goodbye.",
        "de": "Auf Wiederhören.",
        "fr": "Au revoir.",
        "es": "Adiós.",
        "it": "Arrivederci.",
    }},
    "sorry": {"type": "str | dict", "help": "When we have to give up.", "default": {
        "en": "I am sorry, I cannot go on at the moment.",
        "de": "Es tut mir leid, ich kann im Moment nicht weitermachen.",
        "fr": "Je suis désolé, je ne peux pas continuer pour le moment.",
        "es": "Lo siento, ahora mismo no puedo continuar.",
        "it": "Mi dispiace, al momento non posso continuare.",
    }},
    "no_key": {"type": "str | dict", "help": "When there is no key for the service.", "default": {
        "en": "I am sorry, this assistant has no key for its speech service yet.",
        "de": "Es tut mir leid, dieser Assistent hat noch keinen Schlüssel für seinen Sprachdienst.",
        "fr": "Je suis désolé, cet assistant n'a pas encore de clé pour son service vocal.",
        "es": "Lo siento, este asistente aún no tiene clave para su servicio de voz.",
        "it": "Mi dispiace, questo assistente non ha ancora una chiave per il suo servizio vocale.",
    }},
}  # fmt: skip

targets = settings["targets"]
fallback = settings["fallback"]
codec = settings["codec"]
silence_ms = settings["silence_ms"]
vad_gate = settings["vad_gate"]
idle_seconds = settings["idle_seconds"]

# The script API's codecs in the words of the protocol, and how many bytes of each are a millisecond.
FORMATS = {
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
    "pcm16": {"type": "audio/pcm", "rate": 24000},
}
BYTES_PER_MS = 48 if codec == "pcm16" else 8

READY_SECONDS = 10  # the service must be ready for us
ANSWER_SECONDS = 15  # an answer must have begun
TOOL_SECONDS = 10  # a tool must have done its work
EXPIRY_SECONDS = 30  # we take a new session so long before the service ends the old one
SHORTEST_SESSION_SECONDS = 5  # no new session after one that was over so soon
CONTEXT_LINES = 20  # of what was said, so much goes into a new session
TRANSCRIPT_LINES = 100  # so much of it is kept
TRANSCRIPT_CHARS = 4000  # and so much goes into the log when the call is over
LONGEST_REST_MS = 15_000  # so much of an answer may still be heard before an apology

SESSION_OVER = 1001  # the service's close code when a session has reached its limit
# With these errors no later turn can work. All others cost one turn at most.
FATAL_ERRORS = ("invalid_api_key", "beta_api_shape_disabled")


class State:
    """What a call remembers."""

    is_ready = False  # the service has taken our settings: sound may flow
    ready_at = 0.0
    is_renewing = False  # the old session is being closed, for a new one
    is_leaving = False  # the last words are being said: nothing that comes in counts any more
    is_turn_open = False  # somebody speaks, or the answer is not complete
    has_answered = False  # the current response has sound
    has_asked = False  # whether the silent caller is still there
    failures = 0  # turns in a row without an answer
    sessions = 0
    turns = 0


state = State()
began = time.monotonic()
received = {}  # an answer that may still be heard: its item's id -> ms of sound that came
cut = set()  # items that the caller has interrupted: no more of them is played
transcript = {}  # what was said, in order: its item's id -> (who, text)
timers = {}
handlers = {}  # the type of a message -> who deals with it


# Words


def say(name):
    """Say one of the texts in the caller's language, else in English. Does not wait until it was heard."""
    own = settings[name]
    if isinstance(own, str):
        return call.say(own)
    texts = {**SETTINGS[name]["default"], **own}
    lang = call.lang if call.lang in texts else "en"
    return call.say(text=texts[lang], lang=lang)


# Time


def start_timer(name, seconds, then):
    stop_timer(name)
    timers[name] = setTimeout(then, int(seconds * 1000))


def stop_timer(name):
    clearTimeout(timers.pop(name, 0))


# The service: it sends messages, each with a type. What has no handler here is ignored.


def on(*types):
    """`@on("some.type")` makes a function the handler of these messages."""

    def add(handler):
        for type in types:
            handlers[type] = handler
        return handler

    return add


def message(data):
    event = json.loads(data)
    handler = handlers.get(event.get("type"))
    if handler and ws.state == "open" and not state.is_leaving:
        handler(event)


def opened():
    start_timer("ready", READY_SECONDS, not_ready)


def not_ready():
    console.warn(f"the service is not ready after {READY_SECONDS} s")
    give_up()


def failed(text):
    console.warn(f"speech service: {text}")


def closed(code, reason):
    if not state.is_renewing and not state.is_leaving:
        console.warn(f"the speech service has closed the connection: {code} {reason}")
        if state.is_ready and code == SESSION_OVER:
            renew()
        else:
            give_up()
    if state.is_renewing:
        state.is_renewing = False
        ws.connect(timeout=READY_SECONDS)


@on("session.created")
def session_created(event):
    ws.send(
        {
            "type": "session.update",
            "session": {
                "type": "realtime",
                "instructions": settings["instructions"].replace("{lang}", call.lang),
                "output_modalities": ["audio"],
                "max_output_tokens": 4096,
                "tool_choice": "auto",
                "tools": [about for about, _, _ in tools.values()],
                "audio": {
                    "input": {
                        "format": FORMATS[codec],
                        "transcription": {"model": settings["transcription_model"], "language": call.lang},
                        # All values, always: the service's own defaults are not those that it documents.
                        "turn_detection": {
                            "type": "server_vad",
                            "threshold": 0.5,
                            "prefix_padding_ms": 300,
                            "silence_duration_ms": silence_ms,
                            "create_response": True,
                            "interrupt_response": True,
                        },
                    },
                    "output": {"format": FORMATS[codec], "voice": settings["voice"]},
                },
            },
        }
    )
    left = (event["session"].get("expires_at") or 0) - time.time()
    if 0 < left < 86_400:
        start_timer("expiry", max(left / 2, left - EXPIRY_SECONDS), session_expires)


@on("session.updated")
def session_updated(event):
    if state.is_ready:
        return
    state.is_ready = True
    state.ready_at = time.monotonic()
    state.sessions += 1
    stop_timer("ready")
    if state.sessions > 1:
        go_on()
    start_stream()
    wait_for_speech()


@on("error")
def error_came(event):
    error = event["error"]
    console.warn(f"speech service: {error.get('code')}: {error.get('message')}")
    if error.get("code") == "beta_api_shape_disabled":
        console.error("something on the way adds the header OpenAI-Beta, which the service takes no more")
    if error.get("code") == "session_expired" and state.is_ready:
        renew()
    elif not state.is_ready or error.get("code") in FATAL_ERRORS:
        give_up()


# A session has a limit, a call has none: a new session takes over and is told what was said. Of that the caller hears
# nothing, or at most that he should say it again.


def session_expires():
    if state.is_turn_open:
        start_timer("expiry", 1, session_expires)  # not in the middle of a word
    else:
        renew()


def renew():
    """Close the old session; when it is closed the new one begins."""
    if state.is_renewing or state.is_leaving:
        return
    if time.monotonic() - state.ready_at < SHORTEST_SESSION_SECONDS:
        give_up()
        return
    console.log("the session is over, a new one takes its place")
    state.is_renewing, state.is_ready = True, False
    call.stream()
    for name in list(timers):
        stop_timer(name)
    received.clear()  # the new session knows nothing of the old one's items
    start_timer("ready", READY_SECONDS, not_ready)
    ws.close()


def go_on():
    """Tell the new session what was said. A turn that has got no answer is answered, or asked for again."""
    said = [(who, text) for who, text in transcript.values() if text]
    for who, text in said[-CONTEXT_LINES:]:
        role, kind = ("user", "input_text") if who == "caller" else ("assistant", "output_text")
        item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
        ws.send({"type": "conversation.item.create", "item": item})
    is_unanswered = state.is_turn_open and not state.has_answered
    state.is_turn_open = False
    if is_unanswered and said and said[-1][0] == "caller":
        ws.send({"type": "response.create"})
        wait_for_answer()
    elif is_unanswered:
        say("retry")


def remember(item, who, text=""):
    """Who said what. An item keeps its place, whenever its text comes: before or after the answer to it."""
    text = text.strip()
    transcript[item] = (who, text)
    if len(transcript) > TRANSCRIPT_LINES:
        del transcript[next(iter(transcript))]
    if text:
        call.log(f"{who}: {text}", 6)


# The caller's turn


def start_stream():
    # The service ends a turn by the silence that it receives: it must get more of it than that takes.
    vad = {"hang_over": max(0.8, silence_ms / 1000 + 0.1)} if vad_gate else False
    call.stream(codec=codec, interval=settings["interval"], callback=caller_spoke, vad=vad)


def caller_spoke(audio):
    ws.send({"type": "input_audio_buffer.append", "audio": toBase64String(audio)})


@on("input_audio_buffer.speech_started")
def speech_started(event):
    call.mute()  # first of all: nobody likes to be talked over
    stop_timer("answer")
    stop_timer("idle")
    state.has_asked = state.has_answered = False
    state.is_turn_open = True
    tell_what_was_heard()
    cut.update(received)
    received.clear()


def tell_what_was_heard():
    """The service was seconds ahead of our line: it must forget what the caller has not heard of its answer."""
    for item in reversed(received):
        played = call.played_ms(item)
        if played:
            if played < int(received[item]):
                heard = {"item_id": item, "content_index": 0, "audio_end_ms": played}
                ws.send({"type": "conversation.item.truncate", **heard})
            return  # what came before it was heard in full


@on("input_audio_buffer.speech_stopped")
def speech_stopped(event):
    state.turns += 1
    wait_for_answer()
    wait_for_speech()


def wait_for_answer():
    start_timer("answer", ANSWER_SECONDS, lambda: turn_failed(f"no answer in {ANSWER_SECONDS} s"))


@on("input_audio_buffer.committed")
def turn_committed(event):
    remember(event["item_id"], "caller")


@on("conversation.item.input_audio_transcription.completed")
def caller_transcribed(event):
    remember(event["item_id"], "caller", event.get("transcript") or "")


# The answer


@on("response.created")
def response_created(event):
    state.has_answered = False
    state.is_turn_open = True


@on("response.output_item.added")
def item_added(event):
    if event["item"]["type"] == "message":
        received.setdefault(event["item"]["id"], 0)
        remember(event["item"]["id"], "assistant")


@on("response.output_audio.delta", "response.audio.delta")
def answer_sounded(event):
    item = event["item_id"]
    if item in cut:
        return
    if not state.has_answered:
        state.has_answered = True
        state.failures = 0
        stop_timer("answer")
        stop_timer("idle")
    audio = fromBase64String(event["delta"])
    received[item] = received.get(item, 0) + len(audio) / BYTES_PER_MS
    call.play(codec=codec, audio=audio, tag=item)


@on("response.output_audio_transcript.done", "response.audio_transcript.done")
def answer_transcribed(event):
    remember(event["item_id"], "assistant", event.get("transcript") or "")


@on("response.done")
def response_done(event):
    response = event["response"]
    if response["status"] == "cancelled":
        return  # the caller has interrupted it, it is his turn
    calls = [item for item in response.get("output") or [] if item["type"] == "function_call"]
    state.is_turn_open = bool(calls)
    if response["status"] == "failed":
        turn_failed((response.get("status_details") or {}).get("error"))
    elif calls and response["status"] == "completed":
        asyncio.create_task(use_tools(calls))


def turn_failed(why):
    console.warn(f"no answer to turn {state.turns}: {why}")
    stop_timer("answer")
    state.is_turn_open = False
    state.failures += 1
    if state.failures == 1:
        say("retry")
    else:
        give_up()


# Tools: what the assistant can do besides talking. A tool gets a dict and returns what the assistant is told,
# or None when there is nothing more to talk about. What is not done in `seconds` is stopped.


async def hang_up(arguments):
    leave()
    if not state.has_answered:
        say("goodbye")
    call.hangup(drain=True)


async def transfer(arguments):
    target = arguments.get("target")
    if target not in targets:
        return f"There is no target {target!r}, only: {', '.join(targets)}."
    state.is_leaving = True
    call.stream()
    stop_timer("answer")
    stop_timer("idle")
    result = await call.transfer(dest=targets[target], drain=True)
    if result.ok:
        return None
    state.is_leaving = False  # the caller is back with us
    if ws.state != "open":
        give_up()
        return None
    start_stream()
    wait_for_speech()
    return f"The transfer to {target} did not work: {result.reason}."


def tool(do, description, seconds=TOOL_SECONDS, **arguments):
    """Offer `do` to the assistant. Each argument is a JSON schema."""
    parameters = {"type": "object", "properties": arguments, "required": list(arguments)}
    about = {"type": "function", "name": do.__name__, "description": description, "parameters": parameters}
    tools[do.__name__] = (about, do, seconds)


async def send_keys(arguments):
    call.press(arguments.get("keys"))
    return "The keys were pressed."


tools = {}
tool(hang_up, "End the call, after both sides have said goodbye.")
if targets:
    tool(
        transfer,
        "Connect the caller with somebody else. Say that you do it before you do it.",
        seconds=90,  # what was said before it is heard first, then it rings for half a minute
        target={"type": "string", "enum": list(targets)},
    )
if settings["send_keys"]:
    tool(send_keys, "Press keys of the telephone.", keys={"type": "string", "pattern": "[0-9*#]+"})


async def use_tools(calls):
    """Do what the assistant wants, tell it the results, and let it go on talking."""
    session, has_results = state.sessions, False
    for item in calls:
        result = await use_tool(item["name"], item["arguments"])
        if result is not None and session == state.sessions:  # a newer one has never called it
            has_results = True
            output = {"type": "function_call_output", "call_id": item["call_id"], "output": result}
            ws.send({"type": "conversation.item.create", "item": output})
    if has_results:
        ws.send({"type": "response.create"})
    else:
        state.is_turn_open = False


async def use_tool(name, arguments):
    if name not in tools:
        return f"There is no tool {name!r}."
    try:
        values = json.loads(arguments or "{}")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return "The arguments are not a JSON object."
    console.log(f"tool {name} {arguments}")
    _, do, seconds = tools[name]
    try:
        return await asyncio.wait_for(do(values), seconds)
    except TimeoutError:
        console.warn(f"tool {name} has not ended in {seconds} s")
        return "The tool took too long and was stopped."
    except Exception as error:
        console.error(f"tool {name}: {error!r}")
        return "The tool failed."


# Silence: ask once, then hang up.


def wait_for_speech():
    if idle_seconds and state.is_ready and not state.is_leaving:
        start_timer("idle", idle_seconds, nobody_spoke)


def nobody_spoke():
    if call.queued_ms or "answer" in timers:
        wait_for_speech()  # something is being said, or will be at once
    elif not state.has_asked:
        state.has_asked = True
        say("still_there")  # when it was heard, `drained` starts to count anew
    else:
        leave()
        say("goodbye")
        call.hangup(drain=True)


# The end


def leave():
    """From here on only our own last words are heard."""
    state.is_leaving = True
    call.stream()
    for name in list(timers):
        stop_timer(name)
    ws.close()


def give_up(name="sorry"):
    """The caller always hears something: an apology, then somebody else or a goodbye. Only the first time counts."""
    if state.is_leaving:
        return
    leave()
    if call.queued_ms > LONGEST_REST_MS:
        call.mute()
    say(name)
    if fallback:
        asyncio.create_task(transfer_to_fallback())
    else:
        say("goodbye")
        call.hangup(drain=True)


async def transfer_to_fallback():
    result = await call.transfer(dest=fallback, drain=True)
    if not result.ok:
        say("goodbye")
        call.hangup(drain=True)


def key_pressed(digit):
    if digit == "0" and not state.is_leaving:
        leave()
        call.mute()
        asyncio.create_task(transfer_to_fallback())


def ended(reason):
    state.is_leaving = True
    said = " | ".join(f"{who}: {text}" for who, text in transcript.values() if text)
    call.log(f"said: {said[-TRANSCRIPT_CHARS:]}", 6)
    saved = call.withheld_ms
    gate = f", {saved / 1000:.1f} s ({saved * BYTES_PER_MS} bytes) of silence not sent" if vad_gate else ""
    console.log(f"{time.monotonic() - began:.0f} s, {state.turns} turns, {reason}{gate}")


# Here it begins.

url = settings["url"]
ws = Websocket(url + ("&" if "?" in url else "?") + "model=" + settings["model"])
ws.header([{"name": "Authorization", "value": f"Bearer {secret}", "secret": True}])
ws.on("open", opened)
ws.on("message", message)
ws.on("error", failed)
ws.on("close", closed)

call.on("hangup", ended)
call.on("drained", wait_for_speech)
if fallback:
    call.dtmf(key_pressed)

if secret:
    say("greeting")
    ws.connect(timeout=READY_SECONDS)
else:
    console.error("no secret openai: put one into secrets.toml, or OPENAI_API_KEY into the environment")
    give_up("no_key")
