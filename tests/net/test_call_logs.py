"""The log of each call: complete while it is short, bounded when it is not, found by the beginning of an id."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.log import Entry, Log
from ivrnode.net import call_logs
from ivrnode.net.call_logs import CallLogs, call_log_operations

AT = 1_795_000_000.0


def texts(logs: CallLogs, call: str) -> list[str]:
    return [entry["text"] for entry in logs.entries(call)]


def test_each_call_has_its_own_entries_with_their_times() -> None:
    times = itertools.count(AT)
    logs = CallLogs(lambda: next(times))
    log = Log()
    log.add_sink(logs)
    log.write("SCRIPT", 5, "one", tenant="a.example", call="aaaa1")
    log.write("SIP", 4, "of nobody")
    log.write("WEBCLIENT", 9, "too fine", call="aaaa1")
    log.write("WEBCLIENT", 3, "other", call="bbbb1")
    log.write("APP", 4, "two", call="aaaa1")
    entries = list(logs.entries("aaaa1"))
    assert [entry["text"] for entry in entries] == ["one", "two"]
    assert (entries[0]["tenant"], entries[0]["call"], entries[0]["level"]) == ("a.example", "aaaa1", 5)
    assert entries[0]["time"] < entries[1]["time"]
    assert [entry["text"] for entry in logs.entries("aaaa1", ["APP", "SIP"])] == ["two"]


def test_an_id_may_be_abbreviated() -> None:
    logs = CallLogs()
    for call in ("abcd1", "abcd2", "abce1", "abcd"):
        logs(Entry("APP", 4, call, call=call))
    assert texts(logs, "abce") == ["abce1"]
    assert texts(logs, "abcd") == ["abcd"]  # in full
    assert texts(logs, "abcd1") == ["abcd1"]
    with pytest.raises(ValueError, match="nothing is known of a call abc:"):  # too short
        texts(logs, "abc")
    logs = CallLogs()
    for call in ("abcd1", "abcd2"):
        logs(Entry("APP", 4, call, call=call))
    with pytest.raises(ValueError, match="2 calls begin with abcd"):
        texts(logs, "abcd")
    with pytest.raises(ValueError, match="nothing is known of a call ffff"):
        texts(logs, "ffff")


def test_a_call_that_talks_too_much_loses_its_oldest_entries() -> None:
    logs = CallLogs(lambda: AT)
    for number in range(200):
        logs(Entry("SCRIPT", 5, f"{number:03}" + "x" * 10_000, tenant="a.example", call="aaaa"))
    first, *rest = logs.entries("aaaa")
    dropped = 200 - len(rest)
    assert 90 < dropped < 110
    assert (first["text"], first["call"]) == (f"{dropped} entries before this are no longer there", "aaaa")
    assert rest[0]["text"].startswith(f"{dropped:03}") and rest[-1]["text"].startswith("199")


def test_the_calls_that_were_silent_for_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_logs, "MOST_CALLS", 3)
    logs = CallLogs()
    for call in ("aaaa", "bbbb", "cccc", "aaaa", "dddd"):
        logs(Entry("APP", 4, "x", call=call))
    assert texts(logs, "aaaa") == ["x", "x"]
    with pytest.raises(ValueError, match="nothing is known"):
        texts(logs, "bbbb")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=60))
def test_it_never_holds_more_than_it_may(entries: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call_logs, "MOST_OF_ALL", 10_000)
        patch.setattr(call_logs, "MOST_OF_A_CALL", 4_000)
        logs = CallLogs()
        for call, length in entries:
            logs(Entry("APP", 4, "x" * length, call=f"call{call}"))
        sizes = [sum(call_logs._size(entry) for _, entry in record.entries) for record in logs._records.values()]
        assert sum(sizes) == logs._size <= 10_000
        assert [record.size for record in logs._records.values()] == sizes
        assert all(size <= 4_000 for size in sizes)
        if entries:
            assert texts(logs, f"call{entries[-1][0]}")[-1] == "x" * entries[-1][1]


async def test_the_operation() -> None:
    logs = CallLogs()
    logs(Entry("APP", 4, "x", call="aaaa"))
    operation = call_log_operations(logs)["call.log"]
    assert [entry["text"] async for entry in operation(id="aaaa")] == ["x"]
    with pytest.raises(ValueError, match="unknown log category 'SIPS'"):
        [entry async for entry in operation(id="aaaa", categories=["SIPS"])]
