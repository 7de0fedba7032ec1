"""What is wrong now, for the top of Home: one list, what touches everybody first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from core.admission import Crowd
from core.tenants import Permission
from pages.kit import formats, incidents, links, zones
from pages.kit.links import Destination
from pages.kit.markup import plain
from pages.kit.page import Visit

_MOST_TENANTS = 5
LOOKED_BACK = timedelta(hours=2)
"""What is wrong now is opened from so long before this hour on."""
_LAGS_SECONDS = 60
_OTHERS = "other tenants"


class Notice(NamedTuple):
    """One thing that is wrong."""

    headline: str
    """In words, without markup."""
    sentence: str
    """What follows, or what to do, as Markdown: names in it lead to what they name."""
    place: Destination | None = None
    """Where the headline leads: to the page of what it is about."""

    @property
    def title(self) -> str:
        """The headline as Markdown."""
        told = zones.retold(self.headline)
        return links.to(told, self.place) if self.place else plain(told)


def troubles(visit: Visit, tenant_id: str | None) -> list[Notice]:
    """Return what is wrong now, of one tenant or of all with ``None``: add a source here and Home shows it."""
    of_tenants = visit.runtime.reports.troubles(visit.principal, tenant_id)
    everybodys = [
        *of_network(visit),
        *of_books(visit),
        *of_sums(visit),
        *of_replica(visit),
        *of_rejections(visit, tenant_id),
        *of_redis(visit),
        *of_chores(visit),
        *of_breakers(visit),
        *of_crowds(visit, tenant_id),
        *of_workers(visit),
    ]
    named = (
        Notice(one.headline, f"{_told(one.sentence)} {_happened(visit, one.tenant)}", links.of_tenant(one.tenant))
        for one in of_tenants
    )
    return [*everybodys, *named]


def _happened(visit: Visit, tenant: str) -> str:
    """Return what leads to the last hours of a tenant, opened as an incident."""
    now = visit.now.replace(minute=0, second=0, microsecond=0)
    return links.to("What happened", incidents.of_time(now - LOOKED_BACK, now + timedelta(hours=1), tenant)) + "."


def _told(sentence: str) -> str:
    """Return a sentence as Markdown, its times in the zone that is shown."""
    return plain(zones.retold(sentence))


def of_network(visit: Visit) -> list[Notice]:
    """Say so while whoever reaches the console may use it."""
    if not visit.runtime.settings.is_open or visit.principal.person_id is not None:
        return []
    follows = (
        "WITHOUT_SIGN_IN=network lets in whoever reaches it, and they may do everything. Keep the network around it "
        "private, or take the setting away."
    )
    return [Notice("Nobody signs in to this console", _told(follows), Destination("people", {}))]


def of_books(visit: Visit) -> list[Notice]:
    """Say so while the last verification of the books found a fault."""
    if not visit.may(Permission.BUDGETS_READ):
        return []
    last = visit.runtime.budgets.last_verification(visit.principal)
    if last is None or last.ok:
        return []
    amount = formats.dollars(last.difference_nano_usd)
    what = f"attempts, ledger and accounts differ by {amount}" if last.difference_nano_usd else "something is missing"
    follows = f"Verified {formats.ago(last.at, visit.now)}. Keep the database as it is and report it."
    return [Notice(f"The books do not add up: {what}", _told(follows), Destination("spend", {}))]


def of_sums(visit: Visit) -> list[Notice]:
    """Say so while the sums of some days are not what their calls add up to."""
    found = visit.runtime.reports.proven(visit.principal)
    if found is None or not found.differs:
        return []
    first = found.differing[0]
    days = f"of {first.day:%Y-%m-%d}" if found.differs == 1 else f"of {found.differs} days"
    follows = "Figures that pages show of them may be wrong; calls, ledger and budgets are not touched by it."
    if all(one.rebuild_asked_at for one in found.differing):
        follows += " They are being made anew from the calls."
    else:
        follows += " 'proctor verify' says what differs, and with --rebuild has them made anew from the calls."
    return [Notice(f"Sums {days} are not what the calls add up to", _told(follows), Destination("spend", {}))]


def of_replica(visit: Visit) -> list[Notice]:
    """Say so while the copy that figures are read from does not answer, or lags."""
    if not visit.may_over(Permission.GENERATIONS_READ, None):
        return []
    found = visit.runtime.reports.replica(visit.principal)
    if found is None or not (found.is_down or found.lag_seconds > _LAGS_SECONDS):
        return []
    if found.is_down:
        follows = "Figures are read from the database itself meanwhile. Look at the server in REPORTS_DATABASE_URL."
        return [Notice("The copy that reports are read from does not answer", _told(follows))]
    old = formats.plural(round(found.lag_seconds / 60), "minute")
    follows = "Calls of since then are recorded and not yet in any figure. Look at the replica's load and its network."
    return [Notice(f"Figures are {old} old: the copy that they are read from lags", _told(follows))]


def of_rejections(visit: Visit, tenant_id: str | None) -> list[Notice]:
    """Name each provider that turns away our key, or whose account of ours is empty, and say what to do."""
    found: list[Notice] = []
    for one in visit.runtime.reports.rejections(visit.principal, tenant_id):
        headline, what_to_do = _REJECTIONS[one.code]
        since = "for more than a day" if one.since is None else f"since {zones.told(one.since)}"
        last = "" if one.last_at == one.since else f", the last at {zones.told(one.last_at)}"
        says = f"It turned away {formats.plural(one.calls, 'call')} {since}{last}, and answered none."
        told = what_to_do.format(variable=f"{one.provider.upper()}_API_KEY")
        sentence = _told(f"{says} {told} {_MEANWHILE}")
        found.append(Notice(f"{one.provider} {headline}", sentence, links.of_provider(one.provider)))
    return found


_REJECTIONS = {
    "key_rejected": ("does not accept our key", "Put a key that it accepts into {variable} and restart Proctor."),
    "quota_exhausted": (
        "has no money or quota left for us",
        "Add credit or raise the limit in the account that {variable} belongs to; nothing here needs a restart.",
    ),
}
_MEANWHILE = "Until it answers a call, calls go to the next model of their route, or fail where there is none."


def of_redis(visit: Visit) -> list[Notice]:
    """Say so while the Redis that processes share does not answer."""
    shared = visit.runtime.shared
    if shared.check() or (since := shared.down_since) is None:
        return []
    follows = (
        "Limits and breakers are counted per process until it does: a tenant may be let through faster than it should "
        "be. Budgets hold."
    )
    return [Notice(f"Redis does not answer since {zones.told(since)}", _told(follows))]


def of_chores(visit: Visit) -> list[Notice]:
    """Name each chore that fails or is late, with the reason and what that means."""
    return [
        Notice(f"Chore '{one.chore.name}' {'is late' if one.state == 'late' else 'fails'}", _told(one.trouble))
        for one in visit.runtime.chores.status()
        if one.trouble
    ]


def of_workers(visit: Visit) -> list[Notice]:
    """Say so while no process can be started that reads heavy answers."""
    why = visit.runtime.workers.trouble
    return [Notice("Heavy answers are read by the server itself", _told(why))] if why else []


def of_crowds(visit: Visit, tenant_id: str | None) -> list[Notice]:
    """Say whose generations and whose reads wait for a place in this process, waited or were turned away lately."""
    runtime = visit.runtime
    return [
        *_of_crowd(visit, tenant_id, runtime.admission.seen(), "Requests", _GENERATIONS_ADVICE),
        *_of_crowd(visit, tenant_id, runtime.read_admission.seen(), "Reads over the API", _READS_ADVICE),
    ]


_GENERATIONS_ADVICE = "See which route is slow, or limit the calls in flight of its tenant."
_READS_ADVICE = (
    "Generations have places of their own. See which program reads so often, or whether the database is slow."
)


def _of_crowd(visit: Visit, tenant_id: str | None, crowd: Crowd, what: str, advice: str) -> list[Notice]:
    told = crowd.waits, crowd.waited, crowd.shed
    if tenant_id is not None and any(told):
        name = visit.runtime.tenants.find(visit.principal, tenant_id).name
        told = tuple({name: found[name]} if name in found else {} for found in told)
    elif visit.principal.scope_of(Permission.TENANTS_READ).ids is not None and any(told):
        names = {tenant.name for tenant in visit.runtime.tenants.list(visit.principal)}
        told = tuple(_known(found, names) for found in told)
    waits, waited, shed = told
    if not any(told):
        return []
    said = f"Places taken: {crowd.running} of {crowd.places}."
    if waits:
        said += f" Waiting: {_by_tenant(waits)}."
    if waited:
        said += f" Waited for a second or more in the last minutes: {_by_tenant(waited)}."
    if shed:
        said += f" Turned away in the last minutes: {_by_tenant(shed)}."
    happens = "are turned away" if shed else "wait for a place" if waits else "waited for a place"
    return [Notice(f"{what} {happens}", f"{said} {plain(advice)}")]


def _known(counts: Mapping[str, int], names: set[str]) -> Mapping[str, int]:
    """Return the counts of tenants that have one of *names*, and those of all others under no name."""
    known = {name: count for name, count in counts.items() if name in names}
    others = sum(counts.values()) - sum(known.values())
    return known | {_OTHERS: others} if others else known


def _by_tenant(counts: Mapping[str, int]) -> str:
    """Return the largest counts with their tenants, as Markdown."""
    largest = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    rest = sum(count for _, count in largest[_MOST_TENANTS:])
    return ", ".join(
        f"{count:,} of {plain(name) if name == _OTHERS else links.tenant(name)}"
        for name, count in largest[:_MOST_TENANTS]
    ) + (f", {rest:,} of others" if rest else "")


def of_breakers(visit: Visit) -> list[Notice]:
    """Name each breaker that is not closed by itself."""
    found: list[Notice] = []
    for one in visit.runtime.breakers.views(visit.runtime.overrides.all(visit.principal)):
        name = f"{one.provider}/{one.model}" + (f" as {one.schema}" if one.schema else "")
        place = links.of_provider(one.provider)
        if one.override is not None:
            if not one.schema and (one.override.state, one.state) != ("closed", "closed"):
                found.append(Notice(f"{name} is {one.word}", _told(one.why), place))
        elif one.state != "closed":
            verb = "gives no valid answers" if one.schema else "is slow" if one.slow else "is failing"
            found.append(Notice(f"{name} {verb}", _told(f"{one.why} Calls go to the route's next model."), place))
    return found
