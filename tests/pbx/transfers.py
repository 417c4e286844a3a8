"""What a script is told of its transfer."""

from __future__ import annotations

OK = {"ok": True, "dest": "120", "code": 200, "reason": "", "method": "bridge"}


def failed(code: int, reason: str, dest: str = "120") -> dict[str, object]:
    return {"ok": False, "dest": dest, "code": code, "reason": reason, "method": "bridge"}
