"""`call.dial`: the caller talks with somebody else, and is back with the script when that one hangs up."""

from __future__ import annotations

from typing import Any

from ivrnode.pbx.connect.connection import Connection
from ivrnode.script.messages import Told
from ivrnode.tenancy.tenant import Account


class Dial(Connection):
    def begin(self, account: Account, now: float) -> None:
        self.call.company.connection = self
        self.call.write("APP", 4, f"dials {self.dest}")
        self._ring(account, now)

    def hangup(self, now: float) -> None:
        """The script wants its caller back."""
        if self._bridge is not None:
            self._bridge.hangup(now)
            self._party_left("script", now)
        else:
            self.fail(487, "the script hung up", now)

    def call_ended(self, reason: str, now: float) -> None:
        super().call_ended(reason, now)
        if self._bridge is not None:
            self._tell_end(reason)

    def _connected(self, now: float) -> None:
        self._answer(200, "", now)

    def _party_left(self, reason: str, now: float) -> None:
        self.call.write("APP", 4, f"{self.dest} left: {reason}")
        self.call.take_back(now)
        self._tell_end(reason)

    def _tell_end(self, reason: str) -> None:
        self.call.tell(Told(self.request, "end", {"reason": reason}))

    def _result(self, status: int, reason: str) -> dict[str, Any]:
        return {"ok": status == 200, "code": status, "reason": reason}
