"""Breaks the loops on purpose, one fault at a time, and sees that a test notices each.

    python3 dev/check/mutations.py [NAME …]      # all of them, or those whose name contains one of these

First every test that is to notice something must pass on the code as it is: a stack that does not start, or a test that
fails anyway, would notice every fault. Then a fault is noticed when its test ran and failed; code that does not
compile, a test that did not run, or a stack that did not start is an error of this check, not a success.

Works on the tree it is called in: a file is put back when its tests have run, and also when they are interrupted. It
needs what the tests need. `tests/whole/main.rs` lists the faults and their tests.
"""

import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHOLE = ["--workspace", "--test", "whole", "--", "--test-threads=1"]
BROKERS = ["-p", "foldstream-fold", "--test", "brokers", "--", "--test-threads=1"]

# Name, file, what stands there, what is put there, the tests that must notice.
FAULTS = [
    (
        "the position is committed before the rows",
        "engine/store/src/checkpoint.rs",
        "        M::write(&commit.changes, &mut transaction)",
        "        transaction.commit().await.map_err(for_store)?;\n"
        "        let mut transaction = self.database.pool().begin().await.map_err(for_store)?;\n"
        "        M::write(&commit.changes, &mut transaction)",
        [*WHOLE, "exactly_once::killed_ten"],
    ),
    (
        "the fence of projections is taken out",
        "engine/store/queries/checkpoint/advance.sql",
        "\n  and stands.next_offset = batch.start_offset",
        "",
        [*WHOLE, "zombies::a_frozen_projection"],
    ),
    (
        "a position is one too low",
        "engine/fold/src/projection/folding.rs",
        "advance.end = entry.offset + 1;",
        "advance.end = entry.offset;",
        ["-p", "foldstream-fold", "--lib", "folding"],
    ),
    (
        "offsets are committed after the facts, in a transaction of their own",
        "engine/fold/src/processor/transaction.rs",
        "    writer.move_offsets(",
        "    writer.commit()?;\n    writer.begin()?;\n    writer.move_offsets(",
        [*WHOLE, "deciding::killed"],
    ),
    (
        "parked keys are forgotten when a service starts",
        "engine/store/src/checkpoint.rs",
        "parked::keys(self.database.pool(), &self.dead_letter_owner(projection), partitions).await.map_err(for_store)",
        "{\n            let _ = (projection, partitions);\n            Ok(Vec::new())\n        }",
        [*WHOLE, "parked::a_key_waits"],
    ),
    (
        "dead letters of a key that ended stay",
        "engine/store/src/checkpoint.rs",
        "        dead_letter::erase(&mut transaction, &owner, &commit.erased).await.map_err(for_store)?;\n",
        "",
        [*WHOLE, "parked::erasing"],
    ),
    (
        "what comes of a key after it ended is kept",
        "engine/fold/src/projection/folding.rs",
        "if key.is_some_and(|key| before.ended.contains(key)) {",
        "if key.is_some_and(|key| before.ended.contains(key) && key.is_empty()) {",
        ["-p", "foldstream-fold", "--lib", "folding"],
    ),
    (
        "a record is read whatever its writer's schema says",
        "engine/log/src/codec.rs",
        "record.and_then(|record| schema.difference(record.schema))",
        "record.and_then(|record| schema.difference(record.schema).filter(|_| false))",
        ["-p", "foldstream-events", "--test", "golden", "a_time_of_another_unit"],
    ),
    (
        "a version is folded whatever its tables are",
        "engine/store/src/versions/folding.rs",
        "if !version.has_tables_of::<P>() {",
        "if version.version == 0 {",
        ["-p", "foldstream-store", "--test", "versions", "changed_tables"],
    ),
    (
        "the state of a decider is not written",
        "engine/fold/src/processor/transaction.rs",
        "(Some(record), _) => writer.append_state_to(*partition, record, P::FOLD_VERSION)?,",
        "(Some(_), _) => {}",
        [*WHOLE, "deciding::killed"],
    ),
    (
        "answered commands are forgotten",
        "engine/fold/src/aggregate/memory.rs",
        "    answered.push(AnsweredCommand {",
        "    return;\n    #[expect(unreachable_code)]\n    answered.push(AnsweredCommand {",
        ["-p", "foldstream-fold", "--lib", "aggregate"],
    ),
    (
        "a timer that fired is still due",
        "engine/fold/src/processor/states.rs",
        "                timers.remove(&Timer { due_at, key: key.to_owned(), cell: cell.to_owned() });",
        "                let _ = (&timers, due_at, key, cell);",
        [*WHOLE, "timers"],
    ),
    (
        "the state of a keyed fold is not restored",
        "engine/fold/src/processor/restoring.rs",
        "            task.set(key, cell, state.map_err(|reason| SessionError::State { partition, reason })?);",
        "            let _ = (&task, key, cell, state.map_err(|reason| SessionError::State { partition, reason })?);",
        [*BROKERS, "keyed::windows"],
    ),
    (
        "a watermark is the furthest of its partitions",
        "engine/fold/src/processor/watermarks.rs",
        "awake.map(|(_, stand)| stand.newest_ms).min().flatten()",
        "awake.map(|(_, stand)| stand.newest_ms).max().flatten()",
        ["-p", "foldstream-fold", "--lib", "keyed::tests::windows"],
    ),
    (
        "a watermark begins anew with each owner",
        "engine/fold/src/processor/watermarks.rs",
        "            self.raise(partition.partition, watermark_ms);",
        "            let _ = watermark_ms;",
        ["-p", "foldstream-fold", "--lib", "watermarks"],
    ),
    (
        "a timer on event time fires with the next batch",
        "engine/fold/src/processor/deciding.rs",
        "        self.fire_by_event_time(entry.partition.partition, most_timers, decided);",
        "        let _ = (most_timers, decided);",
        [*BROKERS, "aggregate::lockers"],
    ),
    (
        "a re-keying does not move its offsets",
        "engine/fold/src/processor/transaction.rs",
        "    writer.move_offsets(offsets.iter().map(|(partition, committed)| (*partition, committed)), &content.membership)?;",
        "    let _ = &content.membership;",
        [*BROKERS, "rekey::every_input"],
    ),
    (
        "a reply is not written",
        "engine/fold/src/decider.rs",
        "Ok(reply) => facts.extend(reply.map(Fact::Event)),",
        "Ok(_) => {}",
        [*BROKERS, "process_manager::every_saga"],
    ),
    (
        "what has no answer in time is not taken back",
        "engine/fold/src/process_manager.rs",
        "            saga.done.push(step);\n            Self::keep_compensated(&mut saga)?;",
        "            Self::keep_compensated(&mut saga)?;",
        ["-p", "foldstream-fold", "--lib", "process_manager"],
    ),
    (
        "segments that idle stay open",
        "engine/fold/src/processor/idle_segments.rs",
        "            writer.end_segment(topic, partition).await?;\n",
        "            let _ = &writer;\n",
        [*WHOLE, "erasing"],
    ),
    (
        "states are kept under the ids",
        "processors/people/src/decide.rs",
        "Cow::Owned(hidden_key(Self::NAME, key, &PEOPLE_PROCESSOR_STATE))",
        "{\n        let _ = (hidden_key, &PEOPLE_PROCESSOR_STATE);\n        Cow::Borrowed(key)\n    }",
        [*WHOLE, "erasing"],
    ),
    (
        "consumer groups bear no prefix",
        "engine/log/src/prefix.rs",
        'format!("{}foldstream-{service}", self.0)',
        'format!("foldstream-{service}")',
        [*WHOLE, "environments::two_environments"],
    ),
    (
        "a read does not wait for processors",
        "api/src/freshness/following.rs",
        "if committed.next_offset > range.last {",
        "if committed.next_offset >= 0 {",
        [*WHOLE, "deciding::people"],
    ),
    (
        "a read takes what others wrote for what it waits for",
        "api/src/freshness/arrival.rs",
        "self.following.follow(&asked, true)",
        "self.following.follow(&asked, false)",
        [*WHOLE, "after"],
    ),
    (
        "the offset of an effect moves past records that wait",
        "engine/fold/src/effect/lane.rs",
        "let next_offset = open.first().map_or(self.reached, |open| open.offset);",
        "let next_offset = self.reached;",
        [*BROKERS, "effect::every_record"],
    ),
    (
        "a record goes out before the one before it of its key is committed",
        "engine/fold/src/effect/lane.rs",
        "        self.came_back(offset, State::Settled);",
        "        self.came_back(offset, State::Settled);\n        self.commit();\n        self.committed();",
        ["-p", "foldstream-fold", "--lib", "effect::lane"],
    ),
    (
        "an idempotency key is new at each attempt",
        "engine/fold/src/effect/deliveries.rs",
        'idempotency_key: derived_event_id(&format!("{}/{of}", F::NAME)),',
        'idempotency_key: derived_event_id(&format!("{}/{of}/{number}", F::NAME)),',
        ["-p", "foldstream-fold", "--lib", "effect::deliveries"],
    ),
]


# What a test says whose stack did not come up: it never got to what it holds.
NO_STACK = "no stack: "


def run(tests):
    """How many of these tests passed and failed, and what they said; stops where they could not be run at all."""
    build = tests[: tests.index("--")] if "--" in tests else tests[:-1]
    built = subprocess.run(["cargo", "test", "--locked", "--no-run", *build], cwd=ROOT, capture_output=True, text=True)
    if built.returncode != 0:
        sys.exit(f"does not compile:\n{built.stderr}")
    done = subprocess.run(["cargo", "test", "--locked", *tests], cwd=ROOT, capture_output=True, text=True)
    said = done.stdout + done.stderr
    results = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed", said, re.M)
    passed, failed = (sum(int(result[which]) for result in results) for which in (0, 1))
    if passed + failed == 0:
        sys.exit(f"no test is named {tests[-1]}:\n{said[-2000:]}")
    return passed, failed, said


def baseline(tests):
    passed, failed, said = run(tests)
    if failed:
        sys.exit(f"{tests[-1]} fails on the code as it is ({failed} of {passed + failed}): nothing can be learnt\n{said[-4000:]}")


def noticed(file, before, after, tests):
    path = ROOT / file
    text = path.read_text()
    if text.count(before) != 1:
        sys.exit(f"{file}: {before!r} stands there {text.count(before)} times, not once: renew dev/check/mutations.py")
    path.write_text(text.replace(before, after))
    try:
        _, failed, said = run(tests)
    finally:
        path.write_text(text)
    if failed and NO_STACK in said:
        sys.exit(f"{tests[-1]} did not get its stack, so it says nothing about the fault:\n{said[-4000:]}")
    return failed > 0


wanted = [fault for fault in FAULTS if len(sys.argv) == 1 or any(name in fault[0] for name in sys.argv[1:])]
if not wanted:
    sys.exit("no fault has such a name")
checked = []
for *_, tests in wanted:
    if tests not in checked:
        started = time.monotonic()
        baseline(tests)
        print(f"green    {time.monotonic() - started:4.0f} s  {tests[-1]}", flush=True)
        checked.append(tests)
missed = []
for name, file, before, after, tests in wanted:
    started = time.monotonic()
    found = noticed(file, before, after, tests)
    print(f"{'noticed' if found else 'MISSED '}  {time.monotonic() - started:4.0f} s  {name}  ({tests[-1]})", flush=True)
    if not found:
        missed.append(name)
print(f"{len(wanted) - len(missed)} of {len(wanted)} faults noticed")
sys.exit(1 if missed else 0)
