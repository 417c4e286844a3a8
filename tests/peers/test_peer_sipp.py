"""SIPp calls a node: many calls, lost packets, media, keys, registration."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from patience import PATIENCE
from peers.lab import Lab
from peers.node import ECHO, GOODBYE, KEYS, PASSWORD, TRANSFER, Node
from peers.sipp import Outcome, Sipp

StartSipp = Callable[..., Sipp]
StartNode = Callable[..., Node]


def assert_all_good(outcome: Outcome, calls: int) -> None:
    # The exit code is not asked: SIPp can crash after a clean BYE when RTP keeps coming.
    assert (outcome.successful, outcome.failed) == (calls, 0), outcome.text


def test_a_hundred_calls(node: StartNode, sipp: StartSipp) -> None:
    house = node({"700": ECHO})
    calling = sipp("uac", house.address, user="700", calls=100, arguments=["-r", "50", "-l", "100", "-d", "200"])
    assert_all_good(calling.outcome(), 100)


@pytest.mark.slow
def test_four_hundred_calls_with_every_tenth_packet_lost(node: StartNode, sipp: StartSipp) -> None:
    house = node({"700": ECHO})
    arguments = ["-r", "50", "-l", "400", "-d", "2000", "-lost", "10"]
    outcome = sipp("uac", house.address, user="700", calls=400, arguments=arguments).outcome()
    assert_all_good(outcome, 400)
    assert outcome.retransmissions > 0


def test_ten_callers_who_speak(node: StartNode, sipp: StartSipp) -> None:
    house = node({"700": ECHO})
    arguments = ["-r", "10", "-l", "10", "-d", "3000"]
    assert_all_good(sipp("uac_media", house.address, user="700", calls=10, arguments=arguments).outcome(), 10)


def test_a_caller_who_presses_keys(node: StartNode, sipp: StartSipp) -> None:
    house = node({"700": KEYS})
    calling = sipp("uac_digits", house.address, user="700", arguments=["-d", "300"])
    house.wait_for("key 5$")
    house.wait_for("key #$")
    assert_all_good(calling.outcome(), 1)
    assert house.child.text.count(": key ") == 2


def test_a_caller_who_refuses_refer_is_joined_with_the_other_node(node: StartNode, sipp: StartSipp) -> None:
    house = node({"700": TRANSFER, "701": GOODBYE}, keys={"700": 'transfer_method = "refer"'})
    calling = sipp("uac_refuses_refer", house.address, user="700", arguments=["-recv_timeout", "60000"])
    assert_all_good(calling.outcome(), 1)
    house.wait_for("transfer to 701: REFER was refused: 405 Method Not Allowed; bridged instead")
    house.wait_for("answered caller for 701")


@pytest.mark.parametrize(("password", "successful"), [(PASSWORD, 1), ("wrong", 0)])
def test_register(node: StartNode, sipp: StartSipp, password: str, successful: int) -> None:
    house = node({"700": ECHO})
    phone = sipp(
        "register",
        house.address,
        user="alice",
        keys={"domain": house.address},
        arguments=["-au", "alice", "-ap", password, "-recv_timeout", "30000" if successful else "2000"],
    )
    outcome = phone.outcome()
    assert outcome.successful == successful, outcome.text


def test_sipsak_gets_an_answer_to_options(node: StartNode, lab: Lab) -> None:
    if not shutil.which("sipsak"):
        pytest.skip("needs sipsak: apt-get install sipsak")
    house = node({"700": ECHO})
    asking = lab.start(["sipsak", "-vv", "-s", f"sip:{house.address}"])
    assert asking.wait(PATIENCE) == 0, asking.text
    assert "200" in asking.text
