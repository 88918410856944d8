//! Limits of the machine: the reads and writes alone, and with the minimum of additional work. The memory
//! traffic is that of the other rows. Nothing is parsed, so headers are unmasked and validated along with
//! the payloads.

use std::hint::black_box;

use fearless_simd::{Level, dispatch};

use crate::Job;
use crate::case::{Role, read_frame};
use crate::codec::{Compressor, Inflater};
use crate::scene::{Scene, answer};
use crate::table::ANSWER;

/// The reads and the writes.
pub struct Memory;
/// Reads and writes, with the payload masked or unmasked.
pub struct Xor;
/// Like [`Xor`], and a message that spans several reads is reassembled.
pub struct Whole;
/// Like [`Xor`], and the standard library validates text.
pub struct StdUtf8;
/// Like [`Xor`], and `simdutf8` validates text.
pub struct SimdUtf8;
/// `zlib-rs` driven directly, with headers written but none read: with this crate's parameters, or with
/// window 15 and memory level 8.
pub struct Codec<const TUNED: bool>;
/// SHA-1 and base64 of the key, a part of the handshake's work.
pub struct AcceptKey;
/// Not a limit: the harness's own work within a client's handshake.
pub struct Answer;

impl super::Peer for Memory {
    fn name(&self) -> &'static str {
        "limit:memcpy"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        reads(scene, |_| {})
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut pipe, mut payloads) = (scene.pipe(), scene.payloads());
        writes(move |_| pipe.write_from(payloads.next()))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        echoes(scene, |_| {})
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        let mut buffer = vec![0; 4096];
        writes(move |_| {
            let mut pipe = scene.pipe();
            pipe.read_into(&mut buffer);
            pipe.write_from(black_box(&buffer[..129]));
        })
    }
}

impl super::Peer for Whole {
    fn name(&self) -> &'static str {
        "limit:memcpy+xor whole"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let each = scene.case.wire_len();
        if each <= scene.chunk || scene.case.role == Role::Client {
            return None;
        }
        let (mut pipe, mut buffer, chunk) = (scene.pipe(), vec![0; each], scene.chunk);
        writes(move |_| {
            let mut at = 0;
            while at < each {
                let end = each.min(at + chunk);
                let length = pipe.read_into(&mut buffer[at..end]);
                xor(&mut buffer[at..at + length]);
                at += length;
            }
            black_box(&mut buffer);
        })
    }
}

impl super::Peer for Xor {
    fn name(&self) -> &'static str {
        "limit:memcpy+xor"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        (scene.case.role == Role::Server).then(|| reads(scene, xor))?
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        if scene.case.role == Role::Server {
            return None;
        }
        let (mut pipe, mut payloads) = (scene.pipe(), scene.payloads());
        let mut masked = vec![0; scene.case.size];
        writes(move |_| {
            copy_xor(&mut masked, payloads.next());
            pipe.write_from(&masked);
        })
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        echoes(scene, xor)
    }
}

impl super::Peer for StdUtf8 {
    fn name(&self) -> &'static str {
        "limit:std-utf8"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        validates(scene, |text| str::from_utf8(text).is_ok())
    }
}

impl super::Peer for SimdUtf8 {
    fn name(&self) -> &'static str {
        "limit:simdutf8"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        validates(scene, |text| simdutf8::basic::from_utf8(text).is_ok())
    }
}

impl<const TUNED: bool> super::Peer for Codec<TUNED> {
    fn name(&self) -> &'static str {
        if TUNED { "limit:codec" } else { "limit:codec 15/8" }
    }

    fn deflates(&self) -> bool {
        true
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        let (context, size) = (scene.case.deflate?, scene.case.size);
        if !TUNED {
            return None;
        }
        let mut wire = scene.case.wire.clone();
        let (mut payloads, mut at) = (Vec::new(), 0);
        while at < wire.len() {
            let frame = read_frame(&mut wire, at);
            at = frame.payload.end;
            payloads.push(frame.payload);
        }
        let (scene, mut next, mut inflater) = (scene.clone(), 0, Inflater::new(context, size));
        writes(move |_| {
            scene.message(inflater.inflate(black_box(&wire[payloads[next].clone()])));
            next = (next + 1) % payloads.len();
        })
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (context, size) = (scene.case.deflate?, scene.case.size);
        let tuned = Compressor::tuned_memory_level(context, size);
        if TUNED && tuned == Compressor::MEMORY_LEVEL {
            return None;
        }
        let memory_level = if TUNED { tuned } else { Compressor::MEMORY_LEVEL };
        let mut compressor = Compressor::new(context, size, memory_level);
        let (mut pipe, mut payloads) = (scene.pipe(), scene.payloads());
        writes(move |_| {
            let payload = compressor.compress(payloads.next());
            let length = payload.len();
            let header = match length {
                0..126 => &[0xc2, length as u8][..],
                126..65536 => &[0xc2, 126, (length >> 8) as u8, length as u8],
                _ => &[
                    0xc2,
                    127,
                    0,
                    0,
                    0,
                    0,
                    (length >> 24) as u8,
                    (length >> 16) as u8,
                    (length >> 8) as u8,
                    length as u8,
                ],
            };
            pipe.write_both(header, payload);
        })
    }
}

impl super::Peer for AcceptKey {
    fn name(&self) -> &'static str {
        "limit:accept-key"
    }

    fn accept(&self, _: &Scene) -> Option<Job> {
        let key = *b"dGhlIHNhbXBsZSBub25jZQ==";
        writes(move |_| {
            black_box(websocket_proto::handshake::accept_key(black_box(&key)));
        })
    }
}

impl super::Peer for Answer {
    fn name(&self) -> &'static str {
        ANSWER
    }

    fn connect(&self, _: &Scene) -> Option<Job> {
        let request = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n";
        let mut buffer = vec![0; 4096];
        writes(move |_| {
            black_box(answer(black_box(request), &mut buffer));
        })
    }
}

const KEY: u64 = 0x3d21_fa37_3d21_fa37;

/// Minimum length for the widest vectors of the processor.
const VECTOR_MIN: usize = 256;

#[inline]
fn xor(bytes: &mut [u8]) {
    #[inline(always)]
    fn words(bytes: &mut [u8]) {
        for word in bytes.as_chunks_mut::<8>().0 {
            *word = (u64::from_ne_bytes(*word) ^ KEY).to_ne_bytes();
        }
    }
    if bytes.len() < VECTOR_MIN {
        return words(bytes);
    }
    // An access that crosses a cache line takes twice the time.
    let (before, lines) = bytes.split_at_mut(bytes.as_ptr().align_offset(64));
    words(before);
    dispatch!(Level::new(), _vectors => words(lines));
}

#[inline]
fn copy_xor(to: &mut [u8], from: &[u8]) {
    #[inline(always)]
    fn words(to: &mut [u8], from: &[u8]) {
        for (to, from) in to.as_chunks_mut::<8>().0.iter_mut().zip(from.as_chunks::<8>().0) {
            *to = (u64::from_ne_bytes(*from) ^ KEY).to_ne_bytes();
        }
    }
    if from.len() < VECTOR_MIN {
        return words(to, from);
    }
    let (from_before, from_lines) = from.split_at(to.as_ptr().align_offset(64));
    let (before, lines) = to.split_at_mut(from_before.len());
    words(before, from_before);
    dispatch!(Level::new(), _vectors => words(lines, from_lines));
}

/// Reads the wire in chunks.
fn reads(scene: &Scene, mut work: impl FnMut(&mut [u8]) + 'static) -> Option<Job> {
    let (mut pipe, scene) = (scene.pipe(), scene.clone());
    let mut buffer = vec![0; scene.chunk];
    let each = scene.case.wire_len();
    Some(Box::new(move |messages| {
        let mut bytes = 0;
        while bytes < messages as usize * each {
            let length = pipe.read_into(&mut buffer);
            work(&mut buffer[..length]);
            black_box(&mut buffer);
            bytes += length;
        }
        (bytes / each) as u64
    }))
}

/// Unmasks a copy of the payload and validates the payload itself, with the usual number of copies.
fn validates(scene: &Scene, valid: fn(&[u8]) -> bool) -> Option<Job> {
    if !scene.case.text {
        return None;
    }
    let mut payloads = scene.payloads();
    let mut buffer = vec![0; scene.case.size];
    Some(Box::new(move |messages| {
        for _ in 0..messages {
            let payload = payloads.next();
            buffer.copy_from_slice(payload);
            xor(black_box(&mut buffer));
            black_box(valid(black_box(payload)));
        }
        messages
    }))
}

fn echoes(scene: &Scene, mut work: impl FnMut(&mut [u8]) + 'static) -> Option<Job> {
    let (mut pipe, scene) = (scene.pipe(), scene.clone());
    let mut buffer = vec![0; scene.chunk];
    Some(Box::new(move |messages| {
        let mut bytes = 0;
        while bytes < messages as usize * scene.case.wire_len() {
            let length = pipe.read_into(&mut buffer);
            work(&mut buffer[..length]);
            pipe.write_from(black_box(&buffer[..length]));
            bytes += length;
        }
        messages
    }))
}

fn writes(mut work: impl FnMut(u64) + 'static) -> Option<Job> {
    Some(Box::new(move |count| {
        (0..count).for_each(&mut work);
        count
    }))
}
