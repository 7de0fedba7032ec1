"""Erasures: of one user every word goes, the figures stay, and whoever writes late obeys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import select

from core import erasures as room
from core.claims import ANSWER, IDEMPOTENCY, Claims, Done, Lease
from core.clock import ManualClock
from core.erasures import Erasures, _following
from core.errors import Invalid, NotFound
from core.journal import CallOwner, JournalWriter
from core.own_keys import DeploymentKey, OwnKeys
from core.principals import LOCAL_OPERATOR
from core.record import Generation
from core.record._rows import payload_row
from core.store import AT_ONCE, Store
from core.tables import METADATA, AuditEntry, Erasure, FieldError, GenerationRow, Payload, Tenant
from tests import builders
from tests.conftest import START
from tests.corridor import OPENAI, Rig, program, question, rig
from tests.wire.server import WireServer

CANARY = "hummingbird"
OTHERS = ("anna", "Ann", "ann ", "ann@x", "an%", "a_n", "ann/../bob", "ánn")
OLD, NEW = (DeploymentKey.of(bytes(range(start, start + 32))) for start in (0, 100))
WHO = LOCAL_OPERATOR


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def proctor(wire: WireServer, database_url: str) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig(wire, database_url) as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on when it is told to."""
    return ManualClock(START + timedelta(days=1))


def called(store: Store, tenant: Tenant, user: str, count: int = 1, keys: OwnKeys | None = None) -> list[GenerationRow]:
    """Write calls of a user, a second apart, with all that is kept of one."""
    hashed = (keys or store.own_keys).user_hash(tenant.id, user)
    calls = [
        builders.generation(
            START + timedelta(seconds=place),
            tenant.id,
            user_hash=hashed,
            request_id=f"{CANARY}-{place}",
            error_detail=CANARY,
            caller_metadata={"who": CANARY},
            trace=[{"room": "attempt", "verdict": "x", "reason": CANARY}],
            media=[{"hash": CANARY}],
        )
        for place in range(count)
    ]
    attempts = [builders.attempt(one, id=f"a{one.id[1:]}", error_detail=CANARY) for one in calls]
    builders.save(store, calls, attempts)
    for one, attempt in zip(calls, attempts, strict=True):
        wrong = {"attempt_id": attempt.id, "generation_id": one.id, "path": "$.a", "type": "missing"}
        builders.save(
            store,
            builders.payload(one, 0, [CANARY], CANARY, one.started_at + timedelta(days=3000)),
            FieldError(id=f"e{one.id[1:]}", message=CANARY, **wrong),
        )
    return calls


def kept(store: Store, *, but: tuple[str, ...] = ()) -> str:
    """Return all that is kept, as text."""
    with store.snapshot() as connection:
        tables = [one for one in METADATA.sorted_tables if one.name not in but]
        return "\n".join(f"{one.name}: {connection.execute(one.select()).all()}" for one in tables)


@contextmanager
def counted(store: Store) -> Iterator[Callable[[], int]]:
    """Count what an SQLite does, in thousands of a step of its machine: on one connection, which all take in turn."""
    count = [0]

    def on(*_: Any) -> None:
        count[0] += 1

    with store.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(on, 10)
    yield lambda: count[0]
    driver.set_progress_handler(None, 0)


FIGURES = (
    "SELECT COUNT(*), SUM(cost_nano_usd), SUM(input_tokens), SUM(output_tokens), SUM(duration_ms) FROM generation",
    "SELECT COUNT(*), SUM(cost_nano_usd), SUM(input_tokens), COUNT(error_code) FROM attempt",
    "SELECT COUNT(*), MIN(path), MIN(type) FROM field_error",
)


def figures(store: Store) -> list[Any]:
    """Return what stays."""
    with store.snapshot() as connection:
        return [tuple(connection.execute(text(one)).one()) for one in FIGURES]


# ── What goes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_word_goes_and_the_figures_stay(store: Store, clock: ManualClock) -> None:
    """In more than one transaction; the certificate tells how much, now and later; again there is nothing left."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    called(store, acme, "ann", AT_ONCE + 3)
    before, erasures = figures(store), Erasures(store, clock)
    assert CANARY in kept(store)
    found = erasures.found(WHO, "ann", acme)
    assert (found.calls, found.payloads, found.tenants) == (AT_ONCE + 3, AT_ONCE + 3, 1)

    made = erasures.erase(WHO, "ann", acme)

    assert CANARY not in kept(store)
    assert figures(store) == before
    assert made.document()["went"] == {
        "calls": AT_ONCE + 3,
        "payloads": AT_ONCE + 3,
        "answers": 0,
        "sentences": 2 * (AT_ONCE + 3),
    }
    assert made.done_at == clock.now()
    assert erasures.certificate(WHO, made.id) == made == erasures.list(WHO, acme)[0]
    assert made.document()["status"] == "done"
    clock.advance(1)
    assert erasures.erase(WHO, "ann", acme).found_nothing
    assert erasures.found(WHO, "ann").calls == 0


@pytest.mark.parametrize("user", [*OTHERS, "tenant b's ann"])
def test_it_is_exactly_this_user(user: str, store: Store, clock: ManualClock) -> None:
    """Who has a name that is nearly his, and his namesake in another tenant, keep all that is theirs."""
    acme, other = builders.tenant("Acme", START), builders.tenant("Other", START)
    builders.save(store, acme, other)
    called(store, *((other, "ann") if user not in OTHERS else (acme, user)))
    before = kept(store, but=("erasure", "audit_entry", "audit_head", "change_event", "tenant_revision"))

    assert Erasures(store, clock).erase(WHO, "ann", acme).found_nothing

    after = kept(store, but=("erasure", "audit_entry", "audit_head", "change_event", "tenant_revision"))
    assert after == before


def test_a_user_is_found_by_every_hash(database_url: str, clock: ManualClock) -> None:
    """As he was kept without a key, by an older one and by the newest; in every tenant, where none is named."""
    rings = [OwnKeys(), OwnKeys(hash_keys=[OLD]), OwnKeys(hash_keys=[NEW, OLD])]
    store = Store(database_url, own_keys=rings[-1])
    tenants = [builders.tenant(name, START) for name in ("Acme", "Other")]
    builders.save(store, tenants)
    for tenant in tenants:
        for place, ring in enumerate(rings):
            called(store, tenant, "ann", place + 1, ring)

    made = Erasures(store, clock).erase(WHO, "ann")

    assert CANARY not in kept(store)
    assert [one.calls for one in made.users] == [6, 6]
    store.close()


def test_answers_that_were_to_be_given_again_go(store: Store, clock: ManualClock) -> None:
    """One from the cache as if it had never been; under a key it stays known that there was one, as it was paid for."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    (call,) = called(store, acme, "ann")
    claims, until = Claims(store, clock), clock.now() + timedelta(days=1)
    for kind, holder in ((ANSWER, call.id), (IDEMPOTENCY, f"{call.id} {'b' * 64}"), (ANSWER, "f" * 32)):
        lease = claims.claim(kind, f"{kind} {holder}", tenant_id=acme.id, holder=holder)
        assert isinstance(lease, Lease)
        lease.finish(dict.fromkeys(("body", "value"), CANARY if holder[0] != "f" else "other"), until)

    made = Erasures(store, clock).erase(WHO, "ann", acme)

    assert made.answers == 2
    assert CANARY not in kept(store)
    assert claims.look(ANSWER, f"{ANSWER} {call.id}") is None
    again = claims.look(IDEMPOTENCY, f"{IDEMPOTENCY} {call.id} {'b' * 64}")
    assert isinstance(again, Done)
    assert again.result == {"generation_id": call.id}
    other = claims.look(ANSWER, f"{ANSWER} {'f' * 32}")
    assert isinstance(other, Done)
    assert other.result["value"] == "other"
    claims.close()


def test_who_it_was_is_written_nowhere(store: Store, clock: ManualClock) -> None:
    """The audit trail says that it happened, by whom and why, and no row but its own has the hash, none the name."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    called(store, acme, "ann-of-the-hills")

    made = Erasures(store, clock).erase(WHO, "ann-of-the-hills", acme, reason="she asked")

    with store.reading() as session:
        (entry,) = session.exec(select(AuditEntry)).all()
    assert (entry.action, entry.reason, entry.after) == ("user.erase", "she asked", {"certificate": made.id})
    assert "ann-of-the-hills" not in kept(store)
    assert store.own_keys.user_hash(acme.id, "ann-of-the-hills") not in kept(store, but=("erasure",))


@pytest.mark.parametrize("user", ["", "a" * 513])
def test_a_name_that_no_caller_sends_is_refused(user: str, store: Store, clock: ManualClock) -> None:
    """It is found out before anything is decided."""
    with pytest.raises(Invalid, match="1 to 512 characters"):
        Erasures(store, clock).erase(WHO, user)
    with pytest.raises(NotFound, match="no certificate"):
        Erasures(store, clock).certificate(WHO, "0" * 32)


# ── Who writes late, and what comes back ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scenario", ["ok", "invalid-once"])
def test_a_call_that_is_out_leaves_no_word(scenario: str, proctor: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was decided while the call was out: no text of it goes in, and what else says who goes with the next look."""
    tenant, erasures = proctor.tenant(), proctor.runtime.erasures
    news = proctor.corridor().stream(
        question(scenario, stream=True, user="ann", metadata={"who": CANARY}, model=OPENAI), program(tenant)
    )
    next(news)

    assert erasures.erase(WHO, "ann", tenant).found_nothing
    (*_, generation) = news

    assert isinstance(generation, Generation)
    assert generation.outcome.is_successful
    written = proctor.written(generation.id)
    assert written.payloads == []
    assert written.generation.cost_nano_usd == generation.cost_nano_usd
    assert erasures.follow_up() == 1
    assert CANARY not in kept(proctor.runtime.store)
    monkeypatch.setattr(_following, "SETTLED", -room.SETTLED)  # a minute later
    erasures.follow_up()
    assert proctor.written(generation.id).generation.user_hash is None
    later = proctor.ask(tenant, user="ann").generation.id
    assert proctor.written(later).payloads


@pytest.mark.parametrize(("user", "began", "is_kept"), [("ann", 0, False), ("ann", 2 * 86_400, True), ("bob", 0, True)])
@pytest.mark.parametrize("count", [1, 3])
def test_the_statement_itself_obeys(
    user: str, began: int, count: int, store: Store, clock: ManualClock, *, is_kept: bool
) -> None:
    """Whatever process comes with a text however late, as from a file that waited, asks where it writes it."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    Erasures(store, clock).erase(WHO, "ann", acme)
    at = START + timedelta(seconds=began)
    rows = [payload_row("c" * 32, n, [CANARY], CANARY, at + timedelta(days=30)) for n in range(count)]

    with store.transaction() as cursor:
        JournalWriter(store).payloads(cursor, rows, CallOwner(acme.id, store.own_keys.user_hash(acme.id, user), at))

    with store.reading() as session:
        written = session.exec(select(Payload)).all()
    assert [(one.n, one.asked, one.answered, one.expires_at) for one in written] == [
        (row["n"], row["asked"], row["answered"], row["expires_at"]) for row in rows if is_kept
    ]


def test_later_calls_are_kept(store: Store, clock: ManualClock) -> None:
    """An erasure is about what began by then."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    erasures = Erasures(store, clock)
    erasures.erase(WHO, "ann", acme)
    later = builders.generation(
        clock.now() + timedelta(seconds=1), acme.id, user_hash=store.own_keys.user_hash(acme.id, "ann")
    )
    builders.save(store, later)

    assert erasures.follow_up() == 0
    assert later.user_hash in kept(store, but=("erasure",))


def test_a_restored_backup_obeys(store: Store, clock: ManualClock) -> None:
    """With the certificate that was kept elsewhere all of it goes once more; nobody else can be named by one."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    erasures = Erasures(store, clock)
    document = erasures.erase(WHO, "ann", acme).document()
    with store.writing() as session:  # as a backup of yesterday is
        session.connection().execute(text("DELETE FROM erasure"))
    called(store, acme, "ann", 3)

    assert erasures.repeat(WHO, [document]) == 3
    assert CANARY not in kept(store)
    assert erasures.certificate(WHO, document["id"]).calls == 3
    assert erasures.repeat(WHO, [document]) == 0


def test_what_is_no_certificate_changes_nothing(store: Store, clock: ManualClock) -> None:
    """One of no time that there can be, of a day to come, of nobody, or with anything but words for names."""
    erasures = Erasures(store, clock)
    users = [{"tenant_id": "t", "user_hashes": ["h"]}]
    whole = {"id": "x", "at": START.isoformat(), "by": "b", "users": users}
    wrong: dict[str, Sequence[Any]] = {
        "id": ["", {}],
        "at": ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2000-01-01T00:00:00", 5],
        "by": [[]],
        "users": [[], {}, [{**users[0], "user_hashes": "h"}], [{"tenant_id": "t", "user_hashes": []}], [{}], "u", None],
    }
    wrong["at"] = [*wrong["at"], (clock.now() + timedelta(days=2)).isoformat(), "1969-01-01T00:00:00Z"]
    for document in ({"id": "x"}, *({**whole, name: value} for name, values in wrong.items() for value in values)):
        with pytest.raises(Invalid, match="not the certificate"):
            erasures.repeat(WHO, [document])
    assert not erasures.list(WHO)
    assert erasures.repeat(WHO, [whole]) == 0
    assert len(erasures.list(WHO)) == 1


def test_however_many_there_are(sqlite_store: Store, clock: ManualClock) -> None:
    """What a chore does every few minutes, and what a list shows, is the same work with few old ones and with many."""
    store, erasures = sqlite_store, Erasures(sqlite_store, clock)
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    steps: list[int] = []
    for _ in range(2):
        old = {"certificate_id": "", "actor": "", "done_at": clock.now(), "tenant_id": acme.id}
        many = [
            Erasure(**old | {"user_hash": f"{one}", "certificate_id": builders.new_id(START)}, at=START)
            for one in range(2000 * len(steps))
        ]
        builders.save(store, many)
        last = erasures.erase(WHO, "ann", acme)
        with counted(store) as count:
            erasures.follow_up()
            assert erasures.list(WHO, most=2)[0].id == erasures.list(WHO, acme, most=2)[0].id == last.id
        steps.append(count())
        clock.advance(room.LATE.total_seconds() + 1)
    assert steps[1] < 2 * steps[0]


def test_all_are_followed_at_a_start_in_slices(store: Store, clock: ManualClock) -> None:
    """More than are looked at together, decided at one time; what a backup brought back of each is gone afterwards."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    erasures, users = Erasures(store, clock), [f"user {one}" for one in range(AT_ONCE + 3)]
    hashes = [store.own_keys.user_hash(acme.id, one) for one in users]
    said = {"tenant_id": acme.id, "at": START, "certificate_id": "c", "actor": "x", "done_at": START}
    builders.save(store, [Erasure(user_hash=one, **said) for one in hashes])
    builders.save(store, [builders.generation(START, acme.id, user_hash=one) for one in hashes])
    clock.advance(room.LATE.total_seconds())

    assert (erasures.follow_up(), erasures.follow_up_all()) == (0, len(users))
    assert hashes[0] not in kept(store, but=("erasure",))
    (whole,) = erasures.every(WHO)
    assert (whole.calls, len(whole.users[0].user_hashes)) == (len(users), len(users))


def test_certificates_come_page_by_page(store: Store, clock: ManualClock) -> None:
    """The newest first; of a tenant they are whole as far as they are about it, in a list of all they name nobody."""
    tenants = [builders.tenant(name, START) for name in ("Acme", "Other")]
    builders.save(store, tenants)
    erasures, made = Erasures(store, clock), list[str]()
    for tenant in (None, tenants[0], None, tenants[1]):
        clock.advance(1)
        made.append(erasures.erase(WHO, "ann", tenant).id)

    first = erasures.list(WHO, most=3)
    rest = erasures.list(WHO, before=first[-1].id)
    mine = erasures.list(WHO, tenants[0])

    assert [one.id for one in (*first, *rest)] == made[::-1]
    assert [one.tenants for one in (*first, *rest)] == [1, 2, 1, 2]
    assert [(one.id, [user.tenant for user in one.users]) for one in mine] == [(one, ["Acme"]) for one in made[2::-1]]
    assert "users" not in first[0].document()
    assert [one.id for one in erasures.every(WHO)] == made[::-1]
    with pytest.raises(Invalid, match="not the certificate"):
        erasures.repeat(WHO, [first[0].document()])


def test_one_that_was_cut_is_finished_by_whoever_looks_next(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process died between two transactions: it is in progress until the chore has done the rest."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    called(store, acme, "ann", AT_ONCE + 3)
    erasures = Erasures(store, clock)
    monkeypatch.setattr(Store, "rest", staticmethod(lambda: (_ for _ in ()).throw(KeyboardInterrupt)))
    with pytest.raises(KeyboardInterrupt):
        erasures.erase(WHO, "ann", acme)
    monkeypatch.undo()
    (half,) = erasures.list(WHO)
    assert (half.document()["status"], half.calls) == ("in progress", AT_ONCE)

    assert erasures.follow_up() == 3

    (whole,) = erasures.list(WHO)
    assert (whole.document()["status"], whole.calls) == ("done", AT_ONCE + 3)
    assert CANARY not in kept(store)
    assert timedelta(minutes=5) > room.SETTLED, "the chore looks again behind it"
