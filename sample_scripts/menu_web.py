"""Web menu: a web server says what callers hear, and learns what they press. The menu lives there, not here.

Each step is a POST of {"call", "caller", "digits"} to the setting `url`; the server's answer is the next step:
{"say": "Press 1 or 2.", "digits": 1} asks for so many digits, {"say": "One moment.", "transfer": "120"} puts through,
and without either of them the call ends when all was said.

Shows: system.http with a secret header, gather, transfer. Settings: `url`. Secret: `menu`, the server's key.
"""

SETTINGS = {
    "url": {"default": "https://menu.example.com/step", "help": "The web server that knows the menu."},
    "menu": {"type": "secret", "help": "Its key, for the header X-Key."},
}


async def next_step(digits):
    """What the server wants now; an apology when it cannot be had."""
    reply = await system.http(
        url=settings["url"],
        method="POST",
        header=[{"name": "X-Key", "value": settings.secret("menu"), "secret": True}],
        body={"call": call.callid, "caller": call.caller, "digits": digits},
        timeout=5000,
        attempts=2,
    )
    try:
        if reply.code == 200:
            return dict(reply.json())
    except (ValueError, TypeError):
        pass
    console.warn("no menu:", reply.code, reply.data)
    return {"say": "I am sorry, this service is not available at the moment."}


digits = ""
while True:
    step = await next_step(digits)
    if "digits" in step:
        got = await call.gather(say=step.get("say", ""), max_digits=step["digits"])
        digits = got.digits
        continue
    call.say(step.get("say", ""))
    if "transfer" not in step:
        break
    result = await call.transfer(step["transfer"], drain=True)
    if result.ok:
        break
    digits = f"failed {result.code}"  # the caller is back: the server decides what comes now
