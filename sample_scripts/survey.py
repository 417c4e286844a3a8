"""Survey: some questions, answered with keys from 1 to 5; the answers go to a web server, also of a caller who leaves.

Shows: gather in a loop, asking again, a hangup handler that works in the grace after the call.
Settings: `questions`, `post_to`.
"""

SETTINGS = {
    "questions": {
        "default": {
            "service": "How content were you with our service?",
            "speed": "How content were you with our speed?",
            "return": "How likely are you to come back?",
        },
        "help": "A short name for each question, and its words.",
    },
    "post_to": {"default": "https://survey.example.com/answers", "help": "The web server that gets the answers."},
    "tries": {"default": 2, "help": "How often a question is asked before it is left out."},
}

answers = {}


async def ask(question):
    """1 to 5, or None."""
    for _ in range(settings["tries"]):
        got = await call.gather(say=question + " Press a key from 1 for not at all to 5 for very.", max_digits=1)
        if got.digits in ("1", "2", "3", "4", "5"):
            return int(got.digits)
        call.say("Sorry, I did not get that.")
    return None


async def deliver(reason):
    questions = settings["questions"]
    body = {"caller": call.caller, "answers": answers, "is_complete": len(answers) == len(questions)}
    reply = await system.http(url=settings["post_to"], method="POST", body=body, attempts=2)
    console.log("delivered" if reply.code in (200, 201, 204) else f"not delivered: {reply.code}")


call.on("hangup", deliver)
call.say("Thank you for taking part in our survey.")
for name, question in settings["questions"].items():
    answer = await ask(question)
    if answer is not None:
        answers[name] = answer
call.say("These were all questions. Thank you, and goodbye.")
