//! Two endpoints that do whatever a program may do, over a transport that does whatever a transport may do.
//! Any call may be dropped while it waits.
//!
//! Time is virtual and advances only when no task can run, so that a run with a lost wake-up takes too
//! long. The statistics of a connection show whether a dropped call has queued its message.

use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, timeout};
use tokio_websocket_proto::WebSocket;
use tokio_websocket_proto::proto::{
    Config, Connection, ConnectionError, Deflate, DeflateParameters, Delivery, Input, Limits,
    MessageType, Negotiated, Role, Statistics, Timeouts,
};

use naive::{Inflater, Naive, NaiveLimits, Seen, reassemble};
use pipe::{Break, Link, Pipe, pipe};
use program::{FOREVER, Log, Op, Phase, Program, ReceiveCall, Receiving, SendCall, Sending};
use support::{ROLES, counting_entropy};

mod cancelled;
#[path = "../../../tests/support/naive.rs"]
mod naive;
mod pipe;
mod program;
#[path = "../../../tests/support/mod.rs"]
mod support;

#[derive(Clone, Debug)]
struct Plan {
    link: Link,
    /// Whether permessage-deflate is agreed, and whether with context takeover.
    deflate: Option<bool>,
    timeouts: Timeouts,
    ends: [End; 2],
}

#[derive(Clone, Debug)]
struct End {
    high_water_mark: usize,
    max_fragment: usize,
    max_message: u64,
    delivery: Delivery,
    phases: Vec<Phase>,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Close,
    /// The half that sends starts to close while the other one waits.
    CloseSplit,
    /// The program drops its connection.
    Vanish,
}

impl Plan {
    fn program(&self, role: Role, io: Pipe) -> Program {
        let end = &self.ends[role as usize];
        let mut deflate = Deflate::new().with_level(1);
        let mut agreed = DeflateParameters::new();
        if self.deflate == Some(true) {
            deflate = deflate.with_outgoing_context_takeover().with_incoming_context_takeover();
        } else {
            agreed = agreed.with_client_no_context_takeover().with_server_no_context_takeover();
        }
        let negotiated = Negotiated::new().with_deflate_parameters(self.deflate.map(|_| agreed));
        let config = Config::new()
            .with_deflate(deflate)
            .with_timeouts(self.timeouts)
            .with_high_water_mark(end.high_water_mark)
            .with_max_fragment(end.max_fragment)
            .with_limits(Limits::DEFAULT.with_max_message(end.max_message))
            .with_delivery(end.delivery)
            .with_statistics()
            .with_entropy(counting_entropy());
        let connection = match role {
            Role::Client => Connection::client(config, &negotiated).unwrap(),
            Role::Server => Connection::server(config, &negotiated),
        };
        Program::new(WebSocket::from_parts(io, connection, Input::owned(Vec::new())))
    }
}

// --- Strategies -----------------------------------------------------------------------------------

fn select<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(values.to_vec())
}

fn sending() -> impl Strategy<Value = Sending> {
    use SendCall::*;
    let messages = [Borrowed, Owned, Feed, TryFeed, Prepared, Sink, SlowSink];
    let uncompressed = [Uncompressed, FeedUncompressed, TryFeedUncompressed];
    let pieces =
        [false, true].map(|is_last| [Piece { is_last }, PieceUncompressed { is_last }]).concat();
    let call = prop_oneof![
        24 => select(&messages),
        8 => select(&uncompressed),
        12 => select(&pieces),
        4 => select(&[Ping, Flush, Flush]),
        1 => select(&[StartClose, Close]),
    ];
    let len = prop_oneof![
        6 => 0_usize..300,
        2 => select(&[0, 125, 126, 127, 2047, 2048, 65535, 65536]),
        1 => 300..100_usize << 10,
    ];
    (call, any::<bool>(), len, polls()).prop_map(|(call, is_text, len, polls)| Sending {
        call,
        is_text,
        len,
        polls,
    })
}

fn polls() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(usize::MAX), 2 => 0_usize..4, 1 => 4_usize..100]
}

fn phase() -> impl Strategy<Value = Phase> {
    let time = || (0_u64..50).prop_map(Duration::from_millis);
    let call = select(&[ReceiveCall::Recv, ReceiveCall::RecvChunk, ReceiveCall::Stream]);
    let receiving =
        (call, polls(), time()).prop_map(|(call, polls, time)| Receiving { call, polls, time });
    let op = prop_oneof![
        5 => sending().prop_map(Op::Send),
        4 => receiving.prop_map(Op::Receive),
        1 => time().prop_map(Op::Idle),
    ];
    (any::<bool>(), prop::collection::vec(op, 0..10)).prop_map(|(is_split, ops)| Phase {
        is_split,
        receives_on: true,
        ops,
    })
}

fn end() -> impl Strategy<Value = End> {
    (
        select(&[1, 300, 5000, 1 << 20]),
        select(&[usize::MAX, usize::MAX, 100, 3000]),
        select(&[Delivery::Messages, Delivery::Messages, Delivery::Chunks]),
        prop::collection::vec(phase(), 0..4),
        select(&[Ending::Close, Ending::CloseSplit]),
    )
        .prop_map(|(high_water_mark, max_fragment, delivery, phases, ending)| End {
            high_water_mark,
            max_fragment,
            max_message: u64::MAX,
            delivery,
            phases,
            ending,
        })
}

fn plan() -> impl Strategy<Value = Plan> {
    let capacity = select(&[1, 7, 64, 1000, 20_000, 1 << 17]);
    let link = (any::<u64>(), capacity, any::<bool>(), any::<bool>()).prop_map(
        |(seed, capacity, buffers_writes, is_write_vectored)| Link {
            seed,
            capacity,
            buffers_writes,
            is_write_vectored,
            breaks: None,
        },
    );
    let deflate = select(&[None, Some(false), Some(true)]);
    // The third one sends many keepalive Pings.
    let many = Timeouts::RECOMMENDED.with_ping(Some(Duration::from_millis(5)));
    let timeouts = select(&[Timeouts::NONE, Timeouts::RECOMMENDED, many]);
    (link, deflate, timeouts, end(), end()).prop_map(|(link, deflate, timeouts, client, server)| {
        let mut ends = [client, server];
        // A message takes at most thousands of writes.
        for op in ends.iter_mut().flat_map(|end| &mut end.phases).flat_map(|phase| &mut phase.ops) {
            if let Op::Send(Sending { len, .. }) = op {
                *len = (*len).min(1000 * link.capacity);
            }
        }
        Plan { link, deflate, timeouts, ends }
    })
}

// --- Runs -----------------------------------------------------------------------------------------

#[derive(Debug)]
struct Ended {
    sent: Log,
    received: Log,
    statistics: Statistics,
    error: Option<ConnectionError>,
    is_clean: bool,
}

/// Performs the operations of one end. The transport is dropped at the end.
async fn live(mut program: Program, end: End) -> Ended {
    for phase in end.phases {
        program = program.perform(phase).await;
    }
    if end.ending != Ending::Vanish {
        program = program.close(end.ending == Ending::CloseSplit).await.check_end().await;
    }
    let connection = program.socket.connection();
    Ended {
        statistics: connection.statistics().unwrap(),
        error: connection.error(),
        is_clean: connection.outcome().is_some_and(|outcome| outcome.clean),
        sent: program.sent,
        received: program.received,
    }
}

/// Runs both ends, and checks what holds whatever happens.
fn run(plan: &Plan, longest: Duration) -> [Ended; 2] {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let ([client, server], directions) = pipe(&plan.link);
    let [client_end, server_end] = plan.ends.clone();
    let ended = LocalSet::new().block_on(&runtime, async {
        let began = Instant::now();
        let client = spawn_local(live(plan.program(Role::Client, client), client_end));
        let server = spawn_local(live(plan.program(Role::Server, server), server_end));
        let ended = async { [client.await.unwrap(), server.await.unwrap()] };
        let ended = timeout(FOREVER / 2, ended).await.expect("a task waits without end");
        assert!(began.elapsed() < longest, "a task has waited for {:?}", began.elapsed());
        ended
    });
    for (from, to) in [(0, 1), (1, 0)] {
        let sent = &ended[from].sent.messages;
        assert!(
            sent.starts_with(&ended[to].received.messages),
            "messages arrive that were not sent"
        );
        let direction = directions[from].borrow();
        let written = read_naively(plan, ROLES[to], &direction.written);
        assert!(sent.starts_with(&written), "the bytes contain messages that were not sent");
        // After a violation or a limit that was exceeded, bytes are dropped.
        let is_valid = !matches!(
            ended[to].error,
            Some(ConnectionError::Protocol(_) | ConnectionError::Limit(_))
        );
        if is_valid && plan.ends[to].ending != Ending::Vanish && !ended[to].received.is_incomplete {
            let read = read_naively(plan, ROLES[to], &direction.written[..direction.read]);
            assert_eq!(
                ended[to].received.messages.len(),
                read.len(),
                "a message was read and lost"
            );
        }
    }
    ended
}

/// Returns the messages in the bytes that were sent to this role. The bytes may end within a frame.
fn read_naively(plan: &Plan, role: Role, bytes: &[u8]) -> Vec<(MessageType, Vec<u8>)> {
    let limits =
        NaiveLimits { max_frame: u64::MAX, max_message: u64::MAX, max_empty_fragments: u32::MAX };
    let mut naive = Naive::new(role, limits);
    if let Some(has_context_takeover) = plan.deflate {
        naive = naive.with_inflater(Inflater::strict(15, has_context_takeover));
    }
    naive.receive(bytes);
    assert_eq!(naive.error, None, "the bytes are no WebSocket stream");
    let messages = reassemble(&naive.seen).into_iter().filter_map(|seen| match seen {
        Seen::Data { text: true, bytes, .. } => Some((MessageType::Text, bytes)),
        Seen::Data { text: false, bytes, .. } => Some((MessageType::Binary, bytes)),
        _ => None,
    });
    messages.collect()
}

proptest! {
    /// Both ends close, and everything that one of them has queued arrives.
    #[test]
    fn everything_that_is_queued_before_a_close_arrives_in_order(
        plan in plan(),
        resting in prop::option::of(0_usize..2),
    ) {
        let mut plan = plan;
        if let Some(end) = resting {
            plan.ends[end].phases.iter_mut().for_each(|phase| phase.receives_on = false);
        }
        // No timeout expires.
        let ended = run(&plan, Duration::from_secs(10));
        for (from, to) in [(0, 1), (1, 0)] {
            let (from, to) = (&ended[from], &ended[to]);
            prop_assert!(from.is_clean && from.error.is_none());
            let (sent, received) = (from.statistics.sent, to.statistics.received);
            prop_assert_eq!((sent.messages, sent.pings), (received.messages, received.pings));
            prop_assert_eq!(sent.messages, from.sent.messages.len() as u64);
            prop_assert!(
                to.received.is_incomplete || to.received.messages.len() == from.sent.messages.len()
            );
        }
    }

    /// A message is too long, the transport breaks or falls silent, or a program drops its connection.
    #[test]
    fn failed_connection_returns_one_failure_and_ends(
        plan in plan(),
        breaks in prop::option::of((0_usize..20_000, any::<bool>())),
        max_message in select(&[u64::MAX, 100, 10_000]),
        vanishes in any::<[bool; 2]>(),
        rest in any::<bool>(),
    ) {
        let mut plan = plan;
        let mut longest = Duration::from_secs(10);
        if rest {
            // Only timeouts end the run if both ends only send. One end may wait for those of the other one.
            plan.timeouts = Timeouts::RECOMMENDED;
            longest = Duration::from_secs(200);
            let phases = plan.ends.iter_mut().flat_map(|end| &mut end.phases);
            phases.for_each(|phase| phase.receives_on = false);
        }
        plan.ends[0].max_message = max_message;
        for (end, vanishes) in plan.ends.iter_mut().zip(vanishes) {
            if vanishes {
                end.ending = Ending::Vanish;
            }
        }
        if let Some((after, is_silent)) = breaks {
            plan.link.breaks = Some(Break { after, is_silent });
            if is_silent {
                // Only timeouts end the run.
                plan.timeouts = Timeouts::RECOMMENDED;
                longest = Duration::from_secs(200);
            }
        }
        run(&plan, longest);
    }
}
