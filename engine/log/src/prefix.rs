//! What sets several environments on one cluster apart: names are logical inside and physical outside.
//!
//! Everything that is said, stored or answered (positions, headers, metadata of offsets, rows, log lines) bears the
//! logical name, the one in the catalogue. Only where a client speaks to the brokers or to the registry the prefix is put
//! before it: topics, consumer groups, transactional ids, subjects. An environment sees its own topics and no others;
//! one without a prefix sees them all, as they are.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

/// Put before the names of one environment; empty where a cluster has but one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(Arc<str>);

/// Text that cannot stand before a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` cannot stand before the name of a topic: at most {MOST_BYTES} letters, digits, `.`, `_` and `-`")]
pub struct PrefixError {
    text: String,
}

/// Brokers take names of 249 characters.
const MOST_BYTES: usize = 100;

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if text.len() > MOST_BYTES || !is_name {
            return Err(PrefixError { text: text.chars().take(MOST_BYTES).collect() });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Prefix {
    /// The name outside.
    #[must_use]
    pub fn physical<'a>(&self, logical: &'a str) -> Cow<'a, str> {
        if self.0.is_empty() { Cow::Borrowed(logical) } else { Cow::Owned(format!("{}{logical}", self.0)) }
    }

    /// The name inside; none where it is of another environment.
    #[must_use]
    pub fn logical<'a>(&self, physical: &'a str) -> Option<&'a str> {
        physical.strip_prefix(&*self.0)
    }

    /// Which of these topics is called so outside.
    pub(crate) fn find<'a>(&self, topics: &[&'a str], physical: &str) -> Option<&'a str> {
        let logical = self.logical(physical)?;
        topics.iter().find(|topic| **topic == logical).copied()
    }

    /// The consumer group of a service.
    #[must_use]
    pub fn group_of(&self, service: &str) -> String {
        format!("{}foldstream-{service}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn outside_and_back_is_the_same(prefix in "[a-zA-Z0-9._-]{0,20}", name in "[a-zA-Z0-9._-]{1,40}") {
            let prefix: Prefix = prefix.parse().unwrap();
            let outside = prefix.physical(&name);
            prop_assert_eq!(prefix.logical(&outside), Some(name.as_str()));
        }

        #[test]
        fn no_environment_takes_a_topic_of_another(name in "[a-z-]{1,40}") {
            let (one, other): (Prefix, Prefix) = ("one.".parse().unwrap(), "other.".parse().unwrap());
            let theirs = other.physical(&name);
            prop_assert_eq!(one.logical(&theirs), None);
            prop_assert_eq!(Prefix::default().physical(&name), name.as_str());
        }
    }

    #[test]
    fn what_brokers_would_refuse_is_refused_here() {
        for text in ["a b", "a/b", "ü", &"a".repeat(101)] {
            assert!(text.parse::<Prefix>().unwrap_err().to_string().contains("cannot stand before"), "{text}");
        }
    }
}
