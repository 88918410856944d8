//! A client and a server over simulated TCP under arbitrary operations: the pair's invariants hold after
//! each call, both ends stop, and every received message is one that was sent.
#![no_main]

#[path = "../../tests/support/pair/mod.rs"]
mod pair;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use libfuzzer_sys::{Corpus, fuzz_target};
use pair::{Op, Ownership, Pair, PairSetup, Reports, Setup, Teardown};
use support::{ROLES, peer_frame, peer_of};
use websocket_proto::{ControlRate, Delivery, Timeouts};

/// The fuzzer's input, followed by zeros.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(self.byte()) % values.len()]
    }

    fn len(&mut self) -> usize {
        let byte = usize::from(self.byte());
        match byte {
            // Every length up to twice a header, and a selection of larger ones.
            0..128 => byte,
            128..250 => (byte - 128) * (byte - 128),
            _ => self.of(&[65_535, 65_536, 70_000]),
        }
    }

    fn time(&mut self) -> Option<Duration> {
        let byte = u64::from(self.byte());
        (byte != 0).then(|| Duration::from_millis(byte * 16))
    }

    fn end(&mut self) -> Setup {
        let flags = self.byte();
        let rate = ControlRate { frames: 20, per: Duration::from_millis(500) };
        Setup {
            delivery: if flags & 1 == 0 { Delivery::Messages } else { Delivery::Chunks },
            high_water_mark: self.of(&[1, 300, 5000, 1 << 20]),
            max_fragment: self.of(&[usize::MAX, 1000, 100, 3000]),
            manual_pong: flags & 2 != 0,
            manual_close: flags & 4 != 0,
            statistics: flags & 8 != 0,
            control_rate: (flags & 16 != 0).then_some(rate),
            timeouts: Timeouts::NONE
                .with_ping(self.time())
                .with_pong(self.time())
                .with_idle(self.time())
                .with_closing(self.time()),
            reports: self.of(&Reports::ALL),
            teardown: self.of(&[
                Teardown::Correct,
                Teardown::Correct,
                Teardown::ClosesInsteadOfDraining,
                Teardown::ClosesAfterOwnClose,
            ]),
            ..Setup::default()
        }
    }

    fn op(&mut self) -> Op {
        let byte = self.byte();
        let role = ROLES[usize::from(byte >> 7)];
        let on = byte & 0x40 != 0;
        match byte & 0x3f {
            0..12 => {
                let ownership = Ownership::ALL[usize::from(byte % 4)];
                Op::Send { role, text: on, len: self.len(), ownership }
            }
            12..18 => Op::SendChunk { role, text: byte & 1 == 0, len: self.len(), last: on },
            18..22 => Op::Pings {
                role,
                count: usize::from(self.byte() % 40),
                len: usize::from(self.byte() % 126),
            },
            22..24 => Op::Pong { role, len: usize::from(self.byte() % 126) },
            24..28 => Op::Close { role, code: self.of(&[1000, 1005, 3000]) },
            28..32 => Op::Read { role, on },
            32..40 => Op::Advance(Duration::from_millis(u64::from(self.byte()) * 8)),
            40..44 => Op::Block { from: role, on },
            44..46 => Op::Cut(self.of(&[20, 100, 1000, usize::MAX])),
            46..48 => Op::Delay(Duration::from_millis(u64::from(self.byte()))),
            48 => Op::HalfClose { role },
            49 => Op::Vanish { role },
            50 => Op::Reset { role },
            51..54 => {
                let (first, len, count) = (self.byte(), self.byte(), self.byte());
                let frame = peer_frame(peer_of(role), first, &vec![b'x'; usize::from(len)]);
                Op::Inject { from: role, bytes: frame.repeat(usize::from(count)) }
            }
            54..56 => {
                let len = usize::from(self.byte()).min(self.0.len());
                let (bytes, rest) = self.0.split_at(len);
                self.0 = rest;
                Op::Inject { from: role, bytes: bytes.to_vec() }
            }
            _ => Op::Wake { role },
        }
    }
}

/// Inputs that apply no operation are not kept in the corpus.
fn drive(data: &[u8]) -> Corpus {
    let mut choices = Choices(data);
    let setup = PairSetup {
        seed: choices.byte().into(),
        client: choices.end(),
        // Only the server echoes: two applications that reply to each other's replies never stop.
        server: Setup { echo: choices.flag(), ..choices.end() },
        delay: Duration::from_millis(choices.byte().into()),
        window: choices.of(&[500, 4000, 1 << 16]),
        cut: choices.of(&[20, 100, 1000, usize::MAX]),
    };
    if choices.0.is_empty() {
        return Corpus::Reject;
    }
    let mut pair = Pair::new(&setup);
    for _ in 0..100 {
        if choices.0.is_empty() {
            break;
        }
        pair.apply(&choices.op());
    }
    pair.recover();
    // With a keepalive, a healthy connection never ends.
    pair.run(Duration::from_secs(10));
    for role in ROLES {
        pair.apply(&Op::Close { role, code: 1000 });
    }
    pair.run(Duration::from_secs(10));
    pair.check();
    Corpus::Keep
}

fuzz_target!(|data: &[u8]| -> Corpus { drive(data) });
