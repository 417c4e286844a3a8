import dataclasses
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.media import messages
from ivrnode.media.messages import Audio, Command, Connect, Event, LoadReport, Mute, Play, Recorded
from ivrnode.net.media.frames import PIECE, Decoder, Message, encode

NUMBERS = st.integers(-(2**63), 2**63 - 1)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "int": NUMBERS,
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "str": st.text(max_size=20),
    "bytes": st.binary(max_size=100),
    "Address": st.tuples(st.text(max_size=20), st.integers(0, 65535)),
    "Address | None": st.none() | st.tuples(st.text(max_size=20), st.integers(0, 65535)),
    "int | None": st.none() | NUMBERS,
}
KINDS = (*typing.get_args(Command), *typing.get_args(Event), LoadReport)


def any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    values = {field.name: FIELDS[str(field.type)] for field in dataclasses.fields(kind)}
    if kind is Audio:
        values["stream"] = st.integers(0, 2**32 - 1)
    if kind is Play:
        values["rate"] = st.integers(0, 2**32 - 1)
    return st.builds(kind, **values)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_message_crosses_as_it_is(kind: type[Any]) -> None:
    @given(any_of(kind))
    def check(message: Message) -> None:
        assert Decoder().feed(encode(message)) == [message]

    check()


@given(st.lists(st.one_of(any_of(Audio), any_of(Recorded), any_of(Play), any_of(Connect)), max_size=8), st.data())
def test_the_stream_may_be_cut_anywhere(sent: list[Message], data: st.DataObject) -> None:
    stream = b"".join(map(encode, sent))
    decoder = Decoder()
    received: list[Message] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += decoder.feed(stream[:size])
        stream = stream[size:]
    assert received == sent


def test_much_sound_goes_in_pieces_so_that_no_turn_is_held_up() -> None:
    audio = bytes(number % 256 for number in range(3 * PIECE + 1))
    for is_last in (True, False):
        pieces = Decoder().feed(encode(Play(1, 2, "pcm16", 24000, audio, is_last, "tag")))
        assert [piece.is_last for piece in pieces if isinstance(piece, Play)] == [False] * 3 + [is_last]
        assert b"".join(piece.audio for piece in pieces if isinstance(piece, Play)) == audio


def test_what_does_not_fit_is_a_value_error() -> None:
    for message in (Play(1, 2**70, "pcm16", 8000, b""), Mute(2**70, 1), messages.Fail(1, 1, "\ud800")):
        with pytest.raises(ValueError):
            encode(message)
