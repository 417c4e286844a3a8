"""The stand-in speech service: OpenAI's Realtime protocol (GA shape) on a local WebSocket, for demo and tests.

    RealtimeServer (server)        accepts, checks the key, plays the faults of the handshake
      └─ Connection (connection)   one socket: the only file besides server that knows asyncio
           └─ Session (session)    the protocol, without IO and without a clock
                ├─ schema          what a client may send; the error that it gets otherwise
                ├─ InputAudioBuffer, Conversation, Response
                └─ Brain           what to answer: Parrot, Script, Silent

It is no AI. It hears that somebody speaks, answers in a synthetic voice, and is as strict as the real service.
"""

from ivrnode.realtime.brain import Brain
from ivrnode.realtime.server import RealtimeServer
from ivrnode.realtime.voice import ToneVoice, Voice

__all__ = ["Brain", "RealtimeServer", "ToneVoice", "Voice"]
