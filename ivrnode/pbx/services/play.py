"""`call.play` with a url: where the sound comes from, and whether the script may have it.

prompt:NAME     a file of the node or its tenant
https://...     a web server, under the rules of every web request
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ivrnode.errors import ScriptError
from ivrnode.pbx.call.call import APOLOGY, Call
from ivrnode.pbx.house.house import House
from ivrnode.pbx.house.http_messages import HttpRequest
from ivrnode.pbx.house.prompt import PREFIX, Prompt
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script.messages import Request

LONGEST_FILE = 10 * 1024 * 1024
_LONGEST_URL = 2048
_MOST_TAG = 255


@dataclass(frozen=True, slots=True)
class PlayService:
    """The service `play`. It has no answer: what comes of it is the item's end, as with every other sound."""

    house: House

    def __call__(self, call: Call, request: Request, now: float) -> None:
        try:
            given = Arguments(request.arguments)
            item = int(given.number("item", 0, 1, APOLOGY - 1))
            url, tag = given.line("url", most=_LONGEST_URL), given.text("tag", "", most=_MOST_TAG)
            is_background = given.flag("background")
        except ScriptError as error:
            call.reply(request.request, error=f"call.play: {error}")
            return
        if not call.expect(item, tag, is_background, now):
            return
        try:
            source = self._source(call, url, now)
        except ScriptError as error:
            call.sound.speech_failed(item, str(error))
            return
        call.write("APP", 6, f"plays {url}")
        self.house.effects.load(call.id, item, source)

    def _source(self, call: Call, url: str, now: float) -> Prompt | HttpRequest:
        if url.startswith(PREFIX):
            return Prompt(call.tenant, call.node.extension, url.removeprefix(PREFIX))
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            host = ""
        if not url.startswith("https://") or not host or "\\" in url:
            raise ScriptError(f"{url[:60]!r} is neither https://HOST/... nor {PREFIX}NAME")
        if refusal := self.house.quotas.take(call.tenant, "requests", 1, now):
            raise ScriptError(refusal)
        return HttpRequest("GET", call.secrets.fill_url(url), longest=LONGEST_FILE)
