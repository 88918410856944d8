//! Any bytes, cut in two different ways, lead to the same events, errors and output.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use support::cuts::{Driver, run};
use websocket_proto::{Delivery, Role};

fuzz_target!(|data: &[u8]| {
    let Some((&[choices, mark, drain, first, second, step], stream)) = data.split_first_chunk()
    else {
        return;
    };
    let driver = Driver {
        role: if choices & 1 == 0 { Role::Client } else { Role::Server },
        delivery: if choices & 2 == 0 { Delivery::Messages } else { Delivery::Chunks },
        echo: choices & 4 == 0,
        high_water_mark: usize::from(mark) * 16,
        drains: if choices & 8 == 0 { vec![] } else { vec![drain.into()] },
        eof: choices & 16 == 0,
        direct: false,
        lent: false,
    };
    let some = [usize::from(first), usize::from(second)];
    let every: Vec<usize> = (0..stream.len()).step_by(usize::from(step % 16) + 1).collect();
    let whole = run(&driver, stream, &[]);
    assert_eq!(whole, run(&driver, stream, &some));
    assert_eq!(whole, run(&driver, stream, &every));
    for (direct, lent) in [(true, false), (false, true), (true, true)] {
        let driver = Driver { direct, lent, ..driver.clone() };
        assert_eq!(whole, run(&driver, stream, &some));
    }
});
