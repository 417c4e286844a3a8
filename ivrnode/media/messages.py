"""What crosses the border between calls and packets: commands in, events out. Plain data, no behaviour.

A *leg* is one RTP session with one far end, named by an int that the core chooses. An *item* is one piece of
sound to be heard (one `call.say`, one `call.play`), named by an int that is unique in its leg.

Codec names are the script API's: `g711_ulaw`, `g711_alaw` (8000 Hz), `pcm16` (signed 16 bit little endian mono at
`rate`). Wire codecs carry their RTP names: `PCMU`, `PCMA`, `G722` (RFC 3551).
"""

from __future__ import annotations

from ivrnode.record import record

Address = tuple[str, int]


# Commands: the core asks.


@record
class Open:
    """Bind an RTP and RTCP port pair on `host` for a new leg. Answered by `Opened` or `OpenFailed`."""

    leg: int
    host: str


@record
class Connect:
    """What offer and answer agreed on; may come again after a re-INVITE. Playout may begin after it.

    `remote` is the SDP address (None while unknown): sent to until the first valid packet, then that one's source is.
    `direction` is ours: sendrecv, sendonly, recvonly or inactive. `digit_payload_type` None: no telephone-event.
    `remote_rtcp` None: the port above (RFC 3605).
    """

    leg: int
    remote: Address | None
    codec: str
    payload_type: int
    digit_payload_type: int | None = None
    direction: str = "sendrecv"
    remote_rtcp: Address | None = None


@record
class Start:
    """Playout may begin now. Comes with the ACK; the engine then waits for the first RTP packet, 300 ms at most."""

    leg: int


@record
class Play:
    """Append audio to an item; the first Play of an unknown item takes its place at the queue's end.

    `is_last` closes the item: it is done when all of its audio was sent. An item without is_last holds the queue
    (a `say` that is still being spoken). What does not fit in 300 s ends the item with error `queue full`.
    `is_background`: not in the queue but behind it, in the one place there is. It begins when the queue is empty, ends
    (stopped) when the queue is heard again, and gives way to a newer one.
    """

    leg: int
    item: int
    codec: str
    rate: int
    audio: bytes
    is_last: bool = True
    tag: str = ""
    is_background: bool = False


@record
class Fail:
    """The item cannot be completed (speech failed): what is queued plays out, then it is done with `error`."""

    leg: int
    item: int
    error: str


@record
class Mute:
    """Drop all queued sound, and what plays behind it, from the next frame on. Answered by `Answer`: milliseconds
    dropped."""

    leg: int
    request: int


@record
class StopItem:
    """Drop one item. Answered by `Answer`: milliseconds dropped (0 if it is done or unknown)."""

    leg: int
    item: int
    request: int


@record
class Ask:
    """Answered by `Answer`. `what`: `tag` = ms sent of all items with tag `key`; `item` = ms sent of item `key`;
    `item_queued` = ms of item `key` not yet sent; `queued` = ms not yet sent of all but the background."""

    leg: int
    what: str
    key: str
    request: int


@record
class Stream:
    """Hand over what the far end says as `Audio` every `interval_ms` (20 to 1000). codec "" stops: the last partial
    chunk is delivered at once.

    `hang_over_ms` above 0: chunks without speech are held back, but for those within `hang_over_ms` after it and, when
    speech begins again, those of the last `pre_roll_ms`. `Withheld` tells how much it was when the stream stops.
    `stream` is a number for it, 0 to 2**32 - 1, that each of its `Audio` carries.
    """

    leg: int
    codec: str
    rate: int = 8000
    interval_ms: int = 60
    pre_roll_ms: int = 0
    hang_over_ms: int = 0
    stream: int = 0


@record
class Watch:
    """Emit `Speech` when the far end starts and stops to speak."""

    leg: int
    is_on: bool


@record
class HearKeys:
    """Emit `Digit` also for keys that the far end sends as tones, until `Clear` or `Close`."""

    leg: int


@record
class Record:
    """Emit `Recorded` about every 100 ms: both directions by one clock, pcm16 at 8000 Hz. Off: once more, the last."""

    leg: int
    is_on: bool


@record
class SendDigits:
    """Send keys as telephone-event (RFC 4733), 100 ms each with 100 ms between; they replace audio while they last."""

    leg: int
    digits: str


@record
class Ring:
    """The far end hears the ringing tone instead of the playout, which stands still; the stream gets silence, a
    recording what is heard and said. `Bridge` or `Unbridge` ends it."""

    leg: int


@record
class Bridge:
    """The far ends of two legs hear each other. Playouts stand still; streams get silence, recordings what the two say;
    keys still come as `Digit`. Ended by `Unbridge` or `Close` of either. Nothing, when `other` is not open."""

    leg: int
    other: int


@record
class Unbridge:
    """The far end hears the playout again, and so does that of the leg it was bridged with."""

    leg: int


@record
class Join:
    """Open `leg` without ports, a guest at the far end of `host`: what is played on `leg` is heard there, streams and
    recordings of `leg` hear it. The playout of `host` stands still, its streams get silence, its recordings both. Keys
    come as those of `host`; `Ring`, `Bridge`, `Unbridge` and `SendDigits` of a guest are done to `host`. Of several the
    last one has the far end. Ended by `Close` of either. Nothing, when `host` is not open."""

    leg: int
    host: int


@record
class Clear:
    """The leg gets another user: stream, recording and what is queued end as with `Close`, then `Cleared`; items and
    tags are counted anew. A bridge stays, and the recording, too, when it is to be kept."""

    leg: int
    keeps_recording: bool = False


@record
class Close:
    """End the leg: the stream's last partial chunk, `ItemDone` (stopped) for what is queued, RTCP BYE, `Closed`."""

    leg: int


Command = (
    Open
    | Connect
    | Start
    | Play
    | Fail
    | Mute
    | StopItem
    | Ask
    | Stream
    | Watch
    | HearKeys
    | Record
    | SendDigits
    | Ring
    | Bridge
    | Unbridge
    | Join
    | Clear
    | Close
)


# Events: the engine tells.


@record
class Opened:
    leg: int
    address: Address


@record
class OpenFailed:
    leg: int
    error: str


@record
class Audio:
    """One chunk of the stream `stream`, in its codec, exactly interval-sized but for the last."""

    leg: int
    audio: bytes
    stream: int = 0


@record
class Recorded:
    """`is_last`: the recording was stopped; what is left of it, maybe nothing."""

    leg: int
    heard: bytes
    said: bytes
    is_last: bool = False


@record
class Speech:
    """The far end speaks, or has been quiet for `quiet_ms`."""

    leg: int
    is_speech: bool
    quiet_ms: int = 0


@record
class Withheld:
    """A stream with a gate has stopped: so much of what was heard was not handed over, in ms and in bytes of the
    stream's codec."""

    leg: int
    ms: int
    bytes: int


@record
class Digit:
    leg: int
    digit: str


@record
class ItemDone:
    """`played_ms`: source audio really sent, rounded down. `is_stopped`: ended early. `error`: "" or why."""

    leg: int
    item: int
    played_ms: int
    is_stopped: bool = False
    error: str = ""


@record
class Drained:
    """The queue ran empty by playing, not by mute."""

    leg: int


@record
class FirstPacket:
    """The first valid RTP packet of the leg came in."""

    leg: int


@record
class FirstAudio:
    """Diagnostics of a turn: the first frame with sound went out after the queue had been empty."""

    leg: int


@record
class NoRtp:
    """Nothing has come in for `seconds` (10, then every further 10) while the direction lets the far end send."""

    leg: int
    seconds: int


@record
class Answer:
    leg: int
    request: int
    value: int


@record
class Statistics:
    """Totals of a leg, sent with `Closed` just before it. Jitter in ms (RFC 3550 s6.4.1), loss in packets.

    `packets_garbage`: what came to its ports and was no packet of its far end."""

    leg: int
    packets_sent: int
    packets_received: int
    packets_lost: int
    packets_late: int
    concealed: int
    jitter_ms: float
    remote_jitter_ms: float
    remote_lost: int
    packets_garbage: int = 0


@record
class Cleared:
    leg: int


@record
class Closed:
    leg: int


Event = (
    Opened
    | OpenFailed
    | Audio
    | Recorded
    | Speech
    | Withheld
    | Digit
    | ItemDone
    | Drained
    | FirstPacket
    | FirstAudio
    | NoRtp
    | Answer
    | Statistics
    | Cleared
    | Closed
)


# Not of a leg, and so no Event: how well the engine keeps time.


@record
class LoadReport:
    """Every 5 s while a leg is open, and when the last one closes: about the time since the one before.

    `late_*_ms`: how long after its time a turn of the wheel began. `skipped_frames`: frames of 20 ms that no packet
    was sent for, because the turn came too late. `garbage`: packets dropped, of all legs.
    """

    legs: int
    turns: int
    skipped_frames: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    garbage: int
