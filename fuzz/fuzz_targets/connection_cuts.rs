//! Arbitrary bytes, cut and passed in different ways: the same events, errors, transport instructions and
//! output each time, equal to those of the naive receiver.
#![no_main]

#[path = "../../tests/support/cuts.rs"]
mod cuts;
#[path = "../../tests/support/naive.rs"]
mod naive;
#[path = "../../tests/support/mod.rs"]
mod support;

use cuts::{Driver, Feed, Storage, assert_matches_naive, assert_same, run};
use libfuzzer_sys::{Corpus, fuzz_target};
use websocket_proto::{Delivery, Role};

/// Inputs that cause no event are not kept in the corpus.
fn compare(data: &[u8]) -> Corpus {
    let Some((&[choices, mark, drain, first, second, step], stream)) = data.split_first_chunk()
    else {
        return Corpus::Reject;
    };
    let chosen = |bit: u8| choices >> bit & 1 == 1;
    let delivery = if chosen(1) { Delivery::Chunks } else { Delivery::Messages };
    let driver = Driver {
        delivery,
        echo: chosen(2),
        high_water_mark: match delivery {
            Delivery::Messages => usize::from(mark) * 16,
            Delivery::Chunks => usize::MAX,
        },
        statistics: chosen(5),
        manual_close: chosen(6),
        drains: if chosen(3) { vec![drain.into()] } else { vec![] },
        eof: chosen(4),
        ..Driver::new(if chosen(0) { Role::Server } else { Role::Client })
    };
    let two = vec![usize::from(first), usize::from(second)];
    let many: Vec<usize> = (0..stream.len()).step_by(usize::from(step % 16) + 1).collect();
    let whole = run(&driver, stream, &Feed::default());
    assert_matches_naive(&driver, stream, &whole);
    for (cuts, peeks, storage, eof_with_bytes) in [
        (two.clone(), 0, Storage::Bytes, false),
        (two, 2, Storage::Moved, true),
        (many.clone(), 0, Storage::Filled, true),
        (many, 1, Storage::Bytes, false),
    ] {
        let feed = Feed { cuts, peeks, storage, eof_with_bytes };
        assert_same(&whole, &run(&driver, stream, &feed), &driver, &feed);
    }
    if whole.events.is_empty() { Corpus::Reject } else { Corpus::Keep }
}

fuzz_target!(|data: &[u8]| -> Corpus { compare(data) });
