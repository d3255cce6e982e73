//! The walk over an Avro datum, guided by the schema it was written with.
//!
//! Everything that looks into a datum walks by it (`avro_json.rs`, `avro_select.rs`), so all of it refuses the same
//! ones: a datum that ends early, runs on, or claims more than it has. Reading and skipping allocate nothing; only an
//! error does.

use crate::personal::is_masked;
use integer_encoding::VarInt;
use serde_avro_fast::schema::{LogicalType, Record, RegularType, SchemaKey, SchemaMut, SchemaNode};

/// Deeper nesting than this is refused, unless it is set otherwise: readers of JSON commonly stop at 128. A union adds no
/// depth.
pub(crate) const DEPTH: u32 = 120;
/// What the stack of any thread here has room for.
pub(crate) const MOST_DEPTH: u32 = 250;
/// Bytes of the widest number.
const LONGEST_VARINT: usize = 10;
/// Elements of a zero-size type cost no bytes, so their number needs a bound of its own; of others there are no more than
/// bytes.
const FREE_ELEMENTS: usize = 100_000;
/// Records may hold each other so that few bytes, or none, stand for more values than anyone can walk: so many, and
/// some for each byte.
const FREE_VALUES: usize = 1_000_000;
const VALUES_A_BYTE: usize = 4;

#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    datum: &'a [u8],
    at: usize,
    schema: &'a SchemaMut,
    elements: usize,
    values: usize,
    masked: usize,
    most_depth: u32,
}

/// What stands at the cursor, unions resolved to their branch.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) content: Content<'a>,
    depth: u32,
}

/// A leaf that has been read, or the beginning of a value with parts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'a> {
    Leaf(Leaf<'a>),
    Array(SchemaKey),
    Map(SchemaKey),
    Record(&'a Record),
    /// A value that nobody is to see; it has been read past.
    Masked,
}

/// A value without parts, and what its schema says it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    pub(crate) bare: Bare<'a>,
    pub(crate) logical_type: Option<&'a LogicalType>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Bare<'a> {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    /// Bytes or a fixed.
    Bytes(&'a [u8]),
    /// A string or the symbol of an enum.
    Text(&'a str),
}

impl<'a> Leaf<'a> {
    /// What a value of this node is like, if it has no parts.
    pub(crate) fn sample(node: &'a SchemaNode) -> Option<Self> {
        // Enough for every logical type.
        static ZEROS: [u8; 16] = [0; 16];
        let bare = match &node.type_ {
            RegularType::Null => Bare::Null,
            RegularType::Boolean => Bare::Boolean(false),
            RegularType::Int => Bare::Int(0),
            RegularType::Long => Bare::Long(0),
            RegularType::Float => Bare::Float(0.0),
            RegularType::Double => Bare::Double(0.0),
            // The number 0, with no digits behind the point.
            RegularType::Bytes if matches!(node.logical_type, Some(LogicalType::BigDecimal)) => Bare::Bytes(&[2, 0, 0]),
            RegularType::Bytes => Bare::Bytes(&ZEROS[..1]),
            RegularType::Fixed(fixed) => Bare::Bytes(&ZEROS[..fixed.size.min(ZEROS.len())]),
            RegularType::String | RegularType::Enum(_) => Bare::Text(""),
            RegularType::Array(_) | RegularType::Map(_) | RegularType::Record(_) | RegularType::Union(_) => {
                return None;
            }
        };
        Some(Self { bare, logical_type: node.logical_type.as_ref() })
    }
}

/// How many elements of the current block of an array or a map are still to come.
#[derive(Debug, Default)]
pub(crate) struct Block {
    left: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(datum: &'a [u8], schema: &'a SchemaMut, most_depth: u32) -> Self {
        Self { datum, at: 0, schema, elements: 0, values: 0, masked: 0, most_depth }
    }

    /// Opens the whole datum.
    pub(crate) fn root(&mut self) -> Result<Opened<'a>, String> {
        self.open(SchemaKey::root(), 0)
    }

    /// Opens a part of what was opened.
    pub(crate) fn part(&mut self, part: SchemaKey, of: &Opened<'a>) -> Result<Opened<'a>, String> {
        self.open(part, of.depth + 1)
    }

    /// Reads past a part, as strictly as if it were wanted.
    pub(crate) fn skip(&mut self, part: SchemaKey, of: &Opened<'a>) -> Result<(), String> {
        // Looked at where it lies: a copy of it costs more than the walk.
        match self.part(part, of) {
            Ok(ref opened) => self.skip_rest(opened),
            Err(error) => Err(error),
        }
    }

    /// Reads past what was opened.
    pub(crate) fn skip_rest(&mut self, opened: &Opened<'a>) -> Result<(), String> {
        let mut block = Block::default();
        match opened.content {
            Content::Leaf(_) | Content::Masked => {}
            Content::Array(items) => {
                while self.next_element(&mut block)? {
                    self.skip(items, opened)?;
                }
            }
            Content::Map(values) => {
                while self.next_element(&mut block)? {
                    self.map_key()?;
                    self.skip(values, opened)?;
                }
            }
            Content::Record(record) => {
                for field in &record.fields {
                    self.skip(field.type_, opened).map_err(|error| in_field(&field.name, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Goes to the next element of an array or a map; false behind the last one.
    ///
    /// Elements come in blocks of a count and that many elements, ended by a count of zero. A negative count is
    /// followed by the block's size in bytes.
    pub(crate) fn next_element(&mut self, block: &mut Block) -> Result<bool, String> {
        if block.left == 0 {
            let count = self.varint("a block's count")?;
            if count == 0 {
                return Ok(false);
            }
            if count < 0 {
                self.varint("a block's size")?;
            }
            block.left = usize::try_from(count.unsigned_abs()).map_err(|_| "a block too long".to_owned())?;
            self.elements = self.elements.saturating_add(block.left);
            let most = FREE_ELEMENTS.saturating_add(self.datum.len());
            if self.elements > most {
                return Err(format!("more than {most} elements"));
            }
        }
        block.left -= 1;
        Ok(true)
    }

    pub(crate) fn map_key(&mut self) -> Result<&'a str, String> {
        self.text("a map key")
    }

    /// How many values on the way were masked.
    pub(crate) fn masked(&self) -> usize {
        self.masked
    }

    /// Makes sure that nothing follows.
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.datum.len() - self.at {
            0 => Ok(()),
            rest => Err(format!("{rest} bytes follow the end of the value")),
        }
    }

    fn open(&mut self, key: SchemaKey, depth: u32) -> Result<Opened<'a>, String> {
        if depth > self.most_depth {
            return Err(format!("nested deeper than {}", self.most_depth));
        }
        self.values += 1;
        let most = FREE_VALUES.saturating_add(self.datum.len().saturating_mul(VALUES_A_BYTE));
        if self.values > most {
            return Err(format!("more than {most} values"));
        }
        let schema = self.schema;
        let node = &schema[key];
        // Before it is opened, and not after: nearly nothing is masked, and what is opened is not copied once more.
        if is_masked(node) { self.pass_masked(node, depth) } else { self.open_node(node, depth) }
    }

    #[cold]
    fn pass_masked(&mut self, node: &'a SchemaNode, depth: u32) -> Result<Opened<'a>, String> {
        let opened = self.open_node(node, depth)?;
        self.skip_rest(&opened)?;
        self.masked += 1;
        Ok(Opened { content: Content::Masked, depth })
    }

    #[inline]
    fn open_node(&mut self, node: &'a SchemaNode, depth: u32) -> Result<Opened<'a>, String> {
        let bare = match &node.type_ {
            RegularType::Union(union) => {
                let index = self.varint("a union branch")?;
                let branch = usize::try_from(index).ok().and_then(|index| union.variants.get(index));
                return self.open(*branch.ok_or_else(|| format!("a union has no branch {index}"))?, depth);
            }
            RegularType::Array(array) => return Ok(Opened { content: Content::Array(array.items), depth }),
            RegularType::Map(map) => return Ok(Opened { content: Content::Map(map.values), depth }),
            RegularType::Record(record) => return Ok(Opened { content: Content::Record(record), depth }),
            RegularType::Null => Bare::Null,
            RegularType::Boolean => Bare::Boolean(self.boolean()?),
            RegularType::Int => {
                let number = self.varint("an int")?;
                Bare::Int(i32::try_from(number).map_err(|_| format!("{number} does not fit an int"))?)
            }
            RegularType::Long => Bare::Long(self.varint("a long")?),
            RegularType::Float => Bare::Float(f32::from_le_bytes(self.array("a float")?)),
            RegularType::Double => Bare::Double(f64::from_le_bytes(self.array("a double")?)),
            RegularType::Bytes => Bare::Bytes(self.sized("bytes")?),
            RegularType::Fixed(fixed) => Bare::Bytes(self.take(fixed.size, "a fixed")?),
            RegularType::String => Bare::Text(self.text("a string")?),
            RegularType::Enum(symbols) => {
                let index = self.varint("an enum")?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.symbols.get(index));
                Bare::Text(
                    symbol.ok_or_else(|| format!("{} has no symbol {index}", symbols.name.fully_qualified_name()))?,
                )
            }
        };
        Ok(Opened { content: Content::Leaf(Leaf { bare, logical_type: node.logical_type.as_ref() }), depth })
    }

    fn boolean(&mut self) -> Result<bool, String> {
        match self.array("a boolean")? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(format!("a boolean is byte 0 or 1, found {other} at byte {}", self.at - 1)),
        }
    }

    fn text(&mut self, what: &str) -> Result<&'a str, String> {
        let bytes = self.sized(what)?;
        std::str::from_utf8(bytes).map_err(|_| format!("{what} before byte {} is not UTF-8", self.at))
    }

    fn sized(&mut self, what: &str) -> Result<&'a [u8], String> {
        let size = self.varint(what)?;
        let size = usize::try_from(size).map_err(|_| format!("{what} of {size} bytes before byte {}", self.at))?;
        self.take(size, what)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        self.take(N, what)?.try_into().map_err(|_| format!("{what} is cut"))
    }

    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.datum.len());
        let end = end.ok_or_else(|| self.ends_within(what))?;
        let bytes = &self.datum[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    /// Zigzag-coded, seven bits a byte.
    fn varint(&mut self, what: &str) -> Result<i64, String> {
        let rest = &self.datum[self.at..];
        match i64::decode_var(rest) {
            Some((number, size)) => {
                self.at += size;
                Ok(number)
            }
            None if rest.len() < LONGEST_VARINT => Err(self.ends_within(what)),
            None => Err(format!("{what} at byte {} is wider than 64 bits", self.at)),
        }
    }

    fn ends_within(&self, what: &str) -> String {
        format!("the value ends at byte {} within {what}", self.datum.len())
    }
}

/// An error with the field it was found in.
pub(crate) fn in_field(field: &str, error: &str) -> String {
    format!("{field}: {error}")
}
