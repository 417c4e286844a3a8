"""Connects callers with somebody else: the services `transfer` and `dial`, `accept` and `reject`; a node's fallback."""

from __future__ import annotations

from ivrnode.errors import ScriptError
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.pbx.call.call import Call, Service
from ivrnode.pbx.call.incoming_call import State
from ivrnode.pbx.connect.announcement import Announcement
from ivrnode.pbx.connect.dial import Dial
from ivrnode.pbx.connect.node_dial import NodeDial
from ivrnode.pbx.connect.switchboard import Switchboard
from ivrnode.pbx.connect.transfer import Transfer
from ivrnode.pbx.house.quotas import Quotas
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script import ops
from ivrnode.script.messages import Request
from ivrnode.tenancy.tenant import Account, IvrNode

RING_SECONDS = 30.0
MOST_NODES = 10
"""That one caller is handed to, one after the other: two nodes could do it for ever."""


class ConnectService:
    def __init__(self, board: Switchboard, quotas: Quotas) -> None:
        self._board, self._quotas = board, quotas
        self.services: dict[str, Service] = {
            "transfer": self._transfer,
            "dial": self._dial,
            "dial.hangup": self._hang_up_dial,
            "accept": self._accept,
            "reject": self._reject,
        }

    def fall_back(self, call: Call, now: float) -> bool:
        """The script cannot go on: send its caller to the node's fallback. False: there is none, or it may not be."""
        dest = call.node.fallback
        if not dest:
            return False
        try:
            found = self._find(call, dest, "transfers", now)
        except RefusedError as refused:
            call.write("APP", 2, f"fallback {dest}: {refused.reason}")
            return False
        Transfer(self._board, call, 0, dest, RING_SECONDS).begin(found, now, is_drained=False)
        return True

    def _transfer(self, call: Call, request: Request, now: float) -> None:
        dest = ""
        try:
            arguments = Arguments(request.arguments)
            dest = arguments.line("dest", most=ops.MAX_NUMBER)
            is_drained = arguments.flag("drain")
            timeout = arguments.number("timeout", RING_SECONDS, ops.LEAST_RING, ops.MOST_RING)
            found = self._find(call, dest, "transfers", now)
        except ScriptError as error:
            call.reply(request.request, error=f"transfer: {error}")
        except RefusedError as refused:
            call.write("SCRIPT", 2, f"transfer to {dest}: {refused.reason}")
            answer = {"ok": False, "dest": dest, "code": refused.status, "reason": refused.reason, "method": "bridge"}
            call.reply(request.request, answer)
        else:
            Transfer(self._board, call, request.request, dest, timeout).begin(found, now, is_drained=is_drained)

    def _dial(self, call: Call, request: Request, now: float) -> None:
        dest = ""
        try:
            arguments = Arguments(request.arguments)
            dest = arguments.line("dest", most=ops.MAX_NUMBER)
            timeout = arguments.number("timeout", RING_SECONDS, ops.LEAST_RING, ops.MOST_RING)
            params = request.arguments.get("params", {})
            if not isinstance(params, dict):
                raise ScriptError("params must be a table")
            found = self._find(call, dest, "dials", now)
            if isinstance(found, IvrNode):
                assignment = self._board.lend(call, found, params)
        except ScriptError as error:
            call.reply(request.request, error=f"dial: {error}")
        except RefusedError as refused:
            call.write("SCRIPT", 2, f"dial {dest}: {refused.reason}")
            call.reply(request.request, {"ok": False, "code": refused.status, "reason": refused.reason})
        else:
            if isinstance(found, IvrNode):
                NodeDial(self._board, call, request.request, dest, timeout).lend(assignment, now)
            elif params.get("ivraction"):
                Announcement(self._board, call, request.request, dest, timeout, params).begin(found, now)
            else:
                for key in params.keys() - {"timeout", "cobj", "ivraction"}:
                    call.write(
                        "SCRIPT", 4, f"dial {dest}: {key!r:.40} is ignored: a phone without ivraction reads none"
                    )
                Dial(self._board, call, request.request, dest, timeout).begin(found, now)

    def _hang_up_dial(self, call: Call, request: Request, now: float) -> None:
        number = request.arguments.get("dial")
        dial = call.company.announcements.get(number) if isinstance(number, int) else None
        if dial is not None:
            dial.hangup(now)
        elif isinstance(call.company.connection, Dial) and call.company.connection.request == number:
            call.company.connection.hangup(now)

    def _accept(self, call: Call, request: Request, now: float) -> None:
        if call.company.host is None:
            call.reply(request.request, error="accept: this leg was not dialled, or its caller is gone")
        else:
            call.company.host.accept(call, now)

    def _reject(self, call: Call, request: Request, now: float) -> None:
        try:
            reason = Arguments(request.arguments).line("reason", "", most=ops.MAX_REASON)
        except ScriptError as error:
            call.reply(request.request, error=f"reject: {error}")
            return
        if call.company.host is None:
            call.reply(request.request, error="reject: this leg was not dialled, or its caller is gone")
        else:
            call.company.host.reject(call, reason, now)

    def _find(self, call: Call, dest: str, what: str, now: float) -> IvrNode | Account:
        """Raises RefusedError."""
        if call.state is not State.ANSWERED:
            raise RefusedError(0, "the call is over")
        if call.company.connection is not None:
            raise RefusedError(491, "the caller is being connected already")
        found = self._board.directory.find(call.tenant, call.node, dest)
        if isinstance(found, IvrNode) and call.assignment.hops >= MOST_NODES:
            raise RefusedError(483, f"{MOST_NODES} nodes in one call are the most")
        if refusal := self._quotas.take(call.tenant, what, 1, now, call.id):
            raise RefusedError(0, refusal)
        return found
