"""The kit by itself: the peers call each other. What fails here is the kit's or the peers' fault, not the house's."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ivrnode.audio.g711 import ULAW_SILENCE
from patience import PATIENCE
from peers.baresip import Baresip
from peers.conftest import TONE
from peers.lab import Lab
from peers.sipp import Sipp
from sound import steady_level

MakePhone = Callable[..., Baresip]
StartSipp = Callable[..., Sipp]


def test_a_socket_inside_hears_what_is_sent_inside(lab: Lab) -> None:
    with lab.open_socket(socket.SOCK_DGRAM) as one, lab.open_socket(socket.SOCK_DGRAM) as other:
        one.bind((lab.address, 0))
        one.settimeout(PATIENCE)
        other.sendto(ULAW_SILENCE, one.getsockname())
        assert one.recv(10) == ULAW_SILENCE


def test_the_same_port_is_free_in_two_labs(lab: Lab) -> None:
    other = Lab()
    try:
        with lab.open_socket() as here, other.open_socket() as there:
            here.bind((lab.address, 5060))
            there.bind((other.address, 5060))
    finally:
        other.close()


def test_baresip_calls_sipp_and_hears_its_echo(baresip: MakePhone, sipp: StartSipp) -> None:
    answering = sipp("uas_echo", arguments=["-rtp_echo"])
    phone = baresip()
    phone.dial(f"sip:700@{answering.address}")
    phone.wait_for("CALL_ESTABLISHED")
    phone.wait_for("CALL_RTPESTAB")
    phone.hear(1.5)
    phone.hang_up()
    phone.wait_for("CALL_CLOSED")
    outcome = answering.outcome()
    assert (outcome.successful, outcome.failed) == (1, 0), outcome.text
    assert steady_level(phone.said(), TONE, phone.rate) > 8000
    assert steady_level(phone.heard(), TONE, phone.rate) > 8000


def test_sipp_calls_baresip_and_is_heard(baresip: MakePhone, sipp: StartSipp) -> None:
    phone = baresip(account=";regint=0;answermode=auto")
    calling = sipp("uac_media", phone.address, user="alice", arguments=["-d", "2000"])
    phone.wait_for("CALL_ESTABLISHED")
    phone.wait_for("CALL_CLOSED")
    outcome = calling.outcome()
    assert (outcome.code, outcome.successful, outcome.failed) == (0, 1, 0), outcome.text
    assert steady_level(phone.heard(), TONE, phone.rate) > 8000


def test_sipp_presses_keys_that_baresip_understands(baresip: MakePhone, sipp: StartSipp) -> None:
    phone = baresip(account=";regint=0;answermode=auto")
    calling = sipp("uac_digits", phone.address, user="alice", arguments=["-d", "300"])
    assert [phone.wait_for("CALL_DTMF_START")["param"] for _ in range(2)] == ["5", "#"]
    outcome = calling.outcome()
    assert (outcome.successful, outcome.failed) == (1, 0), outcome.text


def test_baresip_registers_with_sipp(baresip: MakePhone, sipp: StartSipp) -> None:
    registrar = sipp("registrar")
    phone = baresip(
        domain="lab",
        account=f';auth_user=alice;auth_pass=secret;outbound="sip:{registrar.address}";regint=3600',
    )
    phone.wait_until_registered()
    outcome = registrar.outcome()
    assert (outcome.successful, outcome.failed) == (1, 0), outcome.text


def test_sipp_registers_with_sipp(sipp: StartSipp) -> None:
    registrar = sipp("registrar")
    phone = sipp(
        "register",
        registrar.address,
        user="alice",
        keys={"domain": "lab"},
        arguments=["-au", "alice", "-ap", "secret"],
    )
    assert phone.outcome().code == 0, phone.child.text
    assert registrar.outcome().successful == 1


def test_a_wrong_password_is_a_failed_call(sipp: StartSipp) -> None:
    registrar = sipp("registrar")
    phone = sipp(
        "register",
        registrar.address,
        user="alice",
        keys={"domain": "lab"},
        arguments=["-au", "alice", "-ap", "wrong", "-recv_timeout", "1000"],
    )
    assert phone.outcome().successful == 0
