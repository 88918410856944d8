//! Every future can be dropped at every point at which it waits.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_websocket_proto::proto::{Chunk, CloseCode, Fragment};
use tokio_websocket_proto::{Error, WebSocket};

use cancelled::cancelled;
use pair::{echo, pair};

mod cancelled;
mod pair;

fn message(i: usize) -> String {
    format!("message {i} {}", "x".repeat(i * 7 % 300))
}

async fn receive_all(mut socket: WebSocket<DuplexStream>) -> Result<Vec<String>, Error> {
    let mut messages = Vec::new();
    while let Some(message) = socket.recv().await? {
        messages.push(message.into_owned().into_text().unwrap());
    }
    Ok(messages)
}

#[tokio::test]
async fn dropped_send_leaves_whole_messages_in_order() {
    for capacity in [1, 7, 64, 1000] {
        for polls in 0..4 {
            let (server, mut client) = pair(capacity).await;
            let sending = async {
                let mut completed = Vec::new();
                for i in 0..30 {
                    let polls = if i % 2 == 0 { polls } else { usize::MAX };
                    if let Some(sent) = cancelled(polls, client.send(message(i))).await {
                        sent.unwrap();
                        completed.push(i);
                    }
                }
                client.close(CloseCode::NORMAL).await.unwrap();
                completed
            };
            let (completed, received) = tokio::join!(sending, receive_all(server));
            let received = received.unwrap();
            let mut next = 0;
            for i in 0..30 {
                if received.get(next) == Some(&message(i)) {
                    next += 1;
                } else {
                    assert!(!completed.contains(&i), "message {i} is missing");
                }
            }
            assert_eq!(next, received.len(), "unexpected message");
        }
    }
}

#[tokio::test]
async fn dropped_recv_loses_no_message() {
    for capacity in [1, 7, 64, 1000] {
        for polls in 0..4 {
            let (mut server, mut client) = pair(capacity).await;
            let sending = async {
                for i in 0..30 {
                    client.send(message(i)).await.unwrap();
                }
                client.close(CloseCode::NORMAL).await.unwrap();
            };
            let receiving = async {
                let mut received = Vec::new();
                loop {
                    let received_one = async {
                        server.recv().await.map(|message| message.map(|m| m.into_owned()))
                    };
                    match cancelled(polls, received_one).await {
                        Some(Ok(Some(message))) => received.push(message.into_text().unwrap()),
                        Some(Ok(None)) => return received,
                        Some(Err(error)) => panic!("{error}"),
                        None => tokio::task::yield_now().await,
                    }
                }
            };
            let ((), received) = tokio::join!(sending, receiving);
            assert_eq!(received, (0..30).map(message).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn dropped_close_can_be_repeated() {
    for polls in 0..10 {
        let (server, mut client) = pair(10).await;
        let closing = async {
            client.feed(message(5)).await.unwrap();
            if cancelled(polls, client.close(CloseCode::NORMAL)).await.is_none() {
                client.close(CloseCode::NORMAL).await.unwrap();
            }
            assert!(client.outcome().unwrap().clean);
        };
        let ((), received) = tokio::join!(closing, receive_all(server));
        assert_eq!(received.unwrap(), [message(5)]);
    }
}

#[tokio::test]
async fn dropped_flush_ping_and_chunk_leave_a_valid_stream() {
    for polls in 0..4 {
        let (server, mut client) = pair(3).await;
        let sending = async {
            for i in 0..10 {
                client.feed(message(i)).await.unwrap();
                cancelled(polls, client.flush()).await;
                cancelled(polls, client.ping(b"ping")).await;
            }
            // The output is far from full, so that a piece is queued before the call waits.
            for fragment in [Fragment::First, Fragment::Middle, Fragment::Last] {
                cancelled(polls, client.send_chunk(Chunk::new("piece", fragment))).await;
            }
            client.close(CloseCode::NORMAL).await.unwrap();
        };
        let ((), received) = tokio::join!(sending, receive_all(server));
        let mut expected: Vec<_> = (0..10).map(message).collect();
        expected.push("piecepiecepiece".to_owned());
        assert_eq!(received.unwrap(), expected);
    }
}

#[tokio::test]
async fn dropped_halves_futures_lose_nothing() {
    for polls in 0..4 {
        let (server, client) = pair(10).await;
        let (mut sender, mut receiver) = client.split();
        let sending = async {
            for i in 0..30 {
                // A message is queued before the call waits, because the output is not full.
                cancelled(polls, sender.send(message(i))).await;
            }
            sender.start_close(CloseCode::NORMAL).unwrap();
        };
        let receiving = async {
            let mut received = Vec::new();
            loop {
                let received_one =
                    async { receiver.recv().await.map(|message| message.map(|m| m.into_owned())) };
                match cancelled(polls, received_one).await {
                    Some(Ok(Some(message))) => received.push(message.into_text().unwrap()),
                    Some(Ok(None)) => return received,
                    Some(Err(error)) => panic!("{error}"),
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let (echoed, (), received) = tokio::join!(echo(server), sending, receiving);
        echoed.unwrap();
        assert_eq!(received, (0..30).map(message).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn dropped_calls_of_a_failed_connection_return_its_failure_once() {
    for capacity in [1, 7, 1000] {
        for polls in 0..6 {
            let (server, mut client) = pair(capacity).await;
            let (mut reads, mut writes) = tokio::io::split(server.into_io());
            let peer = async {
                // A frame with a reserved bit. The stream of the peer ends after ours.
                writes.write_all(b"\x91\0").await.unwrap();
                let mut received = Vec::new();
                reads.read_to_end(&mut received).await.unwrap();
                writes.shutdown().await.unwrap();
                received
            };
            let failing = async {
                let mut failures = 0;
                for i in 0..100 {
                    for sent in [
                        cancelled(polls, client.send(message(i))).await,
                        cancelled(polls, client.flush()).await,
                    ] {
                        failures += usize::from(matches!(sent, Some(Err(Error::Connection(_)))));
                    }
                    tokio::task::yield_now().await;
                }
                let received = client.recv().await;
                failures += usize::from(matches!(received, Err(Error::Connection(_))));
                assert!(matches!(client.recv().await, Ok(None)));
                // Ends the stream that the peer reads, if the failure came before that.
                drop(client);
                failures
            };
            let (failures, received) = tokio::join!(failing, peer);
            assert_eq!(failures, 1, "{capacity} bytes, {polls} polls");
            // A client masks its Close frame.
            let close = &received[received.len() - 8..];
            let code = [close[6] ^ close[2], close[7] ^ close[3]];
            assert_eq!((close[0], close[1], code), (0x88, 0x82, [0x03, 0xea]));
        }
    }
}
