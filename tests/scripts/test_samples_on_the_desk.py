"""Sample scripts with a virtual caller: whole calls on the desk, on simulated time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ivrnode.testing import Ivr

SAMPLES = Path(__file__).parents[2] / "sample_scripts"
GREETING = "Welcome to Example Limited. Who would you like to speak to?"
TO_SALES = {"turn": 1, "say": "One moment.", "call": "transfer", "arguments": {"name": "sales"}}


def bodies(ivr: Ivr) -> list[Any]:
    """What was posted, in order."""
    return [json.loads(request.body) for request in ivr.requests]


def test_attendant_puts_the_caller_through(ivr: Ivr) -> None:
    ivr.service([TO_SALES])
    sales = ivr.phone("120")
    caller = ivr.call(SAMPLES / "attendant.py")
    assert caller.hears(GREETING)
    caller.says("I would like to buy something.")
    assert caller.hears("One moment.")
    caller.waits(2)
    assert sales.is_up and "wants sales" in caller.log
    caller.hangs_up()


def test_attendant_goes_on_when_nobody_answers(ivr: Ivr) -> None:
    ivr.service([{"output": "Busy", "say": "Sales is busy."}, {"output": ".", "say": "Nobody is there."}, TO_SALES])
    ivr.phone("120", answers=486)
    caller = ivr.call(SAMPLES / "attendant.py")
    caller.says("Sales, please.")
    assert caller.hears("One moment.")
    assert caller.hears("Sales is busy.") or caller.hears("Nobody is there.")
    assert caller.hung_up is None


def test_attendant_apologises_for_a_service_that_is_not_there(ivr: Ivr) -> None:
    ivr.service(faults=["refuse"])
    caller = ivr.call(SAMPLES / "attendant.py")
    assert caller.hears("I am sorry, our operator is not there.")
    caller.waits(5)
    assert caller.hung_up == "script"


def test_web_menu_lets_the_server_decide(ivr: Ivr) -> None:
    url = "https://menu.example.com/step"
    sales = ivr.phone("120")
    ivr.http(url, {"say": "Press 1 for sales.", "digits": 1}, method="POST")
    caller = ivr.call(SAMPLES / "menu_web.py", secrets={"menu": "key-of-the-menu"}, number="0301234567")
    assert caller.hears("Press 1 for sales.")
    ivr.http(url, {"say": "One moment.", "transfer": "120"}, method="POST")
    caller.presses("1")
    assert caller.hears("One moment.")
    caller.waits(2)
    assert sales.is_up
    assert [body["digits"] for body in bodies(ivr)] == ["", "1"] and bodies(ivr)[0]["caller"] == "0301234567"
    assert ("X-Key", "key-of-the-menu", True) in ivr.requests[0].headers


def test_web_menu_tells_the_server_of_a_transfer_that_failed(ivr: Ivr) -> None:
    ivr.phone("120", answers=486)
    url = "https://menu.example.com/step"
    ivr.http(url, {"say": "One moment.", "transfer": "120"}, method="POST")
    caller = ivr.call(SAMPLES / "menu_web.py", secrets={"menu": "x"})
    assert caller.hears("One moment.")
    ivr.http(url, {"say": "All lines are busy."}, method="POST")
    assert caller.hears("All lines are busy.")
    caller.waits(5)
    assert bodies(ivr)[-1]["digits"] == "failed 486" and caller.hung_up == "finished"


@pytest.mark.parametrize("answer", [("no JSON", 200), ("{}", 503), ("[1]", 200)])
def test_web_menu_apologises_for_its_server(ivr: Ivr, answer: tuple[str, int]) -> None:
    ivr.http("https://menu.example.com/step", answer[0], code=answer[1], method="POST")
    caller = ivr.call(SAMPLES / "menu_web.py", secrets={"menu": "x"})
    assert caller.hears("I am sorry, this service is not available at the moment.")
    caller.waits(5)
    assert caller.hung_up == "finished" and not caller.errors


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("1", "Welcome. From now on we speak English."),
        ("2", "Willkommen. Ab jetzt sprechen wir Deutsch."),
        ("4", "Bienvenido. A partir de ahora hablamos español."),
        ("9", "Welcome. From now on we speak English."),
    ],
)
def test_language_goes_on_in_the_one_that_was_picked(ivr: Ivr, key: str, words: str) -> None:
    caller = ivr.call(SAMPLES / "language.py")
    assert caller.hears("For English, press 1.")
    caller.presses(key)
    assert caller.hears(words)
    caller.waits(6)
    assert caller.hung_up == "finished"


def test_language_is_the_nodes_own_without_a_key(ivr: Ivr) -> None:
    caller = ivr.call(SAMPLES / "language.py", lang="de", settings={"languages": ["en", "de"]})
    assert caller.hears("Für Deutsch drücken Sie die 2.")
    assert caller.hears("Willkommen. Ab jetzt sprechen wir Deutsch.", within=20)


SURVEY = {"questions": {"service": "Was it good?", "return": "Will you come back?"}}
POSTED = "https://survey.example.com/answers"


def test_survey_posts_all_answers(ivr: Ivr) -> None:
    ivr.http(POSTED, code=204, method="POST")
    caller = ivr.call(SAMPLES / "survey.py", settings=SURVEY)
    assert caller.hears("Was it good? Press a key from 1 for not at all to 5 for very.")
    caller.presses("4")
    assert caller.hears("Will you come back?")
    caller.presses("7")
    assert caller.hears("Sorry, I did not get that. Will you come back?")
    caller.presses("5")
    assert caller.hears("These were all questions. Thank you, and goodbye.")
    caller.waits(6)
    assert caller.hung_up == "finished" and "delivered" in caller.log
    assert bodies(ivr) == [{"caller": "0301234567", "answers": {"service": 4, "return": 5}, "is_complete": True}]


def test_survey_posts_what_it_has_when_the_caller_leaves(ivr: Ivr) -> None:
    ivr.http(POSTED, code=503, method="POST")
    caller = ivr.call(SAMPLES / "survey.py", settings=SURVEY)
    assert caller.hears("Was it good?")
    caller.presses("2")
    assert caller.hears("Will you come back?")
    caller.hangs_up()
    caller.waits(4)
    assert bodies(ivr)[0] == {"caller": "0301234567", "answers": {"service": 2}, "is_complete": False}
    assert "not delivered: 503" in caller.log
