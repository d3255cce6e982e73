//! For the documentation: what may be asked of `/messages`. What is read is read by `question.rs`.

use utoipa::IntoParams;

/// For the documentation: which records are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct FilterParameters {
    /// The topic's name
    #[param(example = "locations")]
    topic: String,
    /// Only these partitions, joined by commas
    #[param(example = "0,3")]
    partition: Option<String>,
    /// Only records of this key, as it is shown: text, base64, or the JSON of an Avro key; empty for the empty key. Of a
    /// declared topic only the partition is read where its writers put the key, of any other all; or those of `partition`
    #[param(example = "0101de")]
    key: Option<String>,
    /// Of keys that are shown alike only those whose `key_encoding` is this: `avro`, `json`, `text` or `base64`
    key_encoding: Option<String>,
    /// Only records as old as this or younger: a time (`2026-11-21T10:00Z`, `2026-11-21 10:00:00`, with an offset or in UTC),
    /// a day (`2026-11-21`, `20261121`), milliseconds since 1970 (12 digits or more), or an age such as `15m`, `2h`, `7d`
    #[param(example = "15m")]
    since: Option<String>,
    /// Only records older than this, written like `since`
    until: Option<String>,
    /// Only records of this type: its full name, or the last part of it
    #[param(example = "LocationReported")]
    r#type: Option<String>,
    /// Only records that hold this text: in the key, in a header, or in the value as JSON shows it
    contains: Option<String>,
    /// Only records whose value meets this condition: `path=value`, `!=`, `>=`, `<=`, `>`, `<`, or `~` for holds. A path is
    /// names, keys and indexes joined by dots; `items[*].sku` is that of any item. Times are written like `since`. A value of another kind than the field
    /// has is refused. May be given several times; all must hold
    #[param(example = "latitude>=50.5")]
    r#where: Option<Vec<String>>,
    /// `true`: only records whose value is neither Avro of its schema, nor JSON, nor text
    undecodable: Option<bool>,
}

/// For the documentation: what a live tail lets through.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct TailParameters {
    /// The topic's name
    #[param(example = "locations")]
    topic: String,
    /// Only these partitions, joined by commas
    partition: Option<String>,
    /// Only records of this key, as it is shown
    key: Option<String>,
    /// Of keys that are shown alike only those whose `key_encoding` is this: `avro`, `json`, `text` or `base64`
    key_encoding: Option<String>,
    /// Only records of this type
    r#type: Option<String>,
    /// Only records that hold this text
    contains: Option<String>,
    /// Only records whose value meets this condition, as in a page
    r#where: Option<Vec<String>>,
    /// `true`: only records whose value is neither Avro of its schema, nor JSON, nor text
    undecodable: Option<bool>,
}

/// For the documentation: how values are shown.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct ShowingParameters {
    /// How much of each value is shown: `full`; `preview`, of texts (and bytes, as base64) 256 characters, of arrays 20 items,
    /// of objects 50 members, and 1,000 values in all; or `none`, and it is not decoded. Where that is less than all of it,
    /// `value_cut` is true
    #[param(default = "full")]
    value: Option<String>,
    /// Only these fields of each value, where they stand: paths as in `where`, joined by commas. Of an array only the items
    /// that are led to are shown, in their order. Fields that no schema of what is shown has are named in `unknown_paths`
    #[param(example = "person_id,latitude")]
    fields: Option<String>,
}

/// For the documentation: in which order, and as who.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct OrderParameters {
    /// `newest` first, or `oldest`
    #[param(default = "newest")]
    order: Option<String>,
    /// `read_committed`, or `read_uncommitted`: also records whose transaction was aborted or is undecided, flagged so
    #[param(default = "read_committed")]
    isolation: Option<String>,
}

/// For the documentation: which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct PageParameters {
    /// How many at most
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before
    cursor: Option<String>,
}
