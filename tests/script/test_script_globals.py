"""What a script finds without importing, and what it may import."""

from __future__ import annotations

import pytest

from ivrnode.script import messages as m
from ivrnode.script.guest.imports import ALLOWED
from script.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_base64(stage: Stage) -> None:
    script = await stage.play("""
print(fromBase64String("AP8="), toBase64String(b"\\x00\\xff"), toBase64String(bytearray(b"a")))
print(toBase64String(b"x" * 90))
for bad in ("A", "A*==", "AA=\\n"):
    try:
        fromBase64String(bad)
    except ValueError:
        print("ValueError")
""")
    assert script.lines == ["b'\\x00\\xff' AP8= YQ==", "eHh4" * 30, *["ValueError"] * 3]


async def test_settings_and_secrets(stage: Stage) -> None:
    script = await stage.play(
        """
print(settings["a"], settings.get("b", 2), dict(settings), "a" in settings, "b" in settings, len(settings))
print("Bearer " + settings.secret("crm"), secret)
for f in (lambda: settings["b"], lambda: settings.secret("x")):
    try:
        f()
    except KeyError as error:
        print(error)
try:
    settings["a"] = 1
except TypeError:
    print("read-only")
""",
        settings={"a": [1, {"x": None}]},
        secrets={"crm": "«crm»", "openai": "«openai»"},
    )
    assert script.lines == [
        "[1, {'x': None}] 2 {'a': [1, {'x': None}]} True False 1", "Bearer «crm» «openai»",
        "\"no setting 'b' for this node: set it, or give it a default in SETTINGS\"",
        "\"no secret 'x' for this node, which has crm openai\"", "read-only",
    ]  # fmt: skip


async def test_a_call_without_secrets(stage: Stage) -> None:
    script = await stage.play('print(repr(secret)); secret = "sk"; print(secret)')
    assert script.lines == ["''", "sk"]


async def test_timers(stage: Stage) -> None:
    script = stage.run("""
order = []
def tick():
    order.append("tick")
    if order.count("tick") == 3:
        clearInterval(interval)
        print(*order)
setTimeout(lambda: order.append("later"), 30)
dead = setTimeout(lambda: order.append("never"), 1)
clearTimeout(dead); clearTimeout(dead); clearTimeout(99); clearTimeout(None)
async def soon():
    order.append("soon")
    clearTimeout(used)
used = setTimeout(soon, 0)
interval = setInterval(tick, 20)
print(type(interval).__name__)
""")
    await script.until(lambda: len(script.lines) == 2)
    assert script.lines == ["int", "soon tick later tick tick"]
    await script.idle()
    assert script.all(m.Wait)[-1] == m.Wait(None, 0)


async def test_late_runs_of_an_interval_do_not_pile_up(stage: Stage) -> None:
    script = stage.run("""
import time
runs = []
def tick():
    runs.append(time.monotonic())
    if len(runs) == 1:
        end = time.monotonic() + 0.07
        while time.monotonic() < end:
            pass
    if len(runs) == 3:
        clearInterval(interval)
        print(runs[1] - runs[0] >= 0.07, runs[2] - runs[1] > 0.005)
interval = setInterval(tick, 20)
""")
    await script.until(lambda: script.lines)
    assert script.lines == ["True True"]


async def test_a_thousand_timers_and_no_more(stage: Stage) -> None:
    script = await stage.play("for _ in range(1001): setTimeout(print, 60000)")
    assert "RuntimeError: a call has 1000 timers at most" in script.failures[0]


async def test_wait_tells_the_next_timer(stage: Stage) -> None:
    script = await stage.play("setTimeout(print, 90000); setTimeout(print, 60000)")
    seconds = script.all(m.Wait)[-1].seconds
    assert seconds is not None
    assert 55 < seconds <= 60


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("setTimeout(print, -1)", "ValueError: ms must be from 0 to 86400000"),
        ("setTimeout(print, '5')", "TypeError: ms must be int or float"),
        ("setInterval(print, 19)", "ValueError: ms must be from 20 to 86400000"),
        ("setTimeout('f()', 5)", "TypeError: the handler must be a function, not str"),
        ("fromBase64String(b'AA==')", "TypeError: fromBase64String takes str, not bytes"),
        ("import os", "ImportError: a script cannot import 'os'. It may import: array asyncio base64"),
        ("from os import path", "ImportError: a script cannot import 'os'"),
        ("import urllib.request", "ImportError: a script cannot import 'urllib.request'"),
        ("from urllib import request", "ImportError: a script cannot import 'urllib'"),
        ("from . import x", "ImportError: a script cannot import"),
        ("__import__('socket')", "ImportError: a script cannot import 'socket'"),
        ("open('/etc/passwd')", "PermissionError: a script has no files"),
        ("import time; time.sleep(1)", "RuntimeError: time.sleep() would stop the whole call: write `await asyncio.sl"),
        ("asyncio.run(asyncio.sleep(0))", "RuntimeError: asyncio.run() cannot be called from a running event loop"),
        ("await asyncio.get_running_loop().run_in_executor(None, print)", "RuntimeError: a script has no threads"),
        ("await asyncio.open_connection('127.0.0.1', 80)", "RuntimeError: a script has no threads and no sockets"),
        ("input()", "RuntimeError"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
async def test_wrong_use(stage: Stage, source: str, error: str) -> None:
    script = await stage.play(source)
    assert error in script.failures[0]


async def test_every_allowed_import_works(stage: Stage) -> None:
    lines = "\n".join(f"import {name}" for name in ALLOWED)
    script = await stage.play(
        f"from __future__ import annotations\n{lines}\nimport collections.abc, html.parser\nprint(1)"
    )
    assert (script.failures, script.lines) == ([], ["1"])


async def test_the_standard_library_works_behind_the_walls(stage: Stage) -> None:
    script = await stage.play("""
import array, base64, binascii, bisect, collections, copy, csv, dataclasses, datetime, decimal, enum, fractions
import functools, hashlib, heapq, hmac, html, io, itertools, math, operator, random, re, secrets, statistics, string
import struct, textwrap, time, traceback, typing, unicodedata, urllib.parse, uuid, zlib
from urllib import parse
@dataclasses.dataclass(frozen=True)
class Order:
    number: int
    when: "datetime.date | None" = None
class Colour(enum.Enum):
    RED = 1
done = [
    array.array("h", b"ab").tolist(), base64.b64encode(b"a"), bisect.bisect([1, 2], 2), collections.Counter("aab")["a"],
    copy.deepcopy({"a": [1]}), list(csv.reader(["a,b"])), Order(1), typing.get_type_hints(Order)["number"],
    datetime.datetime.strptime("2026-01-02", "%Y-%m-%d").strftime("%A"), decimal.Decimal(1) / 3, Colour["RED"],
    datetime.datetime.now().astimezone().tzinfo is not None, time.strftime("%Y") > "2000", fractions.Fraction(1, 3),
    functools.lru_cache(int)("4"), hashlib.sha256(b"").hexdigest()[:4], hashlib.pbkdf2_hmac("sha1", b"a", b"b", 2)[:1],
    hashlib.scrypt(b"a", salt=b"b", n=2, r=8, p=1)[:1], hashlib.new("sha3_512").digest_size, hashlib.blake2b().name,
    heapq.nsmallest(1, [2, 1]), hmac.new(b"k", b"m", "sha256").hexdigest()[:4], html.unescape("&auml;"),
    io.StringIO("a").read(), io.BytesIO(b"a").read(), next(itertools.count()), math.pi, operator.add(1, 2),
    random.random() < 1, random.choice([1]), re.sub(r"\\d", "x", "a1"), len(secrets.token_hex(4)),
    statistics.mean([1, 2]),
    string.Template("$a").substitute(a=1), struct.pack("<H", 1), textwrap.fill("a b", 1), unicodedata.name("ä"),
    urllib.parse.urlsplit("https://[::1]/?q=1").hostname, parse.quote("ü"), len(str(uuid.uuid4())),
    len(str(uuid.uuid1())),
    uuid.uuid5(uuid.NAMESPACE_DNS, "a").version, zlib.decompress(zlib.compress(b"a")), "ä".encode("latin-1"),
    "ä".encode("utf-16"), "ä.de".encode("idna"), "a".encode("cp1252"), f"{1234.5:,.2f}", 10 ** 50, "\\N{BULLET}",
    json.loads('{"a": 1.5}'), eval("1 + 1"), sorted("ba"), int("7"), bytes.fromhex("ff"), time.time() > 0,
    time.perf_counter() > 0, time.process_time() >= 0, __name__, callable(print), hash("a") != 0,
]
try:
    datetime.date(2026, 2, 30)
except ValueError:
    print(traceback.format_exc().count("ivrnode.py"))
print(len(done))
""")
    assert script.failures == []
    assert script.lines == ["1", "61"]


async def test_random_numbers_differ_per_worker(stage: Stage) -> None:
    source = "import random, uuid, secrets; print(random.random(), uuid.uuid4(), secrets.token_hex(8), uuid.getnode())"
    seen = [value for _ in range(5) for value in (await stage.play(source)).lines[0].split()]
    assert len(set(seen)) == 20


async def test_asyncio_works_under_the_filter(stage: Stage) -> None:
    script = stage.run("""
async def work(n):
    await asyncio.sleep(0.001 * n)
    return n
print(await asyncio.gather(work(2), work(1)))
print(await asyncio.wait_for(work(1), 5))
try:
    await asyncio.wait_for(work(1000), 0.01)
except TimeoutError:
    print("timeout")
try:
    async with asyncio.timeout(0.01):
        await asyncio.Event().wait()
except TimeoutError:
    print("timeout")
async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(work(n)) for n in range(3)]
print([task.result() for task in tasks])
queue = asyncio.Queue()
async def feed():
    for n in range(3):
        await queue.put(n)
feeder = asyncio.create_task(feed())
print([await queue.get() for _ in range(3)])
async with asyncio.Lock(), asyncio.Semaphore(1): pass
done, pending = await asyncio.wait([asyncio.create_task(work(1))])
print(len(done), len(pending), [await task for task in asyncio.as_completed([work(1)])])
async def numbers():
    yield 1
    yield 2
print([n async for n in numbers()])
print(await asyncio.shield(work(1)), asyncio.current_task() is not None)
""")
    await script.until(lambda: len(script.lines) == 9 or script.failures)
    assert script.failures == []
    assert script.lines == [
        "[2, 1]", "1", "timeout", "timeout", "[0, 1, 2]", "[0, 1, 2]", "1 0 [1]", "[1, 2]", "1 True",
    ]  # fmt: skip


async def test_warnings_and_what_nobody_catches_are_logged(stage: Stage) -> None:
    script = await stage.play("""
async def work(): raise ValueError("lost")
work()
class Bad:
    def __del__(self): 1 / 0
Bad()
asyncio.create_task(work())
await asyncio.sleep(0)
""")
    await script.idle()
    text = "\n".join(script.lines)
    assert "RuntimeWarning: coroutine 'work' was never awaited" in text
    assert "ZeroDivisionError" in text
    assert any("ValueError: lost" in failure for failure in script.failures)


async def test_a_traceback_shows_the_lines_of_the_script_alone(stage: Stage) -> None:
    script = await stage.play("""
def greet():
    call.say(7)

try:
    greet()
except TypeError as error:
    raise ValueError("no greeting") from error
""")
    [failure] = script.failures
    assert failure.count("File ") == 3 and "guest" not in failure
    assert "call.say(7)" in failure and "text must be str" in failure and "ValueError" in failure
