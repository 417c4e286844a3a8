"""What speech is made of: sentences, turns, the cache."""

import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.net.speech.cache import Sentence, SpeechCache
from ivrnode.net.speech.engine import Pico
from ivrnode.net.speech.queue import FairQueue
from ivrnode.net.speech.text import MAX_PIECE, sentences


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello.", ["Hello."]),
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ("Wait... Now.", ["Wait...", "Now."]),
        ('He said "Go!" Then left.', ['He said "Go!"', "Then left."]),
        ("It costs 3.50 at example.com today.", ["It costs 3.50 at example.com today."]),
        ("Dr. Smith is in, z. B. am 3. Mai.", ["Dr. Smith is in, z. B. am 3. Mai."]),
        ("The code is 1234. Thanks.", ["The code is 1234.", "Thanks."]),
        ("One\nTwo\r\n\r\nThree", ["One", "Two", "Three"]),
        ("a\x00b\x1bc\td", ["a b c d"]),
        ("Hello. -- ! ... World", ["Hello.", "World"]),
        ("  ", []),
        ("?!", []),
        ("\ud800x", ["?x"]),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert sentences(text) == pieces


def test_a_long_sentence_is_cut_where_one_breathes() -> None:
    clause = "and this goes on and on and on without an end in sight, "
    pieces = sentences(clause * 12)
    assert all(len(piece) <= MAX_PIECE and piece.endswith(",") for piece in pieces)
    assert " ".join(pieces) == (clause * 12).strip()


@given(st.text(max_size=1500) | st.text("ab .,;!?\"'", max_size=1500))
def test_nothing_sayable_is_lost_and_no_piece_is_too_long(text: str) -> None:
    pieces = sentences(text)
    assert all(0 < len(piece) <= MAX_PIECE for piece in pieces)
    kept = [character for character in text if character.isalnum()]
    assert [character for piece in pieces for character in piece if character.isalnum()] == kept


@pytest.mark.parametrize("part", [".", ". ", "a. ", "!\"'", "aaaaaaaaaaaa. ", "x", "x, "])
def test_twice_the_text_costs_about_twice_the_time(part: str) -> None:
    def cost(size: int) -> float:
        started = time.process_time()
        sentences(part * size)
        return time.process_time() - started

    # Eight times the text: linear is 8, quadratic 64.
    assert min(cost(16000) for _ in range(5)) < 30 * max(min(cost(2000) for _ in range(5)), 1e-4)


@pytest.mark.parametrize(
    ("lang", "voice", "chosen"),
    [
        ("de", "", "de-DE"),
        ("en", "", "en-US"),
        ("en-gb", "", "en-GB"),
        ("en_AU", "", "en-US"),
        ("FR", "", "fr-FR"),
        ("en", "en-GB", "en-GB"),
        ("ja", "", None),
        ("", "", None),
        ("e", "", None),
    ],
)
def test_which_voice_speaks(lang: str, voice: str, chosen: str | None) -> None:
    assert Pico().voice_for(lang, voice) == chosen


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "take", "drop", "back"])), max_size=80))
def test_tenants_take_turns_and_keep_their_own_order(steps: list[tuple[str, str]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(limit=5)
    waiting: dict[str, list[tuple[str, int]]] = {"a": [], "b": [], "c": []}
    passed_over: Counter[str] = Counter()
    for number, (tenant, step) in enumerate(steps):
        if step == "put":
            job = (tenant, number)
            assert queue.put(tenant, job) == (len(waiting[tenant]) < 5)
            if len(waiting[tenant]) < 5:
                waiting[tenant].append(job)
        elif step == "drop":
            job = waiting[tenant].pop() if waiting[tenant] else (tenant, -1)
            queue.drop(tenant, job)
        else:
            taken = queue.take()
            if taken is None:
                assert not any(waiting.values())
                continue
            assert waiting[taken[0]].pop(0) == taken
            if step == "back":
                queue.put_first(taken[0], taken)
                assert queue.take() == taken
            # Nobody is passed over more often than there are others before him.
            passed_over[taken[0]] = 0
            for other, jobs in waiting.items():
                if other != taken[0]:
                    passed_over[other] = passed_over[other] + 1 if jobs else 0
                    assert passed_over[other] <= 2
        assert len(queue) == sum(map(len, waiting.values()))


def sentence(number: int) -> Sentence:
    return Sentence("pico", "en-US", 16000, f"Number {number}.")


async def test_memory_is_bounded_and_forgets_the_oldest_use() -> None:
    cache = SpeechCache(None, 0, memory_bytes=300)
    for number in range(3):
        cache.put(sentence(number), bytes(100))
    assert cache.recall(sentence(0))
    cache.put(sentence(3), bytes(100))
    assert [bool(cache.recall(sentence(number))) for number in range(4)] == [True, False, True, True]
    cache.put(sentence(4), bytes(301))
    assert [bool(cache.recall(sentence(number))) for number in range(5)] == [False] * 5


async def test_disk_is_bounded_and_forgets_the_oldest_use(tmp_path: Path) -> None:
    cache = SpeechCache(tmp_path / "speech", 300)
    await cache.open()
    for number in (0, 1, 2, 0, 3):
        cache.put(sentence(number), bytes(100))
        await cache.get(sentence(number))
    kept = {file.name for file in (tmp_path / "speech").iterdir()}
    assert kept == {sentence(number).file_name for number in (2, 0, 3)}
    assert (tmp_path / "speech").stat().st_mode & 0o077 == 0


async def test_a_damaged_file_is_a_miss(tmp_path: Path) -> None:
    first = SpeechCache(tmp_path, 10_000)
    await first.open()
    first.put(sentence(1), b"\1\2" * 50)
    await first.get(sentence(1))
    (tmp_path / "left.part").touch()
    again = SpeechCache(tmp_path, 10_000)
    await again.open()
    assert await again.get(sentence(1)) == b"\1\2" * 50
    assert not (tmp_path / "left.part").exists()
    (tmp_path / sentence(1).file_name).write_bytes(b"RIFF")
    damaged = SpeechCache(tmp_path, 10_000)
    await damaged.open()
    assert await damaged.get(sentence(1)) is None
    damaged.put(sentence(1), b"\3\4" * 50)
    assert await damaged.get(sentence(1)) == b"\3\4" * 50
    assert len((tmp_path / sentence(1).file_name).read_bytes()) == 144


async def test_a_disk_that_fails_costs_no_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = SpeechCache(tmp_path / "file", 10_000)
    await cache.open()
    cache.put(sentence(1), bytes(100))
    assert await cache.get(sentence(1)) == bytes(100)
    assert await cache.get(sentence(1)) == bytes(100)
