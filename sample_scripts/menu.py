"""Menu: press a key, hear an answer. The plain style: functions that are called when something happens.

Shows: say, mute, digits, a timer, hangup. Settings: `hours` and `address`, the texts behind the first two keys.
"""

SETTINGS = {
    "hours": {"default": "We are open from nine to five, Monday to Friday.", "help": "What key 1 says."},
    "address": {"default": "You find us at number one, Station Road.", "help": "What key 2 says."},
    "patience_ms": {"default": 10_000, "help": "How long the caller may take to press a key."},
}

timer = 0
unanswered = 0


def ask():
    call.say("Press 1 for our opening hours, 2 for our address, or 0 to end the call.")


def wait():
    """From the end of what is said, the caller has some time to press a key."""
    global timer
    clearTimeout(timer)
    timer = setTimeout(nothing_pressed, settings["patience_ms"])


def pressed(digit):
    global unanswered
    unanswered = 0
    clearTimeout(timer)
    call.mute()  # who knows the menu need not hear it to its end
    console.log("key", digit)
    if digit == "1":
        call.say(settings["hours"])
    elif digit == "2":
        call.say(settings["address"])
    elif digit == "0":
        goodbye()
        return
    else:
        call.say("That key has no meaning here.")
    ask()


def nothing_pressed():
    global unanswered
    unanswered += 1
    if unanswered == 3:
        goodbye()
    else:
        ask()


def goodbye():
    clearTimeout(timer)
    call.dtmf(None)
    call.say("Goodbye.")
    call.hangup(drain=True)


call.dtmf(pressed)
call.on("drained", wait)
ask()
