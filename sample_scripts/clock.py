"""Clock: tells the time, again with every key. The async style: one story from top to bottom, with `await` in it.

Shows: await a playback, a queue of digits, a timeout, two languages. Setting: `utc_offset`, hours east of Greenwich.
"""

import datetime

SETTINGS = {
    "utc_offset": {"type": "float", "default": 0, "help": "Hours east of Greenwich."},
    "patience": {"type": "float", "default": 5, "help": "Seconds that the caller may take to press a key."},
}
TEXTS = {
    "en": {
        "time": "It is {hour}:{minute:02}.",
        "again": "Press any key to hear the time again.",
        "goodbye": "Goodbye.",
    },
    "de": {
        "time": "Es ist {hour} Uhr {minute}.",
        "again": "Drücken Sie eine Taste, um die Zeit noch einmal zu hören.",
        "goodbye": "Auf Wiederhören.",
    },
}
lang = call.lang if call.lang in TEXTS else "en"
texts = TEXTS[lang]
zone = datetime.timezone(datetime.timedelta(hours=settings["utc_offset"]))
keys = asyncio.Queue()
call.dtmf(keys.put_nowait)


def say(text):
    return call.say(text=text, lang=lang)


while True:
    now = datetime.datetime.now(zone)
    await say(texts["time"].format(hour=now.hour, minute=now.minute))
    await say(texts["again"])
    try:
        await asyncio.wait_for(keys.get(), settings["patience"])
    except TimeoutError:
        break

await say(texts["goodbye"])
call.hangup()
