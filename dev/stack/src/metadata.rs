//! Asks a broker which brokers it knows: one Kafka Metadata request, version 1, written by hand.
//!
//! The list holds registered, unfenced brokers only, which is exactly "ready". It is no Kafka client.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);
/// Three brokers need about a hundred bytes; anything large is not a broker.
const LARGEST_ANSWER: u32 = 64 * 1024;

/// The ids of the brokers that the broker on this port knows to be up, in order.
pub(crate) fn brokers_known_to(port: u16) -> io::Result<Vec<i32>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&request())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LARGEST_ANSWER {
        return Err(not_a_broker());
    }
    let mut answer = vec![0; usize::try_from(length).map_err(|_| not_a_broker())?];
    stream.read_exact(&mut answer)?;
    broker_ids(&answer).ok_or_else(not_a_broker)
}

fn request() -> Vec<u8> {
    const METADATA: i16 = 3;
    const VERSION: i16 = 1;
    const CORRELATION: i32 = 1;
    const CLIENT: &str = "foldstream-stack";
    const NO_TOPICS: i32 = 0;
    let mut body = Vec::new();
    body.extend(METADATA.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(CORRELATION.to_be_bytes());
    body.extend((CLIENT.len() as u16).to_be_bytes());
    body.extend(CLIENT.as_bytes());
    body.extend(NO_TOPICS.to_be_bytes());
    let mut framed = (body.len() as u32).to_be_bytes().to_vec();
    framed.extend(body);
    framed
}

fn broker_ids(answer: &[u8]) -> Option<Vec<i32>> {
    let mut rest = answer.get(4..)?;
    let count = take_i32(&mut rest)?;
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(take_i32(&mut rest)?);
        skip_string(&mut rest)?;
        take_i32(&mut rest)?;
        skip_string(&mut rest)?;
    }
    ids.sort_unstable();
    Some(ids)
}

fn take_i32(rest: &mut &[u8]) -> Option<i32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(i32::from_be_bytes(*number))
}

fn skip_string(rest: &mut &[u8]) -> Option<()> {
    let (length, after) = rest.split_first_chunk()?;
    // A missing string has length -1 and no bytes.
    let length = usize::try_from(i16::from_be_bytes(*length)).unwrap_or(0);
    *rest = after.get(length..)?;
    Some(())
}

fn not_a_broker() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not a broker's")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ids: &[i32]) -> Vec<u8> {
        let mut bytes = 1_i32.to_be_bytes().to_vec();
        bytes.extend((ids.len() as i32).to_be_bytes());
        for id in ids {
            bytes.extend(id.to_be_bytes());
            bytes.extend([0, 9]);
            bytes.extend(b"127.0.0.1");
            bytes.extend(19_092_i32.to_be_bytes());
            bytes.extend([0xff, 0xff]);
        }
        bytes
    }

    #[test]
    fn reads_the_ids_in_order() {
        assert_eq!(broker_ids(&answer(&[3, 1, 2])), Some(vec![1, 2, 3]));
        assert_eq!(broker_ids(&answer(&[])), Some(vec![]));
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        let whole = answer(&[1, 2]);
        for length in 0..whole.len() {
            assert_eq!(broker_ids(&whole[..length]), None, "{length} bytes");
        }
    }
}
