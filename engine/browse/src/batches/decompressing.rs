//! The records of a batch as they were before their producer compressed them, up to a bound: a few kilobytes can stand for
//! gigabytes, and whoever may write to a topic could take the memory of everyone who looks into it.

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use std::io::Read;

/// As the Java client frames its blocks: this, two version numbers, and blocks behind their lengths.
const SNAPPY_FRAMES: &[u8] = b"\x82SNAPPY\0";
const SNAPPY_HEADER_BYTES: usize = 16;
/// The widest window a zstd frame may ask to be kept, as a power of two: what `zstd --ultra` writes needs no more.
const ZSTD_WINDOW: u32 = 27;

/// `codec` is of a batch's attributes, bits 0 to 2.
pub(super) fn decompressed(codec: i16, bytes: Bytes, most_bytes: usize) -> Result<Bytes, String> {
    let content = match codec {
        0 => return Ok(bytes),
        1 => up_to(most_bytes, MultiGzDecoder::new(&bytes[..])),
        2 => snappy(&bytes, most_bytes),
        3 => up_to(most_bytes, FrameDecoder::new(&bytes[..])),
        4 => zstd::stream::read::Decoder::new(&bytes[..]).map_err(|error| error.to_string()).and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW).map_err(|error| error.to_string())?;
            up_to(most_bytes, decoder)
        }),
        other => return Err(format!("its compression is {other}, which is not known")),
    };
    content.map(Bytes::from).map_err(|error| format!("it cannot be decompressed: {error}"))
}

fn up_to(most_bytes: usize, content: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(most_bytes).unwrap_or(u64::MAX).saturating_add(1);
    content.take(bound).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > most_bytes { Err(too_large(most_bytes)) } else { Ok(bytes) }
}

fn snappy(bytes: &[u8], most_bytes: usize) -> Result<Vec<u8>, String> {
    let Some(mut blocks) = bytes.strip_prefix(SNAPPY_FRAMES).map(|_| bytes.get(SNAPPY_HEADER_BYTES..).unwrap_or(&[]))
    else {
        return snappy_block(bytes, most_bytes);
    };
    let mut content = Vec::new();
    while let Some((length, rest)) = blocks.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (block, rest) = rest.split_at_checked(length).ok_or("a block is cut off")?;
        content.extend(snappy_block(block, most_bytes - content.len()).map_err(|_| too_large(most_bytes))?);
        blocks = rest;
    }
    if blocks.is_empty() { Ok(content) } else { Err("a block is cut off".to_owned()) }
}

/// It says first how long it will be, and may lie.
fn snappy_block(block: &[u8], most_bytes: usize) -> Result<Vec<u8>, String> {
    let length = snap::raw::decompress_len(block).map_err(|error| error.to_string())?;
    if length > most_bytes {
        return Err(too_large(most_bytes));
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|error| error.to_string())
}

fn too_large(most_bytes: usize) -> String {
    format!("it holds more than the {most_bytes} bytes that may be read at once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const MOST: usize = 1 << 20;

    fn compressed(codec: i16, content: &[u8]) -> Bytes {
        match codec {
            1 => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap().into()
            }
            2 => snap::raw::Encoder::new().compress_vec(content).unwrap().into(),
            3 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap().into()
            }
            _ => zstd::stream::encode_all(content, 3).unwrap().into(),
        }
    }

    #[test]
    fn what_is_larger_than_may_be_read_is_not_made() {
        for codec in 1..=4 {
            let exact = compressed(codec, &vec![0; MOST]);
            assert!(exact.len() < MOST / 10, "codec {codec}");
            assert_eq!(decompressed(codec, exact, MOST).unwrap().len(), MOST, "codec {codec}");
            let error = decompressed(codec, compressed(codec, &vec![0; MOST + 1]), MOST).unwrap_err();
            assert!(error.contains("more than the 1048576 bytes"), "codec {codec}: {error}");
        }
    }

    #[test]
    fn a_length_that_is_a_lie_takes_no_memory() {
        // Of four gigabytes, in five bytes.
        let error = decompressed(2, Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]), MOST).unwrap_err();
        assert!(error.contains("more than"), "{error}");
        let framed = [SNAPPY_FRAMES, &[0; 8], &u32::MAX.to_be_bytes()].concat();
        assert!(decompressed(2, framed.into(), MOST).unwrap_err().contains("cut off"));
    }

    #[test]
    fn several_blocks_share_the_bound() {
        let block = compressed(2, &vec![7; MOST / 2]);
        let framed = |count: usize| {
            let mut framed = [SNAPPY_FRAMES, &[0; 8]].concat();
            for _ in 0..count {
                framed.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
                framed.extend(&block);
            }
            Bytes::from(framed)
        };
        assert_eq!(decompressed(2, framed(2), MOST).unwrap().len(), MOST);
        assert!(decompressed(2, framed(3), MOST).unwrap_err().contains("more than"));
    }
}
