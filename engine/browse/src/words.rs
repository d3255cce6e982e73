//! Every word of a question, once: what it is called, what may be said by it, what it means, and at which doors.
//!
//! The query strings of `/messages`, its stream and its export take the words of this table, the description of the API is
//! made from it, and the flags of the command line are held against it. What a word may be is told here as a JSON schema
//! tells it: whatever this lets through is read by `asking.rs`, but for what two words say together.

use foldstream_log::{Encoding, ReadAs};

/// Where questions are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `GET /messages`
    Page,
    /// `GET /messages/export`: from the oldest record to the newest.
    Export,
    /// `GET /messages/stream`: on from now.
    Tail,
    /// `GET /messages/{topic}/{partition}/{offset}`
    Single,
    /// `POST /messages/republish`: oldest first, to a topic.
    Republish,
}

#[derive(Debug, Clone, Copy)]
pub struct Word {
    pub name: &'static str,
    /// For people; the description of the API.
    pub says: &'static str,
    pub shape: Shape,
    /// How often it may be said.
    pub most: usize,
    pub doors: &'static [Door],
}

impl Word {
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.name == TOPIC
    }
}

/// What may be said.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// The pattern is of ECMA 262, with Unicode.
    Text {
        pattern: Option<&'static str>,
        min_chars: usize,
        max_chars: usize,
    },
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
}

pub const TOPIC: &str = "topic";
pub const PARTITION: &str = "partition";
pub const KEY: &str = "key";
pub const KEY_ENCODING: &str = "key_encoding";
pub const KEY_AS: &str = "key_as";
pub const VALUE_AS: &str = "value_as";
pub const SINCE: &str = "since";
pub const UNTIL: &str = "until";
pub const TYPE: &str = "type";
pub const CONTAINS: &str = "contains";
pub const WHERE: &str = "where";
pub const HEADER: &str = "header";
pub const UNDECODABLE: &str = "undecodable";
/// How much of a value is shown.
pub const VALUE: &str = "value";
/// Which fields of it.
pub const FIELDS: &str = "fields";
pub const ORDER: &str = "order";
pub const ISOLATION: &str = "isolation";

/// Longer ones fit into no address.
pub(crate) const MAX_KEY_CHARS: usize = 16_384;
pub(crate) const MAX_CONDITIONS: usize = 20;
pub(crate) const MAX_TYPE_CHARS: usize = 500;
pub(crate) const MAX_CONTAINED_CHARS: usize = 200;
const MAX_TOPIC_CHARS: usize = 249;
/// Path, operator and value.
const MAX_CONDITION_CHARS: usize = 1_202;
const MAX_PARTITIONS_CHARS: usize = 10_000;
/// Name, operator and value.
const MAX_HEADER_CHARS: usize = 3_002;
const MAX_FIELDS_CHARS: usize = 2_000;
const MAX_TIME_CHARS: usize = 40;

/// Where records are shown.
const SHOWN: &[Door] = &[Door::Page, Door::Export, Door::Tail, Door::Single];
const EVERY: &[Door] = &[Door::Page, Door::Export, Door::Tail, Door::Single, Door::Republish];
const LISTS: &[Door] = &[Door::Page, Door::Export, Door::Tail, Door::Republish];
/// A live tail goes on from now.
const PAST: &[Door] = &[Door::Page, Door::Export, Door::Republish];

/// What a broker takes as the name of a topic.
pub const TOPIC_SHAPE: Shape = text(r"^(?!\.{1,2}$)[A-Za-z0-9._-]+$", 1, MAX_TOPIC_CHARS);

/// Names joined by dots. Not all who write schemas keep to ASCII; of ASCII, a name has letters, digits and underscores.
const TYPE_SHAPE: Shape = text(
    concat!(
        r"^[^\s\u0000-\u0040\u005b-\u005e\u0060\u007b-\u00a0][^\s\u0000-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u00a0]*",
        r"(?:\.[^\s\u0000-\u0040\u005b-\u005e\u0060\u007b-\u00a0][^\s\u0000-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u00a0]*)*$",
    ),
    1,
    MAX_TYPE_CHARS,
);

/// Days that there are in the years 1970 to 9999, with a time of day or without one; milliseconds; ages.
macro_rules! time {
    () => {
        concat!(
            r"(?:(?:[0-9]{1,4}d|[0-9]{1,5}h|[0-9]{1,7}m|[0-9]{1,9}s)",
            r"|(?:[0-9]{12,14}|1[0-9]{14}|2[0-4][0-9]{13})",
            r"|(?:(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)",
            r"|(?!0|1[0-8]|19[0-6])(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)",
            r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:[Zz]|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])?)?)",
        )
    };
}

const TIME_SHAPE: Shape = text(concat!("^", time!(), "$"), 1, MAX_TIME_CHARS);

/// A name in which a backslash stands before signs of operators, an operator, and a value; an order needs a number or a time.
const HEADER_SHAPE: Shape = text(
    concat!(
        r"^(?:[^\\=!<>~]|\\[\\=!<>~]){0,1000}",
        r"(?:~[\s\S]{0,1000}|(?:!=|=)(?![=>~]|<[-+0-9])[\s\S]{0,1000}",
        r"|(?:>=|<=|>|<)(?:[-+]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?|",
        time!(),
        "))$",
    ),
    1,
    MAX_HEADER_CHARS,
);

/// A path without blanks at its ends, an operator, and a value that does not begin with another.
const CONDITION_SHAPE: Shape = text(
    concat!(
        r"^(?![^=!<>~]{201})(?:[^\s.\[\]\\=!<>~]|\\[.\[\\])+(?:\[(?:\*|[0-9]{1,9})\])*(?:\.(?:[^\s.\[\]\\=!<>~]|\\[.\[\\])+(?:\[(?:\*|[0-9]{1,9})\])*)*",
        r"(?:~[\s\S]{0,1000}|(?:!=|>=|<=|=|>|<)(?![=>~]|<[-+0-9])[\s\S]{0,1000})$",
    ),
    2,
    MAX_CONDITION_CHARS,
);

/// Paths joined by commas.
const FIELDS_SHAPE: Shape = text(
    concat!(
        r"^(?!(?:.*,)?[^,]{201})(?:[^\s.,\[\]\\]|\\[.\[\\])+(?:\[(?:\*|[0-9]{1,9})\])*",
        r"(?:[.,](?:[^\s.,\[\]\\]|\\[.\[\\])+(?:\[(?:\*|[0-9]{1,9})\])*){0,31}$",
    ),
    1,
    MAX_FIELDS_CHARS,
);

/// In the order of the description.
pub const WORDS: &[Word] = &[
    word(TOPIC, "The topic's name", TOPIC_SHAPE, LISTS),
    word(
        PARTITION,
        "Only these partitions, joined by commas",
        text(r"^[0-9]{1,9}(?:,[0-9]{1,9}){0,999}$", 1, MAX_PARTITIONS_CHARS),
        LISTS,
    ),
    word(
        KEY,
        "Only records of this key, as it is shown: text, base64, or the JSON of an Avro key; empty for the empty key. Of \
         a declared topic only the partition is read where its writers put the key, of any other all; or those of \
         `partition`",
        Shape::Text { pattern: None, min_chars: 0, max_chars: MAX_KEY_CHARS },
        LISTS,
    ),
    word(
        KEY_ENCODING,
        "Of keys that are shown alike only those whose `key_encoding` is this; given together with `key`, which for \
         `base64` is base64 with its padding",
        Shape::OneOf(Encoding::NAMES),
        LISTS,
    ),
    word(
        SINCE,
        "Only records as old as this or younger: a time (`2026-11-21T10:00Z`, `2026-11-21 10:00:00`, with an offset or \
         in UTC), a day (`2026-11-21`, `20261121`), milliseconds since 1970 (12 digits or more), or an age such as \
         `15m`, `2h`, `7d`; it lies before `until`",
        TIME_SHAPE,
        PAST,
    ),
    word(UNTIL, "Only records older than this, written like `since`", TIME_SHAPE, PAST),
    word(TYPE, "Only records of this type: its full name, or the last part of it", TYPE_SHAPE, LISTS),
    word(
        CONTAINS,
        "Only records that hold this text: in the key, in a header, or in the value as JSON shows it",
        Shape::Text { pattern: None, min_chars: 1, max_chars: MAX_CONTAINED_CHARS },
        LISTS,
    ),
    Word {
        most: MAX_CONDITIONS,
        ..word(
            WHERE,
            "Only records whose value meets this condition: `path=value`, `!=`, `>=`, `<=`, `>`, `<`, or `~` for holds. A \
             path is names, keys and indexes joined by dots; `items[*].sku` is that of any item. Times are written like \
             `since`. A value of another kind than the field has is refused. May be given several times; all must hold",
            CONDITION_SHAPE,
            LISTS,
        )
    },
    Word {
        most: MAX_CONDITIONS,
        ..word(
            HEADER,
            "Only records with a header that meets this condition: `name=value`, `!=`, `~` for holds, and `>=`, `<=`, `>`, `<` \
             with a number or a time, written like `since`. Names may repeat, and any of them meets; `!=` where none is equal. \
             Bytes that are no text are asked for as `base64:…`, no value as `null`; in a name, a backslash stands before `=`, \
             `!`, `<`, `>`, `~` and itself. An order is refused where all that is met is neither number nor time. May be given \
             several times; all must hold",
            HEADER_SHAPE,
            LISTS,
        )
    },
    word(
        UNDECODABLE,
        "`true`: only records whose value is neither Avro of its schema, nor JSON, nor text",
        Shape::Flag,
        LISTS,
    ),
    word(
        KEY_AS,
        "How keys are read and shown, and so asked for by `key`: as what they are (`auto`, as when nothing is said), or so and \
         not otherwise; a `long` is eight bytes, the most significant first. A key that cannot be read so is shown in base64, \
         with the reason in `key_error`",
        Shape::OneOf(ReadAs::NAMES),
        EVERY,
    ),
    word(
        VALUE_AS,
        "The same of values. One that cannot be read so has an `error`, and where something is asked of values it is counted in \
         `uncompared`. `where` goes with `auto`, `avro` and `json`, and `type` with `auto` and `avro`",
        Shape::OneOf(ReadAs::NAMES),
        EVERY,
    ),
    word(
        ORDER,
        "`newest` first, as when nothing is said, or `oldest`",
        Shape::OneOf(&["newest", "oldest"]),
        &[Door::Page],
    ),
    word(
        ISOLATION,
        "`read_committed`, as when nothing is said, or `read_uncommitted`: also records whose transaction was aborted or is \
         undecided, flagged so",
        Shape::OneOf(&["read_committed", "read_uncommitted"]),
        &[Door::Page, Door::Export, Door::Single],
    ),
    word(
        VALUE,
        "How much of each value is shown: `full`, as when nothing is said; `preview`, of texts (and bytes, as base64) 256 \
         characters, of arrays 20 items, of objects 50 members, and 1,000 values in all; or `none`, and it is not decoded, which \
         does not go with `fields`. Where that is less than all of it, `value_cut` is true",
        Shape::OneOf(&["full", "preview", "none"]),
        SHOWN,
    ),
    word(
        FIELDS,
        "Only these fields of each value, where they stand: paths as in `where`, joined by commas. Of an array only the items \
         that are led to are shown, in their order. Fields that no schema of what is shown has are named in `unknown_paths`",
        FIELDS_SHAPE,
        SHOWN,
    ),
];

/// The words that are taken at a door.
pub fn words_of(door: Door) -> impl Iterator<Item = &'static Word> {
    WORDS.iter().filter(move |word| word.doors.contains(&door))
}

const fn word(name: &'static str, says: &'static str, shape: Shape, doors: &'static [Door]) -> Word {
    Word { name, says, shape, most: 1, doors }
}

const fn text(pattern: &'static str, min_chars: usize, max_chars: usize) -> Shape {
    Shape::Text { pattern: Some(pattern), min_chars, max_chars }
}
