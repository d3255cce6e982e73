//! The whole, as its users meet it: the real executable on real brokers, a real registry and a real database.
//!
//! One binary, so that the Kafka client is linked once, and one stack, on which each test has an environment of its own;
//! those that break parts have the stack to themselves and mend it. Nothing waits by sleeping: `harness::until` waits on
//! a condition with a deadline; only the faults of `chaos` last as long as they last.
//!
//! That they notice is checked too: `make mutations` (dev/check/mutations.py) breaks the loops on purpose.
//!
//! | fault | noticed by |
//! |---|---|
//! | the position is committed before the rows | `exactly_once` (rows are missing after a kill) |
//! | the fence of projections is taken out | `zombies` (rows are there twice) |
//! | a position is one too low | `folding`'s own tests |
//! | offsets are committed after the facts, in a transaction of their own | `deciding` (commands have two outcomes) |
//! | parked keys are forgotten when a service starts | `parked` (records overtake their key's dead letter) |
//! | dead letters of a key that ended stay | `parked` (an erased person's record is kept) |
//! | what comes of a key after it ended is kept | `folding`'s own tests |
//! | a record is read whatever its writer's schema says | the golden records |
//! | a version is folded whatever its tables are | the store's own tests |
//! | the state of a decider is not written | `deciding` (outcomes are not those of the rules) |
//! | answered commands are forgotten | `people-processor`'s own tests |
//! | a timer that fired is still due | `timers` (the decider halts) |
//! | the state of a keyed fold is not restored | `foldstream-fold`'s `brokers` (windows count too little) |
//! | a watermark is the furthest of its partitions | `keyed`'s own tests |
//! | a watermark begins anew with each owner | `watermarks`' own tests |
//! | a timer on event time fires with the next batch | `foldstream-fold`'s `brokers` (lockers take what comes too late) |
//! | a re-keying does not move its offsets | `foldstream-fold`'s `brokers` (facts are there twice) |
//! | a reply is not written | `foldstream-fold`'s `brokers` (sagas do not end) |
//! | what has no answer in time is not taken back | `process_manager`'s own tests |
//! | segments that idle stay open | `erasing` (bytes of who was erased stay on disk) |
//! | states are kept under the ids | `erasing` (the id of who was erased stays in the state) |
//! | consumer groups bear no prefix | `environments` (one environment's partitions go to another's) |
//! | a read does not wait for processors | `deciding` (reads are older than asked) |
//! | a read takes what others wrote for what it waits for | `after` (who is parked is shown what is older) |
//! | the offset of an effect moves past records that wait | `foldstream-fold`'s `brokers` (they never reach the outside) |
//! | a record goes out before the one before it of its key is committed | `effect::lane`'s own tests |
//! | an idempotency key is new at each attempt | `effect::deliveries`' own tests |

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

mod after;
mod bad_input;
mod chaos;
mod command_line;
mod connection;
mod deciding;
mod described;
mod environments;
mod erasing;
mod evolution;
mod exactly_once;
mod failing;
mod harness;
mod held_back;
mod hostile;
mod looking;
mod messages_cli;
mod migrating;
mod parked;
mod poison;
mod provenance;
mod proxy;
mod reading;
mod rebuild;
mod republish;
mod rules;
mod timers;
mod topics;
mod zombies;
