import subprocess
import sys
import time
from datetime import date

import pytest

from kronos_quant.signals import ComputedSource, SignalStore
from kronos_quant.signals.claims import Claims
from kronos_quant.signals.generate import generate

ON, LATER = date(2025, 6, 4), date(2025, 6, 5)


def test_a_date_is_claimed_by_one_and_given_up_without_a_trace(tmp_path):
    first, second = Claims(tmp_path, "a"), Claims(tmp_path, "a")
    assert first.take(ON)
    assert not second.take(ON)
    assert second.take(LATER)
    first.give_up(ON)
    assert second.take(ON)
    with second:
        pass
    assert first.take(ON)
    assert first.take(LATER)
    with first:
        pass
    assert list(tmp_path.iterdir()) == []


HOLDS = """
import sys, time
from datetime import date
from pathlib import Path
from kronos_quant.signals.claims import Claims
claims = Claims(Path(sys.argv[1]), "a")
assert claims.take(date(2025, 6, 4))
print("held", flush=True)
time.sleep(600)
"""


def test_the_claim_of_a_killed_process_is_void(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert not Claims(tmp_path, "a").take(ON)
        other.kill()
    assert [path.name for path in (tmp_path / ".claims").iterdir()] == ["a-2025-06-04.lock"]
    with Claims(tmp_path, "b") as others:
        assert others.take(ON)
    assert list(tmp_path.iterdir()) == []


def test_a_void_claim_goes_also_where_every_session_is_stored(bench):
    made = bench()
    on = made.market.sessions()[-1]
    source = ComputedSource(made.market, made.recipe, made.store, made.weights)
    assert source.ensure([on], "cpu").computed == 1
    claim = made.store.root / ".claims" / f"{made.recipe.digest}-{on}.lock"
    claim.parent.mkdir()
    claim.touch()  # of a process that was killed before it gave up its last session
    assert source.ensure([on], "cpu").computed == 0
    assert not claim.parent.exists()


def test_a_file_system_without_locks_claims_nothing_and_computes(tmp_path, monkeypatch):
    def refuse(*arguments, **settings):
        raise NotImplementedError

    monkeypatch.setattr("kronos_quant.signals.claims.FileLock.acquire", refuse)
    claims = Claims(tmp_path, "a")
    assert claims.take(ON)
    claims.give_up(ON)


@pytest.fixture
def shared(bench, tmp_path, monkeypatch):
    """A bench, four sessions of it, another writer's claims, and what that one does while this one waits."""
    made = bench(tmp_path / "store")
    other = Claims(tmp_path / "store", made.recipe.digest)
    meanwhile = []
    monkeypatch.setattr(time, "sleep", lambda seconds: meanwhile.pop(0)())
    return made, made.market.sessions()[60:64], other, meanwhile


def run(made, plan):
    return generate(plan, made.weights.pair, made.recipe, made.store, ["cpu"])


def test_what_another_process_computes_is_left_to_it_and_waited_for(shared, bench, tmp_path, caplog):
    made, sessions, other, meanwhile = shared
    theirs = bench(tmp_path / "theirs")
    reference = theirs.compute(sessions)

    def finish():
        assert made.store.dates() == [sessions[0], *sessions[2:]]
        made.store.path(sessions[1]).write_bytes(theirs.store.path(sessions[1]).read_bytes())
        other.give_up(sessions[1])

    assert other.take(sessions[1])
    meanwhile += [lambda: None, finish]
    caplog.set_level("INFO")
    assert run(made, made.plan(sessions)) == 3
    assert made.store.read(sessions).equals(reference)
    assert f"waiting for another process that computes {sessions[1]}" in caplog.messages
    assert not meanwhile


def test_what_another_process_gave_up_is_computed_here(shared):
    made, sessions, other, meanwhile = shared
    assert other.take(sessions[1])
    meanwhile.append(lambda: other.give_up(sessions[1]))
    assert run(made, made.plan(sessions)) == 4
    assert made.store.dates() == sessions
    assert not (made.store.root / ".claims").exists()


def test_what_another_process_finished_since_the_plan_is_not_computed_again(shared):
    made, sessions, _, _ = shared
    plan = made.plan(sessions)
    made.compute(sessions[:3])
    assert run(made, plan) == 1
    assert run(made, plan) == 0


def test_a_date_that_another_replaces_at_once_is_computed_once(shared, monkeypatch):
    made, sessions, _, _ = shared
    written = []

    def replaced(store, on, scores, seen):
        written.append(on)
        write(store, on, scores, "what the bars of another writer are")

    write = SignalStore.write
    monkeypatch.setattr(SignalStore, "write", replaced)
    assert run(made, made.plan(sessions)) == 4
    assert written == sessions


def test_claims_end_with_an_error(shared, monkeypatch):
    made, sessions, other, _ = shared

    def full(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(SignalStore, "write", full)
    with pytest.raises(OSError, match="no space left"):
        run(made, made.plan(sessions))
    assert all(other.take(on) for on in sessions)
