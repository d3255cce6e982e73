//! Where a message lies, in a path and as a link: `/messages/{topic}/{partition}/{offset}`.

use crate::http::{parameters::Parameters, problem::Problem};
use axum::{
    extract::{FromRequestParts, Path},
    http::request,
};
use foldstream_browse::asking;
use foldstream_log::{Position, Violation};
use std::str::FromStr;

/// Topic, partition and offset of the path, not yet checked.
#[derive(Debug)]
pub(crate) struct PathPlace {
    topic: String,
    partition: String,
    offset: String,
}

impl<S: Send + Sync> FromRequestParts<S> for PathPlace {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        let place = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        place.map(|Path((topic, partition, offset))| Self { topic, partition, offset }).map_err(|_| {
            let violation = Violation::new("topic", parts.uri.path(), "a path is UTF-8, percent-encoded");
            Problem::InvalidRequest(vec![violation])
        })
    }
}

impl PathPlace {
    /// The position, or what is noted against its parts.
    pub(crate) fn read(self, parameters: &mut Parameters) -> Position {
        let Self { topic, partition, offset } = self;
        parameters.check(asking::topic(&topic));
        Position {
            topic,
            partition: parameters.check(number("partition", &partition, i32::MAX)).unwrap_or_default(),
            offset: parameters.check(number("offset", &offset, i64::MAX)).unwrap_or_default(),
        }
    }
}

/// The address of a message.
pub(crate) fn message_link(position: &Position) -> String {
    format!("/messages/{}/{}/{}", position.topic, position.partition, position.offset)
}

/// Plain digits: `+1` and `-1` parse as integers but are no offsets.
fn number<T: FromStr + std::fmt::Display>(field: &'static str, text: &str, most: T) -> Result<T, Violation> {
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| Violation::new(field, text, format!("{field} is a whole number from 0 to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(topic: &str, partition: &str, offset: &str) -> Vec<String> {
        let place = PathPlace { topic: topic.to_owned(), partition: partition.to_owned(), offset: offset.to_owned() };
        let mut parameters = Parameters::read(&"/".parse().unwrap(), &[]);
        place.read(&mut parameters);
        match parameters.finish() {
            Ok(()) => Vec::new(),
            Err(Problem::InvalidRequest(violations)) => violations.into_iter().map(|found| found.field).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_place_is_a_topic_a_partition_and_an_offset() {
        assert!(refused("locations", "0", "9223372036854775807").is_empty());
        assert_eq!(refused("a b", "-1", "x"), ["topic", "partition", "offset"]);
        assert_eq!(refused("locations", "2147483648", "9223372036854775808"), ["partition", "offset"]);
        assert_eq!(refused("locations", "+1", "1.0"), ["partition", "offset"]);
        assert_eq!(refused("locations", "", ""), ["partition", "offset"]);
    }

    #[test]
    fn a_link_is_the_path_of_its_position() {
        assert_eq!(message_link(&"person-profiles:3:17".parse().unwrap()), "/messages/person-profiles/3/17");
    }
}
