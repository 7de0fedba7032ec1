"""What is heavy to read is read by a process beside, and alike. That this dies, hangs or is stopped loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from core.errors import Invalid
from core.field_problems import field_errors
from core.json_texts import json_in
from core.response_models import ResponseModel, response_model
from core.schema_forms import MODES, VENDORS, form_for
from core.schemas import checked
from core.validation import Effort
from core.workers import Unjudged, Workers, Written, _first_valid, _pool, _worker, first_valid, validated
from core.workers._first_valid import MOST_BYTES
from core.workers._order import Order, WorkerReply
from core.workers._worker import Worker
from tests.core.validation.multiplying import KINDS, Kind, random_kinds
from tests.core.validation.schemas_and_values import roots, values
from tests.examples import many

ENOUGH = 60.0
"""Seconds of effort, so that none of these ends for want of it."""
LINES: dict[str, Any] = {
    "type": "object",
    "properties": {"lines": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}},
    "required": ["lines"],
}
MODEL = response_model(LINES, "lines")
HEAVY = json.dumps({"lines": list(range(40_000))})
WRONG = HEAVY.replace("39999", '"x"')
LIGHT = '{"lines": [1, 2]}'


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """One worker, once it is needed."""
    with_one = Workers(1)
    yield with_one
    with_one.close()


@pytest.fixture
def all_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read here where a worker can."""
    monkeypatch.setattr(_first_valid, "is_heavy", lambda *_: True)


def outcome(read: Any) -> Any:
    """Return what *read* returns or raises, in a form that can be compared."""
    try:
        model: BaseModel = read()
    except ValidationError as error:
        return str(error), field_errors(error)
    except Unjudged:
        return "unjudged"
    assert isinstance(model, ResponseModel)
    return model.value, model.text, type(model)


def both(model: type[ResponseModel], text: str, workers: Workers, **more: Any) -> tuple[Any, Any]:
    """Return what comes of *text* here, and by a worker."""
    here = outcome(lambda: first_valid(model, Written((text,)), Effort(ENOUGH), **more))
    return here, outcome(lambda: first_valid(model, Written((text,)), Effort(ENOUGH, workers=workers.of("")), **more))


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not asked after does not."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(said.stdout.strip()) and not said.stdout.strip().startswith("Z")


def until_gone(pid: int) -> bool:
    """Wait until a process has ended; whether it has."""
    for _ in range(600):
        if not is_running(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.usefixtures("all_heavy")
@pytest.mark.parametrize("kind", [*KINDS, *random_kinds(40)], ids=lambda kind: kind.name)
def test_a_worker_finds_what_is_found_here(kind: Kind, workers: Workers) -> None:
    """Verdict, value, text and every problem are the same, for answers of every kind that multiplies."""
    try:
        model = response_model(kind.schema, "bench")
    except Invalid:
        return
    here, by_worker = both(model, kind.answer(2_000), workers)
    assert here == by_worker


@pytest.mark.usefixtures("all_heavy")
@settings(
    max_examples=many(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(schema=roots, value=values, vendor=st.sampled_from(VENDORS), mode=st.sampled_from(MODES))
def test_a_worker_leads_back_what_is_led_back_here(
    schema: dict[str, Any], value: Any, vendor: str, mode: str, workers: Workers
) -> None:
    """Also through the form of each vendor in each mode, and with prose around the object."""
    try:
        model = response_model(schema, "generated")
    except Invalid:
        return
    form = form_for(model.model_json_schema(), vendor, mode)
    here, by_worker = both(model, f"So: {json.dumps(value)}.", workers, form=form)
    assert here == by_worker


@pytest.mark.usefixtures("all_heavy")
@pytest.mark.parametrize(
    "text", ['{"n": 1}', '{"n": "\\ud800"}', '{"n": "\ud800"}', "", "No.", "[" * 100_000, '{"n":1e999}']
)
def test_odd_texts_are_told_alike(text: str, workers: Workers) -> None:
    """A text that no JSON has, or that nobody can encode, is met with the same words or the same error."""
    model = response_model({"type": "object", "properties": {"n": {"type": ["integer", "string"]}}}, "odd")

    def told(paid: Effort) -> Any:
        try:
            return outcome(lambda: validated(model, text, paid))
        except UnicodeError as error:
            return type(error)

    assert told(Effort(ENOUGH)) == told(Effort(ENOUGH, workers=workers.of("")))


def test_an_ordinary_answer_meets_no_worker() -> None:
    """None is started for it, valid or not."""
    workers = Workers(1)
    for text in (LIGHT, '{"lines": [1, "2"]}', "No."):
        outcome(lambda text=text: first_valid(MODEL, Written((text,)), Effort(workers=workers.of(""))))
    assert workers.pids == []
    workers.close()


def test_what_turns_out_to_be_heavy_goes_to_a_worker(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with a small answer may be long to find: it is looked for here only briefly."""
    monkeypatch.setattr(_first_valid, "BRIEFLY", 0.0)
    text, asked = '{"lines": [1, 2, "3"]} {"lines": 1}', []
    read = workers.read_for
    monkeypatch.setattr(workers, "read_for", lambda *given: asked.append(given) or read(*given))
    here, by_worker = both(MODEL, text, workers)
    assert here == by_worker
    assert len(asked) == 1


@pytest.mark.parametrize("text", [HEAVY, WRONG])
def test_a_worker_that_is_killed_while_it_reads_is_followed_by_another(text: str) -> None:
    """Nothing is lost, and the next one has the same to say."""
    workers = Workers(1)
    first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
    [pid] = workers.pids
    os.kill(pid, signal.SIGSTOP)  # it has the order, or a part of it, and does not answer
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(both, MODEL, text, workers)
        os.kill(pid, signal.SIGKILL)
        here, by_worker = read.result()
    assert here == by_worker
    assert workers.pids != [pid]
    workers.close()


def test_an_answer_that_ends_two_workers_ends_no_third(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read in this process either, which it might end as well: it is unjudged."""
    workers, ended, read = Workers(1), [], Worker.read

    def dying(self: Worker, *given: Any) -> Any:
        self.is_ready = True
        ended.append(self.pid)
        os.kill(self.pid, signal.SIGKILL)
        return read(self, *given)

    monkeypatch.setattr(Worker, "read", dying)
    with pytest.raises(Unjudged, match="those that read it ended, or none was free"):
        first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
    assert len(set(ended)) == 2
    assert workers.pids == []
    workers.close()


def test_where_no_worker_can_be_started_it_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that does not run is no reason to lose an answer."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for missing in ("/bin/false", "/nonexistent"):
        monkeypatch.setattr(sys, "executable", missing)
        workers = Workers(1)
        read: Any = first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
        assert len(read.value["lines"]) == 40_000
        workers.close()


def test_a_worker_that_is_silent_behind_the_deadline_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is unjudged then, and the next one has a worker again."""
    monkeypatch.setattr(_worker, "_TICKS_LATE", 2)
    workers = Workers(1)
    first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
    [pid] = workers.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Unjudged):
        first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of(""), is_late=lambda: True))
    assert not is_running(pid)
    first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
    workers.close()


def test_the_deadline_ends_the_search_of_a_worker(workers: Workers) -> None:
    """It is told so while it reads; a valid answer is given all the same, and the worker goes on."""
    late = Effort(ENOUGH, workers=workers.of(""), is_late=lambda: True)
    assert outcome(lambda: first_valid(MODEL, Written((HEAVY,)), late))[0] == json.loads(HEAVY)
    found = outcome(lambda: first_valid(MODEL, Written((WRONG + " " + WRONG.replace("x", "y"),)), late))
    assert found == "unjudged" or found[1][0].path == "$.lines[39999]"  # it may be done before it is told
    here, by_worker = both(MODEL, HEAVY, workers)
    assert here == by_worker


def test_what_a_worker_spends_is_charged(workers: Workers) -> None:
    """All that is tried of one answer is paid from one effort, wherever it is read."""
    effort = Effort(ENOUGH, spent=lambda: 0.0, workers=workers.of(""))
    first_valid(MODEL, Written((HEAVY,)), effort)
    assert effort.left < ENOUGH


def test_more_schemas_than_a_worker_keeps(workers: Workers) -> None:
    """One that it has forgotten is sent again."""
    models = [response_model(LINES | {"title": f"t{n}"}, f"lines{n}") for n in range(70)]
    for model in (*models, models[0]):
        read: Any = first_valid(model, Written((HEAVY,)), Effort(workers=workers.of("")))
        assert type(read) is model


def test_stopping_ends_them_all() -> None:
    """Also one that reads: its answer is read here, and none is started any more."""
    workers = Workers(2)
    with ThreadPoolExecutor(4) as threads:
        efforts = [Effort(workers=workers.of("")) for _ in range(8)]
        readings = [threads.submit(first_valid, MODEL, Written((HEAVY,)), effort) for effort in efforts]
        readings[0].result()
        pids = workers.pids
        workers.close()
        assert all(one.result() for one in readings)
    assert pids
    assert all(map(until_gone, pids))
    assert workers.pids == []


def test_a_parent_that_is_killed_leaves_none(tmp_path: Path) -> None:
    """Its worker ends by itself, as nobody sends it anything any more."""
    program = tmp_path / "parent.py"
    program.write_text(
        "import time\n"
        "from core.validation import Effort\n"
        "from core.workers import Workers, Written, first_valid\n"
        "from core.response_models import response_model\n"
        "workers = Workers(1)\n"
        f"model = response_model({LINES!r}, 'lines')\n"
        "text = '{\"lines\": [' + ','.join(['1'] * 40000) + ']}'\n"
        "first_valid(model, Written((text,)), Effort(workers=workers.of('')))\n"
        "print(workers.pids[0], flush=True)\n"
        "time.sleep(600)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    assert until_gone(pid)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks where Linux tells of processes")
def test_a_worker_holds_nothing_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address is in its environment, no socket or file of its parent's is open, Streamlit is not loaded."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:secret@db/proctor")
    workers = Workers(1)
    first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
    [pid] = workers.pids
    assert "secret" not in Path(f"/proc/{pid}/environ").read_text()
    opened = {str(one.readlink()).split(":")[0] for one in Path(f"/proc/{pid}/fd").iterdir()}
    assert opened <= {"pipe", "/dev/null"}
    assert "streamlit" not in Path(f"/proc/{pid}/maps").read_text()
    workers.close()


def test_who_waits_too_long_for_a_worker_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line has an end, and what stands at it says that nobody was free."""
    monkeypatch.setattr(_pool, "MOST_WAITING_SECONDS", 0.05)
    workers = Workers(1)
    first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
    [pid] = workers.pids
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(first_valid, MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
        while not (is_busy := workers.busy):
            time.sleep(0.01)
        assert is_busy
        with pytest.raises(Unjudged, match="none was free"):
            first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
        os.kill(pid, signal.SIGCONT)
        assert first.result()
    workers.close()


def test_many_wait_for_one_worker() -> None:
    """Each has its own answer, in whatever order they come to be read."""
    workers = Workers(1)
    texts = [json.dumps({"lines": [n] * 30_000}) for n in range(12)]
    begin = threading.Barrier(len(texts))

    def read(text: str) -> Any:
        begin.wait(60)
        found: Any = first_valid(MODEL, Written((text,)), Effort(ENOUGH, workers=workers.of("")))
        return found.value["lines"][0]

    with ThreadPoolExecutor(len(texts)) as threads:
        assert list(threads.map(read, texts)) == list(range(12))
    assert len(workers.pids) == 1
    workers.close()


class _Patient:
    """A worker that reads once it is let."""

    is_ready, pid, exit_code = True, 0, None
    begun, let = threading.Semaphore(0), threading.Semaphore(0)

    def __init__(self, pipeline: str = "") -> None:
        assert not pipeline

    def read(self, model: Any, order: Any, effort: Any) -> WorkerReply:
        """Wait until it is let."""
        del model, order, effort
        self.begun.release()
        assert self.let.acquire(timeout=60)
        return WorkerReply("valid")

    def end(self) -> None:
        """Do nothing."""

    close = end


def _read_in_turn(workers: Workers, tenants: str) -> str:
    """Let an answer of each of *tenants* come; return whose were read, in order; in front those that had no room."""
    told: list[str] = []

    def read(tenant: str) -> None:
        reply = workers.of(tenant).read(None, Order(Written(("{}",))), Effort())
        told.append(tenant if reply is not None and reply.found == "valid" else tenant.lower())

    with ThreadPoolExecutor(len(tenants)) as threads:
        threads.submit(read, tenants[0])
        assert _Patient.begun.acquire(timeout=60)
        for n, tenant in enumerate(tenants[1:], 1):
            threads.submit(read, tenant)
            while workers.waiting + len(told) < n:
                time.sleep(0.001)
        for n in range(len(told) + 1, len(tenants) + 1):
            _Patient.let.release()
            while len(told) < n:
                time.sleep(0.001)
    return "".join(told)


def test_tenants_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has many answers that wait keeps nobody from the next worker, and may not fill the line."""
    monkeypatch.setattr(_pool, "Worker", _Patient)
    assert _read_in_turn(Workers(1), "AAAABC") == "AABCAA"
    monkeypatch.setattr(_pool, "MOST_WAITING", 5)
    assert _read_in_turn(Workers(1), "AAAAAAB") == "aAABAAA", "four wait, the fifth has no room"


def test_that_none_can_be_started_is_known_until_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of it names the line of the log, and ends with the next answer that a worker reads."""
    workers, python = Workers(1), sys.executable
    assert workers.starts()
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    assert not workers.starts()
    first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
    assert "worker_lost" in workers.trouble
    monkeypatch.setattr(sys, "executable", python)
    first_valid(MODEL, Written((HEAVY,)), Effort(workers=workers.of("")))
    assert not workers.trouble
    workers.close()


@pytest.mark.parametrize("text", [HEAVY, WRONG, LIGHT, '{"lines": ["\\ud800"]}', '{"lines": "\ud800"}'])
def test_an_answer_at_hand_is_held_against_a_schema_alike(text: str, workers: Workers) -> None:
    """*Check an answer* says the same, whoever reads it; also of half a surrogate, which no answer has."""
    here, by_worker = checked(MODEL, text), checked(MODEL, text, workers.of(""))
    assert (here.value, here.problems) == (by_worker.value, by_worker.problems)
    assert bool(here.problems) is (text not in (HEAVY, LIGHT))


PAD = json.dumps("x" * MOST_BYTES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'{{"a": {PAD}, "b": [1, 1.5, 1e999, {"9" * 400}, null, "\\ud800"]}}', ""),
        (f'\ufeff[{PAD}, "\ud800"]', ""),
        (f'{{"a": {PAD},\n"b": nope}}', "The answer is not JSON. Line 2, column 6: expecting value."),
        (f'{{"a": {PAD}, "a": 1}}', "The answer says 'a' twice in one object; leave one of them out."),
        (f'{{"a": {PAD}, "b": NaN}}', "holds NaN, which JSON does not have"),
        ("[" * 210_000, "nests too deep"),
        (f"[{PAD}, {'9' * 5_000}]", "too many digits"),
        (PAD * 6, "larger than 1000 kB"),
    ],
    ids=lambda given: given if len(given) < 100 else "text",
)
def test_long_json_of_a_person_is_read_alike(text: str, says: str, workers: Workers) -> None:
    """What is pasted is taken and refused by a worker as it is here, in the same words."""
    told: list[Any] = []
    for read in (json_in, workers.of("").json_in):
        try:
            told.append(read(text, "The answer"))
        except Invalid as error:
            told.append(error.message)
    assert told[0] == told[1]
    assert not says or says in told[0]


def test_only_long_json_goes_to_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short text is read here, a long one by a worker; where that is lost, a sentence says what to do."""
    workers, asked = Workers(1), list[Any]()
    monkeypatch.setattr(workers, "read_for", lambda tenant, *_: asked.append(tenant) or WorkerReply("lost"))
    assert workers.of("acme").json_in("[1]", "The schema") == [1]
    assert asked == []
    with pytest.raises(Invalid, match="The schema was not read: no worker was free"):
        workers.of("acme").json_in(PAD, "The schema")
    assert asked == ["acme"]
