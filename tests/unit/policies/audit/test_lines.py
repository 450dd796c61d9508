"""The audit log on a real file system: what is kept, when it is durable, what a bad disk or a crash leaves."""

import asyncio
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from policies.audit.entry import Entry
from policies.audit.lines import LineLog
from policies.audit.segments import read_entries, segments
from policies.decision import Verdict
from registry.model import AuditUnavailable, Denied, Fault, Result
from tests.support.calls import READ, WRITE, call


def entries(folder: Path, kind: str) -> list[Entry]:
    return [entry for entry in read_entries(folder) if entry["kind"] == kind]


async def test_a_call_has_a_decision_and_an_outcome(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path, clock=lambda: datetime(2026, 11, 22, 8, 0, 0, 5, tzinfo=UTC))
    made = call(content={"query": "rust", "limit": 10})
    async with log.recording(made, replace(WRITE, declared={"limit": 10}, obligations=("redact:email",))) as entry:
        entry.finished(Result(text='{"found":1}'))
    await log.close()

    segment, decision, outcome = read_entries(tmp_path)
    assert segment == {"seq": 1, "kind": "segment", "time": "2026-11-22T08:00:00.000005Z", "open": []}
    assert decision == {
        "seq": 2,
        "kind": "decision",
        "time": "2026-11-22T08:00:00.000005Z",
        "call": made.id,
        "door": "mcp",
        "action": "invoke",
        "target": "skill:candidates.search",
        "chain": [
            {"kind": "person", "name": "recruiter", "issuer": "https://idp", "subject": "u-17", "domain": "hiring"},
            {"kind": "agent", "name": "assistant", "issuer": "https://idp", "subject": "c-3", "domain": ""},
        ],
        "verdict": "allow",
        "policies": ["demo-1"],
        "policy_version": "p-1",
        "catalog_version": 4,
        # printf '{"limit":10,"query":"rust"}' | sha256sum
        "arguments": "sha256:900b7e07c6b11d6b3671d74ef3a305df966ac647b5da65c8506dc97c68fa8d4b",
        "pin": WRITE.pin,
        "revision": 3,
        "declared": {"limit": 10},
        "obligations": ["redact:email"],
    }
    assert outcome.pop("latency_ms") >= 0
    assert outcome == {
        "seq": 3,
        "kind": "outcome",
        "time": "2026-11-22T08:00:00.000005Z",
        "call": made.id,
        "outcome": "ok",
        "is_error": False,
        "size": 11,
        # printf '{"found":1}' | sha256sum
        "result": "sha256:7595af28e7ef348ac1d1856f3000baa96b8023946ae3406d00f5010c8f62d9b3",
    }


async def test_a_write_is_on_disk_before_it_is_made(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    made = call()
    async with log.recording(made, WRITE):
        assert [entry["call"] for entry in entries(tmp_path, "decision")] == [made.id]
    await log.close()


async def test_it_is_not_only_written_but_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fdatasync = os.fdatasync

    def noted(file: int) -> None:
        fdatasync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fdatasync", noted)
    log = LineLog.open(tmp_path)
    async with log.recording(call(), WRITE):
        assert synced[-1] == segments(tmp_path)[0].stat().st_size
    await log.close()


async def test_calls_at_the_same_time_share_a_sync_and_each_has_its_own_lines(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    made = [call() for _ in range(200)]

    async def one(index: int) -> None:
        async with log.recording(made[index], WRITE if index % 2 else READ) as entry:
            entry.finished(Result(text=str(index)))

    await asyncio.gather(*map(one, range(len(made))))
    await log.close()
    wanted = {one.id for one in made}
    assert {entry["call"] for entry in entries(tmp_path, "decision")} == wanted
    assert {entry["call"] for entry in entries(tmp_path, "outcome")} == wanted
    assert [entry["seq"] for entry in read_entries(tmp_path)] == list(range(1, 402))


@pytest.mark.parametrize(
    ("error", "code"),
    [(Denied("no"), "denied"), (asyncio.CancelledError(), "cancelled"), (ZeroDivisionError(), "internal")],
)
async def test_how_a_call_failed_is_its_outcome(tmp_path: Path, error: BaseException, code: str) -> None:
    log = LineLog.open(tmp_path)
    with pytest.raises(type(error)):
        async with log.recording(call(), READ):
            raise error
    await log.close()
    assert [entry["outcome"] for entry in entries(tmp_path, "outcome")] == [code]


async def test_why_a_call_was_refused_is_kept_without_what_was_sent(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    refusal = replace(
        READ,
        verdict=Verdict.INVALID,
        errors=("policy p9: missing attribute",),
        scopes=("hiring.write",),
        faults=(Fault("/amount", "'CANARY-1' is not a number"),),
        sentence="no: CANARY-2",
    )
    with pytest.raises(Denied):
        async with log.recording(call(content={"amount": "CANARY-3"}), refusal):
            raise Denied("CANARY-4")
    async with log.recording(call(), READ) as entry:
        entry.finished(Result(text="CANARY-5", structured={"a": "CANARY-6"}))
    await log.close()
    (decision, _) = entries(tmp_path, "decision")
    assert decision["verdict"] == "invalid"
    assert decision["errors"] == ["policy p9: missing attribute"]
    assert decision["scopes"] == ["hiring.write"]
    assert decision["faults"] == ["/amount"]
    assert not any(b"CANARY" in path.read_bytes() for path in segments(tmp_path))


@pytest.mark.parametrize("name", ['a\nb\r"}\x1b[31m', "\ud800", "x" * 70_000, "\u2028"])
async def test_a_name_that_a_client_chose_stays_in_its_line(tmp_path: Path, name: str) -> None:
    log = LineLog.open(tmp_path)
    async with log.recording(call(name), WRITE):
        pass
    await log.close()
    (decision,) = entries(tmp_path, "decision")
    assert decision["target"].startswith(f"skill:{name}"[:256].replace("\ud800", "?"))
    assert segments(tmp_path)[0].stat().st_size < 3000


async def test_what_orjson_refuses_is_recorded_all_the_same(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    async with log.recording(call(content={"n": 10**30, "s": "\udfff"}), WRITE) as entry:
        entry.finished(Result(structured={"n": 10**30}))
    await log.close()
    assert len(entries(tmp_path, "outcome")) == 1


async def test_the_trace_of_a_call_is_named(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    with TracerProvider().get_tracer("test").start_as_current_span("a") as span:
        async with log.recording(call(), WRITE):
            pass
    await log.close()
    assert entries(tmp_path, "decision")[0]["trace"] == f"{span.get_span_context().trace_id:032x}"


async def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path / "state" / "audit")
    await log.close()
    (path,) = segments(tmp_path / "state" / "audit")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


# A disk that refuses


@contextmanager
def full_disk(folder: Path, *, room: int = 100) -> Generator[None]:
    """Let no file grow much beyond what the last segment has, by the kernel's own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (segments(folder)[-1].stat().st_size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_attack_42_on_a_full_disk_writes_are_refused_and_reads_are_not(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    reads, refused, after = call(), call(), call()
    with full_disk(tmp_path):
        with pytest.raises(AuditUnavailable, match="nothing was done"):
            async with log.recording(refused, WRITE):
                pytest.fail("the write was made")
        async with log.recording(reads, READ):
            pass
        with pytest.raises(AuditUnavailable):
            async with log.recording(call(), WRITE):
                pytest.fail("the write was made")
    async with log.recording(after, WRITE):  # the disk is back
        pass
    await log.close()
    assert {entry["call"] for entry in entries(tmp_path, "decision")} == {reads.id, after.id}
    assert {entry["call"] for entry in entries(tmp_path, "outcome")} == {reads.id, after.id}
    assert [entry["seq"] for entry in read_entries(tmp_path)] == [1, 2, 3, 4, 5]


async def test_what_was_written_of_a_group_that_failed_does_not_stay(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    made: list[str] = []

    async def one() -> None:
        attempt = call()
        async with log.recording(attempt, WRITE):
            made.append(attempt.id)

    with full_disk(tmp_path, room=5000):
        done = await asyncio.gather(*(one() for _ in range(40)), return_exceptions=True)
    assert any(isinstance(result, AuditUnavailable) for result in done)
    await one()
    await log.close()
    assert sorted(entry["call"] for entry in entries(tmp_path, "decision")) == sorted(made)
    assert all(path.read_bytes().endswith(b"\n") for path in segments(tmp_path))


async def test_attack_42_reads_are_refused_too_where_that_is_wanted(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path, fail_closed_reads=True)
    with full_disk(tmp_path):
        with pytest.raises(AuditUnavailable):
            async with log.recording(call(), WRITE):
                pytest.fail("the write was made")
        with pytest.raises(AuditUnavailable):
            async with log.recording(call(), READ):
                pytest.fail("the read was made")
    async with log.recording(call(), READ):
        pass
    await log.close()
    assert len(entries(tmp_path, "decision")) == 1


async def test_what_a_full_disk_made_us_forget_is_said(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path, most_waiting=4)
    with full_disk(tmp_path):
        with pytest.raises(AuditUnavailable):
            async with log.recording(call(), WRITE):
                pytest.fail("the write was made")
        for _ in range(10):
            async with log.recording(call(), READ):
                pass
    async with log.recording(call(), WRITE):
        pass
    await log.close()
    lost = sum(entry["lost"] for entry in entries(tmp_path, "gap"))
    kept = len(entries(tmp_path, "decision")) + len(entries(tmp_path, "outcome"))
    assert lost > 0
    assert lost + kept == 22


async def test_a_full_queue_makes_reads_wait_for_the_disk(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path, most_waiting=0)
    made = call()
    async with log.recording(made, READ):
        assert [entry["call"] for entry in entries(tmp_path, "decision")] == [made.id]
    await log.close()


async def test_a_segment_that_somebody_deleted_is_followed_by_a_new_one(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    segments(tmp_path)[0].unlink()
    made = call()
    async with log.recording(made, WRITE):
        pass
    await log.close()
    assert [entry["call"] for entry in entries(tmp_path, "decision")] == [made.id]


def test_a_folder_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(AuditUnavailable, match="cannot be written"):
        LineLog.open(tmp_path / "audit")


async def test_a_closed_log_records_nothing(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    await log.close()
    with pytest.raises(AuditUnavailable, match="closed"):
        async with log.recording(call(), READ):
            pytest.fail("the call was made")


# Runs and segments


async def test_a_large_log_is_many_segments_that_read_as_one(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path, largest_segment=1000)
    made = [call() for _ in range(12)]
    for one in made:
        async with log.recording(one, WRITE):
            pass
    await log.close()
    assert len(segments(tmp_path)) > 3
    assert [entry["call"] for entry in entries(tmp_path, "decision")] == [one.id for one in made]
    numbers = [entry["seq"] for entry in read_entries(tmp_path)]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_calls_left_open_by_an_earlier_run_are_closed_as_unknown(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path, largest_segment=500)
    left_open = call()
    await log.recording(left_open, WRITE).__aenter__()
    for _ in range(4):  # and the log goes on into other segments
        async with log.recording(call(), WRITE):
            pass
    await log.close()

    for _ in range(2):  # once, however often it starts
        log = LineLog.open(tmp_path)
        await log.close()
        outcomes = [entry for entry in entries(tmp_path, "outcome") if entry["call"] == left_open.id]
        assert [entry["outcome"] for entry in outcomes] == ["unknown"]


async def test_half_a_line_is_cut_off_before_anything_follows(tmp_path: Path) -> None:
    log = LineLog.open(tmp_path)
    async with log.recording(call(), WRITE):
        pass
    await log.close()
    (first,) = segments(tmp_path)
    whole = first.read_bytes()
    first.write_bytes(whole + b'{"seq":4,"kind":"deci')
    assert len(list(read_entries(tmp_path))) == 3
    await LineLog.open(tmp_path).close()
    assert first.read_bytes() == whole
    assert [entry["seq"] for entry in read_entries(tmp_path)] == [1, 2, 3, 4]


async def test_a_clock_that_goes_back_does_not_mix_up_the_segments(tmp_path: Path) -> None:
    today = datetime(2026, 11, 22, tzinfo=UTC)
    for days in (0, -1, 1, -400):
        await LineLog.open(tmp_path, clock=lambda: today + timedelta(days=days)).close()  # noqa: B023
    assert [path.name for path in segments(tmp_path)] == [
        "audit-20261122-000001.jsonl",
        "audit-20261122-000002.jsonl",
        "audit-20261123-000001.jsonl",
        "audit-20261123-000002.jsonl",
    ]
    assert [entry["seq"] for entry in read_entries(tmp_path)] == [1, 2, 3, 4]


WRITER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from policies.audit.lines import LineLog
    from tests.support.calls import WRITE, call

    async def worker(log):
        while True:
            made = call()
            async with log.recording(made, WRITE):
                sys.stdout.write(made.id + "\\n")  # the write happens
                sys.stdout.flush()

    async def main():
        log = LineLog.open(Path(sys.argv[1]), largest_segment=20_000)
        await asyncio.gather(*(worker(log) for _ in range(8)))

    asyncio.run(main())
""")


@pytest.mark.parametrize("after", [1, 40, 300])
async def test_attack_39_killed_at_any_point_no_write_is_without_a_record(tmp_path: Path, after: int) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}) as process:
        assert process.stdout is not None
        happened = [process.stdout.readline().strip() for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        happened += [line.strip() for line in process.stdout if line.endswith("\n")]

    await LineLog.open(tmp_path).close()
    decisions = [entry["call"] for entry in entries(tmp_path, "decision")]
    outcomes = [entry["call"] for entry in entries(tmp_path, "outcome")]
    assert set(happened) <= set(decisions)
    assert len(set(decisions)) == len(decisions)
    assert sorted(outcomes) == sorted(decisions)
    numbers = [entry["seq"] for entry in read_entries(tmp_path)]
    assert numbers == list(range(1, len(numbers) + 1))
