"""`ivrnode check`: find what is wrong before a caller does."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config

if TYPE_CHECKING:
    from ivrnode.config import Config
    from ivrnode.tenancy.templates import Template
    from ivrnode.tenancy.tenant import IvrNode, Tenant

GOOD, NOTE, WRONG = "ok", "note", "WRONG"
Finding = tuple[str, str]
"""One of the marks above, and what was found."""


@click.command()
@with_config
def check(config: Config) -> None:
    """Check the configuration, every tenant, every template, and the walls around scripts. Status 1 if one is bad."""
    click.echo("ok     configuration")
    wrong = 0
    for mark, text in (*_secrets(config), *_tenants(config), *_walls()):
        click.echo(f"{mark:6} {text}", err=mark == WRONG)
        wrong += mark == WRONG
    if wrong:
        raise click.ClickException(f"{wrong} to put right")


def _secrets(config: Config) -> Iterator[Finding]:
    names = ", ".join(sorted(config.secrets))
    yield GOOD, f"secrets of the system: {names or 'none'}"


def _tenants(config: Config) -> Iterator[Finding]:
    from ivrnode.log import Log
    from ivrnode.script.guest.imports import ALLOWED
    from ivrnode.tenancy.routing import route
    from ivrnode.tenancy.secrets import secrets_of
    from ivrnode.tenancy.store import TenantStore
    from ivrnode.tenancy.templates import Templates

    store, templates = TenantStore(config.tenants, Log()), Templates(config.tenants, ALLOWED)
    store.refresh()
    for error in store.errors.values():
        yield WRONG, str(error)
    if not store.tenants and not store.errors:
        yield WRONG, f"no tenant in {config.tenants}: `ivrnode init` writes a first one"
    for tenant in store.tenants.values():
        yield GOOD, f"tenant {tenant.domain}"
        for node in tenant.nodes.values():
            template = templates.find(tenant.domain, node.extension)
            where = f"{node.extension}@{tenant.domain}: {template.tier} template"
            yield WRONG if template.error else GOOD, f"{where} {template.error or template.path}"
            yield from _script(f"{node.extension}@{tenant.domain}", config, template, node)
            known = secrets_of(config.secrets, tenant.secrets, None)
            if node.fallback and route(tenant, node.fallback) is None:
                yield WRONG, f"{node.extension}@{tenant.domain}: nobody has the number of its fallback, {node.fallback}"
            for name in sorted(set(node.secrets or ()) - known.keys()):
                yield WRONG, f"{node.extension}@{tenant.domain}: {_missing_secret(name, known, tenant)}"
            for problem in _voices({**config.speech.voices, **node.voices}, node.language):
                yield NOTE, f"{node.extension}@{tenant.domain}: {problem}"


def _missing_secret(name: str, known: Collection[str], tenant: Tenant) -> str:
    """What is wrong with a secret that a node names, and what to do."""
    from ivrnode.tenancy.document import Document
    from ivrnode.tenancy.tenant import SECRETS_FILE

    file = tenant.folder / SECRETS_FILE
    if file.exists() and (document := Document.load(file)).has("secrets", name):
        variable = document.values["secrets"][name].get("env", "")
        return f'the secret "{name}" has no value: set the variable {variable}, as {file} says'
    close = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{close[0]}"? Else ' if close else ""
    return f'there is no secret "{name}": {hint}add [secrets.{name}] to {file}, or set the variable that its env names'


def _voices(voices: Mapping[str, str], language: str) -> Iterator[str]:
    from ivrnode.net.speech.engine import ENGINES

    for lang, voice in voices.items():
        if not any(engine.voice_for("", voice) for engine in ENGINES.values()):
            yield f'there is no voice "{voice}": the usual one for {lang} is taken'
    if not any(engine.voice_for(language, voices.get(language, "")) for engine in ENGINES.values()):
        yield f'there is no voice for its language, "{language}": what it says is silence'


def _script(where: str, config: Config, template: Template, node: IvrNode) -> Iterator[Finding]:
    """What is odd in a script that runs, and in the settings that it gets."""
    from ivrnode.commands._vocabulary import vocabulary
    from ivrnode.tenancy.advice import advise
    from ivrnode.tenancy.declared import merged, misspelled
    from ivrnode.tenancy.tenant import node_settings

    if template.error is not None:
        return
    _, problems = merged(template.settings, node_settings(config.settings, node))
    for problem in (*problems, *misspelled(template.settings, node.settings)):
        yield NOTE, f"{where}: {problem}"
    if template.tier != "default":
        for advice in advise(template.text, str(template.path), vocabulary()):
            yield NOTE, f"{where}: {advice}"


def _walls() -> Iterator[Finding]:
    from ivrnode.net.scripts.walls import probe

    walls = probe()
    if walls.can_run:
        yield GOOD, f"walls around scripts: {walls}"
    else:
        yield WRONG, "scripts will not be started: there are no walls to put around them"
    for warning in walls.warnings():
        yield NOTE, warning
