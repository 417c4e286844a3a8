"""What scripts may ask for by name: one table, filled here."""

from __future__ import annotations

from collections.abc import Mapping

from ivrnode.pbx.address_service import AddressService
from ivrnode.pbx.core import Core
from ivrnode.pbx.hook_service import HookService
from ivrnode.pbx.http_service import HttpService
from ivrnode.pbx.keys import KeyService
from ivrnode.pbx.mail_service import MailService
from ivrnode.pbx.recording_service import RecordingService
from ivrnode.pbx.sms_service import SmsService
from ivrnode.pbx.sound_source import PlayService
from ivrnode.pbx.speech_service import watch_speech
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
