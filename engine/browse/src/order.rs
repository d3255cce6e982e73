//! From which end a topic is read.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Newest first: from the ends backwards.
    #[default]
    Newest,
    /// Oldest first: from the beginnings on.
    Oldest,
}
