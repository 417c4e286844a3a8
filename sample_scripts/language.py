"""Language: the caller picks a language with a key; all that follows is said in it.

Shows: one gather for several languages, a text said in each of them, call.lang. Settings: `languages`, `operator`.
"""

SETTINGS = {
    "languages": {"default": ["en", "de", "fr", "es"], "help": "Key 1 is the first of them."},
    "operator": {"default": "", "help": "The extension that takes the caller then; empty: none."},
}
PICK = {
    "en": "For English, press {key}.",
    "de": "Für Deutsch drücken Sie die {key}.",
    "fr": "Pour le français, appuyez sur {key}.",
    "es": "Para español, pulse {key}.",
}
WELCOME = {
    "en": "Welcome. From now on we speak English.",
    "de": "Willkommen. Ab jetzt sprechen wir Deutsch.",
    "fr": "Bienvenue. Désormais, nous parlons français.",
    "es": "Bienvenido. A partir de ahora hablamos español.",
}
languages = [lang for lang in settings["languages"] if lang in WELCOME]


async def choose():
    """The language that was picked, or the node's own when none was."""
    for key, lang in enumerate(languages, 1):
        call.say(text=PICK[lang].format(key=key), lang=lang)
    got = await call.gather(max_digits=1, timeout=15)  # the first key mutes what is still queued
    if got.digits in map(str, range(1, len(languages) + 1)):
        return languages[int(got.digits) - 1]
    return call.lang if call.lang in WELCOME else "en"


call.lang = await choose()
console.log("language", call.lang)
call.say(WELCOME[call.lang])
if settings["operator"]:
    await call.transfer(settings["operator"], drain=True)
