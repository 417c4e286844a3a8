"""What scripts may ask for by name: one table, filled here."""

from __future__ import annotations

from collections.abc import Mapping

from ivrnode.pbx.core import Core
from ivrnode.pbx.services.address_book import AddressService
from ivrnode.pbx.services.email import MailService
from ivrnode.pbx.services.hooks import HookService
from ivrnode.pbx.services.http import HttpService
from ivrnode.pbx.services.keys import KeyService
from ivrnode.pbx.services.play import PlayService
from ivrnode.pbx.services.record import RecordingService
from ivrnode.pbx.services.sms import SmsService
from ivrnode.pbx.services.speech import watch_speech
from ivrnode.tenancy.gateways import MailServer, SmsGateway
from ivrnode.tenancy.secrets import Secret


def offer_services(
    core: Core,
    mail: MailServer = MailServer(),  # noqa: B008 - frozen
    sms: SmsGateway = SmsGateway(),  # noqa: B008
    secrets: Mapping[str, Secret] | None = None,
) -> HookService:
    """Put every service into `core.services`. `secrets`: the system's, for the gateway. What gets web requests."""
    http = HttpService(core.house)
    core.services["http"] = http
    core.on_gone.append(http.forget)
    book = AddressService(core.house)
    core.services["adrbook"] = book
    core.on_gone.append(book.forget)
    hooks = HookService(core.house)
    core.services |= hooks.services
    core.on_gone.append(hooks.forget)
    core.services["email"] = MailService(core.house, mail)
    core.services["sms"] = SmsService(core.house, sms, secrets or {})
    core.services["play"] = PlayService(core.house)
    core.services |= RecordingService(core.house).services
    core.services["speech"] = watch_speech
    core.services["press"] = KeyService(core.house)
    return hooks
