"""What is wrong with this deployment, in plain words, one line per part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli._command import DONE, REFUSED, Output, command, proctor, table
from core.cli._operator import OPERATOR
from core.clock import minute
from core.errors import ProctorError
from core.own_limits import descriptor_limit, descriptors_needed

if TYPE_CHECKING:
    from core.settings import Settings
    from core.store import Store


_MANY_ADDRESSES = 256
"""A network of more addresses is hardly that of a proxy alone."""


_OWN_KEYS = ("HASH_KEYS", "PAYLOAD_KEYS")


class Health(StrEnum):
    """How a part stands."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One part and how it stands."""

    part: str
    health: Health
    sentence: str


@command(proctor, "doctor", needs_runtime=False)
@click.option(
    "--network",
    is_flag=True,
    help="Also reach each provider: name, connection, TLS, list of models; whoever vouches for people; and the "
    "services that guardrails ask.",
)
def doctor(settings: Settings, network: bool) -> Output:  # noqa: FBT001 a switch
    """Say what is missing or broken, part by part.

    It looks at settings, network, sign-in, database, migrations, routes, chores, services that judge, own keys, flags,
    providers, the local model, Redis, file descriptors and the processes that read heavy answers.
    """
    checks = [
        Check("settings", Health.OK, f"Every one can be used. Console and API: http://{settings.host}:{settings.port}"),
        _network(settings),
        *_sign_in(settings, asks=network),
        *_database(settings, asks=network),
        *_own_keys(settings),
        _flags(settings),
        *_providers(settings),
        *(_reached(settings) if network else ()),
        *_local_model(settings),
        *_redis(settings),
        _descriptors(settings),
        _workers(settings),
    ]
    is_well = all(check.health is not Health.FAILED for check in checks)
    rows = [(check.part, check.health.value, check.sentence) for check in checks]
    return Output(
        {"ok": is_well, "checks": checks}, table(("PART", "STATE", ""), rows), exit_code=DONE if is_well else REFUSED
    )


def _network(settings: Settings) -> Check:
    """Say who may use the console as long as there is nobody who could sign in."""
    named = f" It is opened at {settings.public_url}." if settings.public_url else ""
    if settings.is_open:
        said = "Until there is a person, whoever reaches the console may use it (WITHOUT_SIGN_IN=network)."
        return Check("network", Health.WARNING, f"{said}{named} Keep the network around it private.")
    if settings.is_on_loopback:
        return Check("network", Health.OK, f"Console and API answer this machine alone.{named}")
    said = "The API answers the network, and the console whoever signs in; until there is somebody, this machine alone."
    return Check("network", Health.OK, f"{said}{named}")


def _sign_in(settings: Settings, *, asks: bool) -> Iterator[Check]:
    """Tell who vouches for people beside their passwords; with *asks* how each provider answers from here."""
    for name, one in settings.oidc_providers.items():
        told = f"{one.issuer} vouches for people; it sends them back to {settings.console_url}/oidc/{name}/callback."
        if asks:
            from core.clock import SystemClock  # noqa: PLC0415
            from core.oidc import looked_at  # noqa: PLC0415 it loads what speaks to them

            is_well, said = looked_at(one, SystemClock())
            yield Check(f"sign-in {name}", Health.OK if is_well else Health.FAILED, f"{told} {said}")
        else:
            yield Check(f"sign-in {name}", Health.OK, f"{told} 'proctor doctor --network' asks whether it answers.")
    if settings.sign_in_header:
        proxies = ", ".join(map(str, settings.sign_in_header_from))
        told = f"{settings.sign_in_header} says who has signed in, if it comes from {proxies}."
        wide = [one for one in settings.sign_in_header_from if one.num_addresses > _MANY_ADDRESSES]
        if wide:
            told += f" That is whoever calls from one of {wide[0].num_addresses:,} addresses: name the proxy's own."
        yield Check("sign-in proxy", Health.WARNING if wide else Health.OK, told)


def _flags(settings: Settings) -> Check:
    """Say who decides flags; another provider is asked once, for nobody in particular."""
    from core.clock import SystemClock  # noqa: PLC0415 who asks for help need not load it
    from core.flags import Flag, other_provider  # noqa: PLC0415
    from core.telemetry import Metrics  # noqa: PLC0415

    if settings.flag_provider is None:
        return Check("flags", Health.OK, "The rules that are set here decide flags.")
    try:
        other = other_provider(settings, SystemClock(), Metrics())
    except ProctorError as error:
        return Check("flags", Health.FAILED, error.message)
    assert other is not None  # noqa: S101 a setting names it
    said = other.ask([*map(str, Flag)], "", "", "")
    wrong = [f"{name} is {one.word} by {one.rule}" for name, one in said.items() if one.reason == "ERROR"]
    if wrong:
        return Check("flags", Health.WARNING, f"{other.name} decides flags, and fails: {'; '.join(wrong)}.")
    return Check("flags", Health.OK, f"{other.name} decides flags, and answers.")


def _descriptors(settings: Settings) -> Check:
    """Look whether a server that is started from here may open what its generations need."""
    limit, needed = descriptor_limit(), descriptors_needed(settings.concurrency)
    calls = f"CONCURRENCY={settings.concurrency} needs about {needed}, and each request that waits one more"
    if limit is None:
        return Check("descriptors", Health.OK, f"A server may open any number of files and connections; {calls}.")
    told = f"A server started from here may open {limit} files and connections; {calls}."
    if limit >= needed:
        return Check("descriptors", Health.OK, told)
    return Check("descriptors", Health.WARNING, f"{told} Raise the hard limit (ulimit -Hn), or lower CONCURRENCY.")


def _workers(settings: Settings) -> Check:
    """Start one of the processes that read heavy answers, and end it."""
    from core.workers import Workers  # noqa: PLC0415 it loads what validates

    if settings.answer_workers == 0:
        return Check("workers", Health.OK, "The server reads heavy answers itself (ANSWER_WORKERS=0).")
    if Workers(settings.answer_workers).starts():
        return Check("workers", Health.OK, "A process that reads heavy answers can be started.")
    told = "No process that reads heavy answers can be started: the server reads them itself, and other callers wait."
    return Check("workers", Health.WARNING, told)


def _database(settings: Settings, *, asks: bool) -> Iterator[Check]:
    from core.store import NEWEST, Store  # noqa: PLC0415

    store = Store(settings.database_url, own_keys=settings.own_keys, creates=False)
    place = store.url.render_as_string(hide_password=True)
    try:
        store.check()
        shape = store.shape()
        if shape is None:
            store.check_writing()
        yield Check("database", Health.OK, f"{place} answers.")
        if shape is None:
            yield Check("migrations", Health.OK, f"The tables are at revision {NEWEST}.")
            yield from _routes(settings, store)
            yield from _chores(store)
            yield from _checks(settings, store)
            yield from _judging(settings, store, asks=asks)
            yield from _sealed(store)
            yield _analytics(settings, store)
        else:
            yield Check("migrations", Health.FAILED, shape.sentence)
    except ProctorError as error:
        yield Check("database", Health.FAILED, f"{place}: {error.message}")
    finally:
        store.close()
    if settings.reports_database_url:
        yield _replica(settings)


def _analytics(settings: Settings, store: Store) -> Check:
    """Tell how the analytics store stands, and whether it answers."""
    from core.analytics import Analytics  # noqa: PLC0415
    from core.clock import SystemClock  # noqa: PLC0415
    from core.telemetry import Metrics  # noqa: PLC0415

    clock = SystemClock()
    analytics = Analytics(store, clock, settings, Metrics())
    now = analytics.progress()
    try:
        if not analytics.is_set and now.is_on:
            said = "What is summed up waits for an analytics store that no setting names: 'proctor analytics stop'."
            return Check("analytics", Health.WARNING, said)
        analytics.check()
        return Check("analytics", Health.OK, now.told(clock.now()))
    except ProctorError as error:
        return Check("analytics", Health.WARNING, error.message)
    finally:
        analytics.close()


def _replica(settings: Settings) -> Check:
    """Tell whether the copy that reports are read from answers, and has this release's tables."""
    from core.store import Store  # noqa: PLC0415

    store = Store(settings.reports_database_url, creates=False)
    place = store.url.render_as_string(hide_password=True)
    try:
        store.check()
        if (shape := store.shape()) is not None:
            return Check("reports", Health.FAILED, f"{place}: {shape.sentence}")
        return Check("reports", Health.OK, f"{place} answers: reports are read from it.")
    except ProctorError as error:
        return Check(
            "reports", Health.WARNING, f"{place}: {error.message} Reports are read from the database meanwhile."
        )
    finally:
        store.close()


def _own_keys(settings: Settings) -> Iterator[Check]:
    """Tell what the deployment's own keys are for, and which of their files others can read."""
    from core.settings import environment  # noqa: PLC0415

    if settings.hash_keys:
        said = f"The key {settings.hash_keys[0].id} hashes users and what else names somebody."
        yield Check("hashes", Health.OK, said)
    else:
        said = "Users are hashed without a key of ours: who has a hash and a guess can try it."
        yield Check("hashes", Health.OK, f"{said} HASH_KEYS would set one, 'proctor payload key' makes it.")
    if settings.payload_keys:
        yield Check("seals", Health.OK, f"The key {settings.payload_keys[0].id} seals prompts and answers.")
    else:
        yield Check("seals", Health.OK, "Prompts and answers are kept as they are. PAYLOAD_KEYS would seal them.")
    for variable in _OWN_KEYS:
        path = environment().get(f"{variable}_FILE")
        if path and Path(path).stat().st_mode & 0o077:
            told = f"{variable}_FILE names {path}, which others on this machine may read or change."
            yield Check("key files", Health.WARNING, f"{told} Take their rights away: chmod 600.")


def _sealed(store: Store) -> Iterator[Check]:
    """Tell whether a key is missing, and how much is still to be sealed."""
    from core.journal import JournalWriter  # noqa: PLC0415
    from core.seals import Seals, counted  # noqa: PLC0415

    seals = Seals(store, JournalWriter(store))
    try:
        seals.require_keys()
    except ProctorError as error:
        yield Check("sealed texts", Health.FAILED, error.message)
        return
    left = [
        f"{counted(count)} rows are {f'sealed by {key_id}' if key_id else 'not sealed'}"
        for key_id, count in seals.remaining().items()
    ]
    if left:
        said = f"{'; '.join(left)}. A running Proctor seals them by the newest key."
        yield Check("sealed texts", Health.WARNING, said)


def _routes(settings: Settings, store: Store) -> Iterator[Check]:
    """Look whether each route has somebody to answer it."""
    from core.clock import SystemClock  # noqa: PLC0415
    from core.routes import Routes  # noqa: PLC0415

    for view in Routes(store, SystemClock(), settings).list(OPERATOR):
        terms = view.terms
        asked = ", then ".join(candidate.name for candidate in terms.candidates)
        missing = [one.name for one in terms.candidates if not settings.has_provider(one.provider)]
        if not missing:
            yield Check(f"route {terms.name}", Health.OK, f"It asks {asked}.")
            continue
        if terms.name.startswith("demo-"):  # its past was invented; nobody need answer it now
            continue
        health = Health.FAILED if len(missing) == len(terms.candidates) else Health.WARNING
        yield Check(f"route {terms.name}", health, f"It asks {asked}; not set up: {', '.join(missing)}.")


def _chores(store: Store) -> Iterator[Check]:
    """Look what running processes left word of: which chores failed the last time, and when the others were done."""
    from core.claims import CHORE, Claims, Done  # noqa: PLC0415
    from core.clock import SystemClock  # noqa: PLC0415

    left = {name: one for name, one in Claims(store, SystemClock()).of_kind(CHORE).items() if isinstance(one, Done)}
    for name, one in left.items():
        if one.result["failures"]:
            since = minute(one.since)
            yield Check(f"chore {name}", Health.WARNING, f"It failed the last time, {since}: {one.result['reason']}")
    done = [f"{name} {one.since:%m-%d %H:%M}" for name, one in left.items() if not one.result["failures"]]
    if done:
        yield Check("chores", Health.OK, f"Last done, in UTC: {', '.join(done)}.")
    elif not left:
        yield Check("chores", Health.OK, "None was done lately: a Proctor does them while it runs.")


def _checks(settings: Settings, store: Store) -> Iterator[Check]:
    """Tell how each provider was found when a running process checked it last: doctor itself asks none."""
    from core.capabilities import Cards, Listings  # noqa: PLC0415
    from core.clock import SystemClock  # noqa: PLC0415

    listings = Listings(store, SystemClock(), Cards(settings))
    listings.take_in()
    for name in settings.remote_providers:
        if settings.has_provider(name) and (found := listings.last(name)) is not None:
            health = Health.OK if found.is_well else Health.WARNING
            yield Check(f"{name}, last check", health, f"{minute(found.at)}: {found.sentence}")


def _judging(settings: Settings, store: Store, *, asks: bool) -> Iterator[Check]:
    """Tell how the services answer that guardrails ask."""
    from core.cli._judging import judging  # noqa: PLC0415 most deployments have none

    for one in judging(settings, store, asks=asks):
        yield Check(f"guardrail {one.rule}", Health.OK if one.is_well else Health.FAILED, one.sentence)


def _providers(settings: Settings) -> Iterator[Check]:
    from core.servers import PROVIDERS  # noqa: PLC0415

    for name in settings.remote_providers:
        if settings.has_provider(name):
            yield Check(name, Health.OK, "It is set up.")
        else:
            yield Check(name, Health.OK, f"It is not set up; {PROVIDERS[name].variable} would.")
    if not any(settings.has_provider(name) for name in (*PROVIDERS, *settings.providers)):
        yield Check("providers", Health.FAILED, "Nobody can answer: set a provider's key, or LOCAL_MODEL=on.")


def _reached(settings: Settings) -> Iterator[Check]:
    """Tell how far each provider is reached from here; nobody's key is in it."""
    from core.cli._network import reached  # noqa: PLC0415 it loads the vendors' SDKs

    for one in reached(settings):
        yield Check(f"{one.provider}, reached", Health.OK if one.is_well else Health.FAILED, one.sentence)


def _local_model(settings: Settings) -> Iterator[Check]:
    from importlib.util import find_spec  # noqa: PLC0415

    from core.providers.weights import SMOLLM2, WAYS_OUT  # noqa: PLC0415

    if not settings.runs_local_model:
        yield Check("local model", Health.OK, "It is off.")
    elif find_spec("xllamacpp") is None:
        yield Check("local model", Health.FAILED, f"It does not run on this kind of machine. {WAYS_OUT}")
    elif settings.local_model not in {"auto", "on"}:
        is_there = Path(settings.local_model).expanduser().is_file()
        health, word = (Health.OK, "is there") if is_there else (Health.FAILED, "is not a file")
        yield Check("local model", health, f"LOCAL_MODEL: {settings.local_model} {word}.")
    elif SMOLLM2.present_in(settings.local_model_dir.expanduser()):
        yield Check("local model", Health.OK, f"It is there, in {settings.local_model_dir}.")
    else:
        size = f"{SMOLLM2.file_bytes / 1e6:.0f} MB"
        yield Check(
            "local model", Health.WARNING, f"It is fetched when Proctor starts ({size}, once); that needs network."
        )


def _redis(settings: Settings) -> Iterator[Check]:
    from core.clock import SystemClock  # noqa: PLC0415
    from core.shared import Shared  # noqa: PLC0415
    from core.telemetry import Metrics  # noqa: PLC0415

    if settings.redis_url is None:
        yield Check("redis", Health.OK, "It is not set up: limits and breakers are counted per process.")
    elif Shared(settings.redis_url, SystemClock(), Metrics()).check():
        yield Check("redis", Health.OK, "It answers.")
    else:
        yield Check(
            "redis", Health.FAILED, "It does not answer: limits and breakers are counted per process. Check REDIS_URL."
        )
