"""The list of chores, in the order of the operators' page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from core.ageing import Ageing
from core.analytics import Analytics
from core.audit import ChainBroken, Trail
from core.budgets import Budgets
from core.capabilities import Listings
from core.chores._chore import Chore
from core.claims import Claims
from core.clock import Clock
from core.drills import Drills
from core.erasures import Erasures
from core.journal import JournalWriter
from core.principals import SYSTEM
from core.provider_checks import ProviderChecks
from core.record import HEARTBEAT_EVERY, Backlog, Recovery
from core.retention import Retention
from core.rollups import Building, Folding, RollupProofs
from core.seals import Seals
from core.shared import Shared
from core.store import Store
from core.store_room import store_room
from core.stored_objects import StoredObjects
from core.telemetry import Metrics, log
from core.tenants import Tenants

_OFTEN = timedelta(seconds=30)


def catalog(
    *,
    clock: Clock,
    store: Store,
    budgets: Budgets,
    journal: JournalWriter,
    recovery: Recovery,
    backlog: Backlog,
    claims: Claims,
    stored: StoredObjects,
    drills: Drills,
    trail: Trail,
    shared: Shared,
    metrics: Metrics,
    listings: Listings,
    checks: ProviderChecks,
    tenants: Tenants,
    erasures: Erasures,
    seals: Seals,
    analytics: Analytics,
) -> Sequence[Chore]:
    """Return the chores of a Proctor that is made of these."""
    building, rollups = Building(store, clock), RollupProofs(store, clock)

    def verify() -> None:
        recovery.run()  # so that what the dead hold is not counted as held
        found = budgets.verify(SYSTEM, whole=False)
        metrics.verifications.labels("ok" if found.ok else "different").inc()
        if not found.ok:
            log().error("verification_failed", difference_nano_usd=found.difference_nano_usd)

    def follow_trail() -> None:
        chain = trail.verify(SYSTEM, whole=False)
        metrics.verifications.labels("ok" if chain.ok else "broken").inc()
        if chain.broken_at is not None:
            log().error("audit_chain_broken", entry=chain.broken_at, reason=chain.sentence)
            raise ChainBroken(  # which change it is names people: that is for the log, and for 'proctor verify'
                chain.broken_at,
                f"The audit trail is not what was written, from entry {chain.broken_at} on. Keep the database as it "
                "is; 'proctor verify' says what is wrong, and with --against holds an export against it.",
            )

    def prove_rollups() -> None:
        found = rollups.verify(SYSTEM, whole=False)
        metrics.verifications.labels("ok" if found.ok else "rollups").inc()
        if not found.ok:
            log().error("rollups_differ", days=[f"{one.day:%Y-%m-%d}" for one in found.differing])

    def sum_up_the_past() -> None:
        building.run()
        rollups.mend()

    def measure_store() -> None:
        room = store_room(store)
        metrics.store_bytes.set(room.used)
        metrics.store_free_bytes.set(-1 if room.free is None else room.free)

    def recover() -> None:
        if lost := recovery.run():
            log().warning("reservations_recovered", count=lost)

    def look_ahead() -> None:
        from core.outlooks import Outlooks  # noqa: PLC0415 they load reports, and so pandas, which a start can do without

        Outlooks(store, clock).make()

    return [
        Chore(
            name="heartbeat",
            every=HEARTBEAT_EVERY,
            first_after=timedelta(),
            does="Writes down that this process lives.",
            otherwise="Other processes may take this one for dead, and settle its calls by an estimate.",
            run=recovery.heartbeat,
        ),
        Chore(
            name="recovery",
            every=HEARTBEAT_EVERY,
            first_after=timedelta(),
            does="Records and charges calls whose process died, and gives back what they held.",
            otherwise="Money that calls of dead processes held stays held, and those calls are not yet on record.",
            run=recover,
        ),
        Chore(
            name="backlog",
            every=timedelta(seconds=2),
            first_after=timedelta(),
            does="Writes generations that ended while the database did not take their record.",
            otherwise="Calls that have ended are not on record yet; they wait in memory and in the backlog's file.",
            run=backlog.write,
        ),
        Chore(
            name="checkpoint",
            every=timedelta(seconds=2),
            first_after=timedelta(),
            does="Copies an SQLite's journal into its file; does nothing on PostgreSQL.",
            otherwise="Now and then a call that ends has to do it, and others wait for the disk meanwhile.",
            run=store.checkpoint,
        ),
        Chore(
            name="verify",
            every=timedelta(hours=1),
            one_process=True,
            does="Recomputes every account; of ledger and attempts, what is new.",
            otherwise="A difference in the money would not be noticed; 'proctor verify' looks at once.",
            run=verify,
        ),
        Chore(
            name="audit trail",
            every=timedelta(hours=1),
            one_process=True,
            does="Follows the chain of the audit trail from where it was proven last.",
            otherwise="Who changed what is not certain from there on; 'proctor verify' follows all of it.",
            run=follow_trail,
        ),
        Chore(
            name="late calls",
            every=_OFTEN,
            one_process=True,
            does="Carries calls over to budgets that were changed while those were out.",
            otherwise="A budget that was changed in the last minutes may have counted too little.",
            run=budgets.catch_up_lately,
        ),
        Chore(
            name="retention",
            every=_OFTEN,
            one_process=True,
            does="Deletes prompts and answers whose time is over.",
            otherwise="Prompts and answers past their time are still stored.",
            run=lambda: journal.forget_payloads(clock.now()),
        ),
        Chore(
            name="shorter retention",
            every=timedelta(minutes=5),
            one_process=True,
            does="Cuts the time of prompts and answers whose tenant or route keeps them for less long than before.",
            otherwise="Prompts and answers that were kept before stay stored as long as was said then; none is shown.",
            run=Retention(store, clock, journal).cut,
        ),
        Chore(
            name="calls kept",
            every=timedelta(minutes=1),
            one_process=True,
            does="Deletes calls that are older than their tenants keep them, once their figures are proven.",
            otherwise="Calls past their tenants' days are still stored and shown; the page Store says how many.",
            run=Ageing(store, clock, rollups).run,
        ),
        Chore(
            name="erasures",
            every=timedelta(minutes=5),
            one_process=True,
            does="Carries out erasures that are not done, and erases what was written late of users who were erased.",
            otherwise="Something of users who were erased is still stored: what was not done, or was written late.",
            run=erasures.follow_up,
        ),
        Chore(
            name="old erasures",
            every=timedelta(days=1),
            does="Erases what a backup or a file brought back of users who were ever erased; at each start as well.",
            otherwise="What came back of users who were erased is still stored; 'proctor erase --again' looks at once.",
            run=erasures.follow_up_all,
        ),
        Chore(
            name="seals",
            every=timedelta(minutes=5),
            one_process=True,
            does="Seals prompts and answers by the newest key that an older one sealed, or none did.",
            otherwise="Some of what is kept is not sealed by the newest key; 'proctor doctor' says how much.",
            run=seals.reseal,
        ),
        Chore(
            name="rollups",
            every=timedelta(seconds=10),
            first_after=timedelta(seconds=5),
            one_process=True,
            does="Adds calls that ended to the sums that pages and reports read.",
            otherwise="Pages and reports are right all the same, and slower the longer it is not done.",
            run=Folding(store).run,
        ),
        Chore(
            name="rollups of the past",
            every=timedelta(minutes=1),
            one_process=True,
            does="Sums up the calls of before there were such sums, and anew the days that 'verify --rebuild' found.",
            otherwise="Figures of up to 200,000 calls of before are added up from these; about more, pages and reports "
            "say how far back they reach so far. A day that differs still does.",
            run=sum_up_the_past,
        ),
        Chore(
            name="rollup proof",
            every=timedelta(days=1),
            one_process=True,
            does="Proves the sums of a recent day and of an older one against their calls, each chosen by chance.",
            otherwise="Sums that differ from their calls would not be noticed; 'proctor verify' looks at once.",
            run=prove_rollups,
        ),
        Chore(
            name="analytics",
            every=timedelta(seconds=10),
            one_process=analytics.is_set,
            does="Sends what is summed up to the analytics store, and what was before it; does nothing without one.",
            otherwise="Questions that the store answers take longer; where too much waits, it is begun anew.",
            run=analytics.run,
        ),
        Chore(
            name="claims",
            every=_OFTEN,
            one_process=True,
            does="Deletes cached answers, and other results of claims, that are too old.",
            otherwise="Cached answers past their time are still stored; no call is answered from them.",
            run=claims.sweep,
        ),
        Chore(
            name="stored objects",
            every=timedelta(hours=1),
            one_process=True,
            does="Forgets what vendors stored for tenants and have deleted by now.",
            otherwise="Ids of what no vendor stores any more take room; nobody is answered by them.",
            run=stored.sweep,
        ),
        Chore(
            name="outlooks",
            every=timedelta(minutes=1),
            first_after=timedelta(minutes=1),
            one_process=True,
            does="Foresees how each tenant's month will end, a quarter of an hour after it last did, some at a time.",
            otherwise="Forecasts are older than they could be; each says as of when it is.",
            run=look_ahead,
        ),
        Chore(
            name="drills",
            every=_OFTEN,
            one_process=True,
            does="Writes down the end of fire drills whose time is over.",
            otherwise="Charts and the audit log do not show yet that a fire drill is over; its faults have ended.",
            run=drills.end_expired,
        ),
        Chore(
            name="providers",
            every=timedelta(hours=1),
            one_process=True,
            does="Asks each provider which models it has, which costs nothing; what it tells of them is kept.",
            otherwise="A provider that turns our key away, or a model that is to go, may be found out by a call only.",
            run=checks.check_all,
        ),
        Chore(
            name="model lists",
            every=timedelta(minutes=1),
            first_after=timedelta(),
            does="Takes in what the providers last told of their models.",
            otherwise="This process knows models as the lists were before.",
            run=listings.take_in,
        ),
        Chore(
            name="key uses",
            every=timedelta(minutes=1),
            does="Writes down when each key was last used.",
            otherwise="The list of keys shows older times than it could; a key that is in use may look idle.",
            run=tenants.uses.write,
        ),
        Chore(
            name="store size",
            every=timedelta(minutes=1),
            first_after=timedelta(seconds=1),
            does="Measures how much room the database takes, for the metrics.",
            otherwise="Metrics tell an older size of the database than it has.",
            run=measure_store,
        ),
        Chore(
            name="partitions",
            every=timedelta(hours=1),
            one_process=True,
            does="Makes the months ahead of a PostgreSQL that keeps calls by months, and drops those that are empty.",
            otherwise="A call into a month that is not there waits for a moment while it is made; empty ones stay.",
            run=lambda: _keep_partitions(store, clock),
        ),
        Chore(
            name="redis",
            every=_OFTEN,
            does="Asks whether Redis answers.",
            otherwise="A process without calls may not notice that Redis went down or came back.",
            run=shared.check,
        ),
    ]


def _keep_partitions(store: Store, clock: Clock) -> None:
    if not store.is_sqlite:
        store.partitions.keep(clock.now())
