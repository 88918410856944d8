//! Leaf functions: masking, UTF-8 validation, frame headers.

mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{Random, named};
use websocket_proto::Role;
use websocket_proto::frame::{FrameHeader, FrameRules, Opcode, mask};
use websocket_proto::utf8::Utf8Validator;

const SIZES: [usize; 7] = [8, 64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20];

fn masking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for size in [8, 64, 125, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20] {
        // Most payloads follow a header of 6 bytes and are therefore unaligned.
        let mut buffer = Random::new().bytes(size + 64 + 6);
        let line = buffer.as_ptr().addr().wrapping_neg() % 64;
        group.throughput(Throughput::Bytes(size as u64));
        for (kind, start) in [("", line + 6), (" at a cache line", line)] {
            let payload = &mut buffer[start..start + size];
            group.bench_function(format!("{}{kind}", named(size)), |bencher| {
                bencher.iter(|| mask(black_box(&mut *payload), black_box([1, 2, 3, 4]), 0));
            });
            group.bench_function(format!("{}{kind}, by the word", named(size)), |bencher| {
                bencher
                    .iter(|| mask_by_the_word(black_box(&mut *payload), black_box([1, 2, 3, 4])));
            });
        }
    }
}

/// The naive loop, for comparison.
fn mask_by_the_word(payload: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip([a, b, c, d].into_iter().cycle()) {
        *byte ^= key;
    }
}

fn utf8(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("UTF-8");
    for size in SIZES {
        let mut random = Random::new();
        for (kind, text) in [("ASCII", random.ascii(size)), ("CJK", random.cjk(size))] {
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(format!("{kind} {}", named(size)), |bencher| {
                bencher.iter(|| {
                    let mut validator = Utf8Validator::new();
                    black_box(validator.push(black_box(text.as_bytes())).is_ok())
                });
            });
        }
    }
}

fn headers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header");
    let rules = FrameRules::new(Role::Server);
    for len in [8, 1 << 10, 1 << 20] {
        let header = FrameHeader::new(Opcode::Binary, len)
            .expect("a legal frame")
            .with_masking_key([1, 2, 3, 4]);
        group.bench_function(format!("encode {len}"), |bencher| {
            bencher.iter(|| black_box(&header).encode());
        });
        let encoded = header.encode();
        group.bench_function(format!("decode {len}"), |bencher| {
            bencher.iter(|| FrameHeader::decode(black_box(&encoded), black_box(&rules)));
        });
    }
}

criterion_group!(benches, masking, utf8, headers);
criterion_main!(benches);
