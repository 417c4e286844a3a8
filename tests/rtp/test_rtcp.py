import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ProtocolError
from ivrnode.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    parse_compound,
)

WORDS = st.integers(0, 0xFFFFFFFF)
BLOCKS = st.builds(
    ReportBlock,
    ssrc=WORDS,
    fraction_lost=st.integers(0, 255),
    packets_lost=st.integers(-0x800000, 0x7FFFFF),
    highest_sequence=WORDS,
    jitter=WORDS,
    last_sender_report=WORDS,
    delay=WORDS,
)
SOME_BLOCKS = st.lists(BLOCKS, max_size=3).map(tuple)
REPORTS = st.one_of(
    st.builds(SenderReport, WORDS, st.integers(0, 2**64 - 1), WORDS, WORDS, WORDS, SOME_BLOCKS),
    st.builds(ReceiverReport, WORDS, SOME_BLOCKS),
    st.builds(SourceDescription, WORDS, st.text(max_size=60)),
    st.builds(Goodbye, st.lists(WORDS, max_size=3).map(tuple)),
)


@given(st.lists(REPORTS, min_size=1, max_size=4))
def test_what_is_written_is_parsed(reports: list[SenderReport]) -> None:
    data = compound(*reports)
    assert len(data) % 4 == 0
    assert parse_compound(data) == reports


@given(st.binary(max_size=120))
def test_garbage_is_a_protocol_error(data: bytes) -> None:
    try:
        reports = parse_compound(data)
    except ProtocolError:
        return
    assert reports


@given(st.lists(REPORTS, min_size=1, max_size=2), st.integers(1, 30))
def test_a_compound_cut_off_is_a_protocol_error(reports: list[SenderReport], cut: int) -> None:
    data = compound(*reports)
    if cut % 4:
        with pytest.raises(ProtocolError):
            parse_compound(data[:-cut])


def test_lost_packets_are_clamped_to_24_bits() -> None:
    block = ReportBlock(1, 0, 2**30, 0, 0)
    (report,) = parse_compound(bytes(ReceiverReport(7, (block,))))
    assert isinstance(report, ReceiverReport)
    assert report.blocks[0].packets_lost == 0x7FFFFF
