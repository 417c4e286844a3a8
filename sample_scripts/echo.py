"""Echo: callers hear themselves, one second later. A way to judge a line before anything else is on it.

Shows: stream and play, the queue that keeps its order, digits.
"""

CODEC = "g711_ulaw"
A_SECOND_OF_SILENCE = b"\xff" * 8000  # u-law has 8 bytes a millisecond


def heard(audio):
    call.play(codec=CODEC, audio=audio)


def pressed(digit):
    if digit == "#":
        call.mute()
        call.say("Goodbye.")
        call.hangup(drain=True)


call.say("Say something, and you will hear it a second later. Press the hash key to end.")
call.play(codec=CODEC, audio=A_SECOND_OF_SILENCE)  # all that follows waits behind it
call.stream(codec=CODEC, interval=0.02, callback=heard)
call.dtmf(pressed)
