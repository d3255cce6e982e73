//! A data set as the rest sees it: rows in the order of their times, numbered from 0, the same in every run.
//!
//! A row's number is its sequence; it never changes for a source id, because resuming and event ids hang on it.
//! Rows are as the data set has them, unchecked: `validate.rs` decides what becomes of them.

/// One line of a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) sequence: u64,
    /// Who, as a number of the data set.
    pub(crate) person: u32,
    /// Which of the person's names holds now, as a number of the data set; none when the row does not say.
    pub(crate) name: Option<u32>,
    /// When, by the data set's own time.
    pub(crate) occurred_at_us: i64,
    pub(crate) latitude: Option<f64>,
    pub(crate) longitude: Option<f64>,
}

/// What a person's profile says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) company_name: String,
}

/// A data set.
pub(crate) trait Source: Send + Sync {
    /// Names the stream; two sources with the same id have the same rows.
    fn id(&self) -> &str;

    /// How many rows there are.
    fn count(&self) -> u64;

    /// The moment of the data set that `--time now` lays on the present.
    fn present_us(&self) -> i64;

    /// All rows, in order.
    fn rows(&self) -> Box<dyn Iterator<Item = Row> + '_>;

    fn person_id(&self, person: u32) -> String;

    /// What the profile says of this person under this name.
    fn names(&self, person: u32, name: u32) -> Names;
}
