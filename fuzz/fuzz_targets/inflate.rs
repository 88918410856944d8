//! Arbitrary compressed payloads, cut and passed in different ways: the same events, errors and output each
//! time, equal to those of the naive receiver and of another codec, in bounded memory.
#![no_main]

#[path = "../../tests/support/cuts.rs"]
mod cuts;
#[path = "../../tests/support/memory.rs"]
mod memory;
#[path = "../../tests/support/naive.rs"]
mod naive;
#[path = "../../tests/support/mod.rs"]
mod support;

use cuts::{Driver, Feed, Storage, assert_matches_naive, assert_same, run};
use flate2::{Decompress, FlushDecompress, Status};
use libfuzzer_sys::{Corpus, fuzz_target};
use memory::measure;
use naive::Seen;
use support::{frames::peer_frame, negotiated_connection};
use websocket_proto::{
    Config, Connection, DeflateParameters, Delivery, Input, Limits, Negotiated, Role,
};

const MAX_MESSAGE: u64 = 1 << 16;

/// Memory beyond twice the message limit.
const SLACK: isize = 64 << 10;

/// Inputs whose first message is refused before it has output are not kept in the corpus.
fn inflate(data: &[u8]) -> Corpus {
    let Some((&[choices, first, second, step], payload)) = data.split_first_chunk() else {
        return Corpus::Reject;
    };
    let chosen = |bit: u8| choices >> bit & 1 == 1;
    let role = if chosen(0) { Role::Server } else { Role::Client };
    let mut agreed = DeflateParameters::new();
    if chosen(1) {
        agreed = agreed.with_server_no_context_takeover().with_client_no_context_takeover();
    }
    if chosen(2) {
        agreed = agreed.with_server_max_window_bits(9).with_client_max_window_bits(9);
    }
    let driver = Driver {
        delivery: if chosen(3) { Delivery::Chunks } else { Delivery::Messages },
        max_message: MAX_MESSAGE,
        deflate: Some(agreed),
        ..Driver::new(role)
    };
    // The first byte of a frame, and then a Ping, between the fragments.
    let opcode = if chosen(4) { 0x41 } else { 0x42 };
    let at = usize::from(first).min(payload.len());
    let bytes = if chosen(5) {
        let (start, end) = payload.split_at(at);
        [peer_frame(role, opcode, start), peer_frame(role, 0x89, b"?"), peer_frame(role, 0x80, end)]
            .concat()
    } else {
        peer_frame(role, 0x80 | opcode, payload)
    };
    // A second message refers to the first.
    let bytes = [&bytes[..], &peer_frame(role, 0x80 | opcode, payload)].concat();

    let whole = run(&driver, &bytes, &Feed::default());
    assert_matches_naive(&driver, &bytes, &whole);
    let two = vec![usize::from(second), usize::from(second) + usize::from(first)];
    let many: Vec<usize> = (0..bytes.len()).step_by(usize::from(step % 16) + 1).collect();
    for (cuts, peeks, storage, eof_with_bytes) in
        [(two, 1, Storage::Moved, true), (many, usize::from(step & 1), Storage::Filled, false)]
    {
        let feed = Feed { cuts, peeks, storage, eof_with_bytes };
        assert_same(&whole, &run(&driver, &bytes, &feed), &driver, &feed);
    }
    if driver.delivery == Delivery::Messages {
        assert_equals_another_codec(payload, &whole.events);
    }
    assert_bounded(&driver, agreed, &bytes);
    let has_output = |event: &Seen| matches!(event, Seen::Data { bytes, .. } if !bytes.is_empty());
    if whole.events.iter().any(has_output) { Corpus::Keep } else { Corpus::Reject }
}

/// If the payload is one stream for the other codec, it is the first message.
fn assert_equals_another_codec(payload: &[u8], events: &[Seen]) {
    let mut codec = Decompress::new(false);
    let mut output = Vec::with_capacity(MAX_MESSAGE as usize + 1);
    // The end of the last block, and an empty final block: it shows that the stream is complete.
    let stream = [payload, &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
    let status = codec.decompress_vec(&stream, &mut output, FlushDecompress::Finish);
    if matches!(status, Ok(Status::StreamEnd))
        && codec.total_in() == stream.len() as u64
        && output.len() as u64 <= MAX_MESSAGE
    {
        let first = events.iter().find(|event| !matches!(event, Seen::Ping(_)));
        match first {
            Some(Seen::Data { bytes, .. }) => assert!(*bytes == output, "other output"),
            Some(Seen::Failed(error)) => {
                assert!(str::from_utf8(&output).is_err(), "{error:?} for a valid stream")
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Receives all at once, in a thread whose pool is warm.
fn assert_bounded(driver: &Driver, agreed: DeflateParameters, bytes: &[u8]) {
    let limits = Limits::DEFAULT.with_max_message(MAX_MESSAGE);
    let config = Config::new().with_limits(limits).with_delivery(driver.delivery);
    let negotiated = Negotiated::default().with_deflate_parameters(agreed);
    let mut end: Connection = negotiated_connection(driver.role, config, &negotiated);
    let mut bytes = bytes.to_vec();
    let (_, _, peak) = measure(|| {
        let mut input = Input::with_bytes(&mut bytes);
        while let Some(event) = end.receive(&mut input) {
            drop(event);
        }
    });
    let received = bytes.len() as isize;
    assert!(peak <= 2 * MAX_MESSAGE as isize + SLACK, "{peak} bytes for {received}");
}

fuzz_target!(|data: &[u8]| -> Corpus { inflate(data) });
