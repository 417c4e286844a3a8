"""A real phone calls a node: every codec, both transports, keys, registration, both ways to hang up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from peers.baresip import Baresip
from peers.conftest import TONE
from peers.node import ECHO, GOODBYE, KEYS, PASSWORD, Node
from sound import steady_level

MakePhone = Callable[..., Baresip]
StartNode = Callable[[dict[str, str]], Node]


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722"])
def test_the_phone_hears_its_own_tone_again(node: StartNode, baresip: MakePhone, codec: str) -> None:
    house = node({"700": ECHO})
    phone = baresip(codec=codec)
    phone.dial(house.uri("700"))
    phone.wait_for("CALL_ESTABLISHED")
    phone.hear(1.5)
    phone.hang_up()
    phone.wait_for("CALL_CLOSED")
    said = steady_level(phone.said(), TONE, phone.rate)
    heard = steady_level(phone.heard(), TONE, phone.rate)
    assert said > 8000
    assert heard == pytest.approx(said, rel=0.15)


def test_a_call_over_tcp(node: StartNode, baresip: MakePhone) -> None:
    house = node({"700": ECHO})
    phone = baresip()
    phone.dial(house.uri("700", ";transport=tcp"))
    phone.wait_for("CALL_ESTABLISHED")
    phone.hear(1)
    phone.hang_up()
    phone.wait_for("CALL_CLOSED")


def test_the_script_sees_each_key_once(node: StartNode, baresip: MakePhone) -> None:
    house = node({"700": KEYS})
    phone = baresip()
    phone.dial(house.uri("700"))
    phone.wait_for("CALL_ESTABLISHED")
    for digit in "15#":
        phone.press(digit)
        house.wait_for(f"key {digit}$")
    phone.hang_up()
    phone.wait_for("CALL_CLOSED")
    assert house.child.text.count(": key ") == 3


def test_the_script_hangs_up(node: StartNode, baresip: MakePhone) -> None:
    house = node({"700": GOODBYE})
    phone = baresip()
    phone.dial(house.uri("700"))
    phone.wait_for("CALL_ESTABLISHED")
    phone.wait_for("CALL_CLOSED")


def account(house: Node, password: str, regint: int) -> dict[str, str]:
    """How a phone is told to be alice."""
    parameters = f';auth_user=alice;auth_pass={password};outbound="sip:{house.address}";regint={regint}'
    return {"domain": house.address, "account": parameters}


def test_the_phone_registers(node: StartNode, baresip: MakePhone) -> None:
    phone = baresip(**account(node({"700": ECHO}), PASSWORD, 60))
    phone.wait_until_registered()


def test_a_wrong_password_does_not_register(node: StartNode, baresip: MakePhone) -> None:
    phone = baresip(**account(node({"700": ECHO}), "wrong", 60))
    phone.child.wait_for(r"40[13] ")
    assert "[1 binding]" not in phone.child.text


def test_an_extension_that_is_not_there(node: StartNode, baresip: MakePhone) -> None:
    house = node({"700": ECHO})
    phone = baresip(**account(house, PASSWORD, 0))
    phone.dial(house.uri("799"))
    assert "404" in phone.wait_for("CALL_CLOSED")["param"]


def test_a_stranger_is_not_told_which_extensions_there_are(node: StartNode, baresip: MakePhone) -> None:
    house = node({"700": ECHO})
    phone = baresip()
    for extension in ("799", "alice"):
        phone.dial(house.uri(extension))
        assert "401" in phone.wait_for("CALL_CLOSED")["param"]
