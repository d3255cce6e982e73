//! Versions of a projection: tables rebuilt beside the live ones, compared, and swapped under readers.
//!
//! # How it works
//!
//! A version is a row (projection, version, schema) and a schema with the model's tables, the functions its questions
//! stand on, and its positions. Version 1 lives in `public`. The same code folds every version: its statements name no
//! schema, the connections of a version see its schema first (`search_path`), and behind it `public` with the engine's
//! own tables, dead letters among them, and PostGIS.
//!
//! - **Folding** (`folding.rs`): a service runs one loop for each version, with a consumer group of its own. Positions
//!   lie in the version's schema, next to its rows, so each has the fence of [`foldstream_fold`] for itself:
//!   what is exactly once for one version is so for all, and none waits for another.
//! - **Rebuilding** (`rebuilding.rs`): a new version is loaded from offset 0 by the command, in the state `loading`, in
//!   which no service touches it. It stops exactly where the live version stands in one snapshot, is compared with it,
//!   and handed over (`folding`). Killed at any moment it goes on: positions move in the transactions of the rows.
//! - **Verifying**: the same into a schema that nobody else knows and that is dropped afterwards.
//! - **Leaving nothing over** (`filling.rs`, `left_over.rs`): whoever fills a schema holds a lock; what nobody holds is removed.
//! - **Swapping** (`swapping.rs`): one row names the version readers are shown.
//! - **Changing tables** (`tables.rs`): a version is of the statements it was made by; other ones are another version, but
//!   where a model says how its former tables become today's (`former.rs`).
//!
//! # Why a rebuild equals the live tables
//!
//! Rows are a function of the records before the positions: a row is fed by one partition in the order of its offsets,
//! or by integer merges that commute, and the fold is pure. So at equal positions rows are equal, whatever the batches
//! were, unless code or a hand changed them: that is what the comparison finds. It reads the live rows and positions in
//! one repeatable-read transaction, which stays open until the other side stands at the same positions; until then
//! vacuum keeps what that snapshot sees. Two things may differ without a fault: a dead letter that was settled by hand,
//! and a topic that was compacted behind the live positions while those lag.
//!
//! # Rejected
//!
//! - *A column `version` in every table*: each statement, index and constraint would carry it, and dropping one is a
//!   delete of millions of rows under readers.
//! - *Renaming schemas or tables at the swap*: DDL takes the exclusive lock, so it queues behind the slowest reader and
//!   every other reader behind it; and statements prepared before keep the old tables.
//! - *Views that are replaced*: the same lock, for as long as a transaction that replaces all of them.
//! - *One loop that writes all versions in one transaction*: the slowest would slow all, and poison in one stop all.
//! - *The service itself loads a new version*: the load would share memory, connections and restarts with live folding.
//! - *Logical replication of the old tables*: copies what a wrong fold wrote; the point is to fold again.

mod comparing;
mod digest;
mod error;
mod filling;
mod folding;
mod former;
mod left_over;
mod rebuilding;
mod statements;
mod swapping;
mod tables;
mod version;

pub use comparing::{Difference, TableComparison};
pub use error::VersionError;
pub use folding::fold_versions;
pub use rebuilding::{Progress, Rebuilt, rebuild, verify};
pub use swapping::{activate, discard};
pub use tables::ensure_tables;
pub use version::{Version, VersionPosition, VersionState, version_positions};
