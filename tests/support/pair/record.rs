//! Checks the record of an end after its last call.

use websocket_proto::{Delivery, Event, Message, MessageType, Role};

use super::end::{End, finish};
use crate::support::{parse_frames, take_output};

impl End {
    /// Checks that the written and the pending frames are the accepted ones.
    pub(super) fn check_record(&mut self, written: &[u8]) {
        let statistics = self.connection.statistics();
        let is_clean = self.connection.outcome().is_some_and(|outcome| outcome.clean);
        let lost = take_output(&mut self.connection);
        let all = [written, &lost].concat();
        let frames = parse_frames(&all);
        let close = frames.iter().position(|(first, _)| *first == 0x88);
        if let Some(close) = close {
            let after = &frames[close + 1..];
            assert!(
                after.iter().all(|(first, _)| *first == 0x8a),
                "a frame other than a Pong follows a Close"
            );
        }
        if is_clean {
            // Only Pongs after our Close may be lost. A client's frame has a masking key.
            let key_len = if self.connection.role() == Role::Client { 4 } else { 0 };
            let pongs = frames.iter().skip(close.map_or(frames.len(), |close| close + 1));
            let pongs_len: usize = pongs.map(|(_, payload)| 2 + key_len + payload.len()).sum();
            assert!(lost.len() <= pongs_len, "the outcome is clean, but output was lost");
        }

        let (mut messages, mut open) = (Vec::new(), None);
        for (first, payload) in &frames {
            let message_type = match (first & 0x0f, &open) {
                (0, Some((message_type, _))) => *message_type,
                (1, None) => MessageType::Text,
                (2, None) => MessageType::Binary,
                (8..=10, _) => continue,
                frame => panic!("unexpected frame: {frame:?}"),
            };
            let open_or_new = open.get_or_insert((message_type, Vec::new()));
            open_or_new.1.extend_from_slice(payload);
            if first & 0x80 != 0 {
                messages.extend(open.take().map(finish));
            }
        }
        assert!(messages == self.sent, "the written messages differ from the accepted ones");
        assert_eq!(open, self.sending);

        if self.pongs == 0 && !self.setup.manual_pong {
            // RFC 6455, section 5.5.3: some Pongs may be omitted, but never the newest.
            let mut pongs =
                frames.iter().filter(|(first, _)| *first == 0x8a).map(|(_, payload)| payload);
            let newest = pongs.clone().next_back();
            let mut pings = self.pings.iter();
            assert!(pongs.all(|pong| pings.any(|ping| ping == pong)), "Pongs out of order");
            assert_eq!(newest, self.pings.last(), "the newest Ping was not answered");
        }

        // RFC 6455, section 5.5.1: the reply repeats the peer's code.
        if let Some(Event::Close(frame)) = self.events.last()
            && !self.closed
            && !self.setup.manual_close
        {
            let code = frame.as_ref().map_or(vec![], |it| it.code().0.to_be_bytes().to_vec());
            assert_eq!(frames.last(), Some(&(0x88, code)));
        }

        if let Some(statistics) = statistics {
            let (sent, received) = (statistics.sent, statistics.received);
            let payload = |messages: &mut dyn Iterator<Item = &Message<'static>>| -> u64 {
                messages.map(|message| message.len() as u64).sum()
            };
            let part = |part: &Option<(MessageType, Vec<u8>)>| {
                part.as_ref().map_or(0, |(_, bytes)| bytes.len() as u64)
            };
            let pings = frames.iter().filter(|(first, _)| *first == 0x89).count() as u64;
            assert_eq!(sent.messages, self.sent.len() as u64);
            assert_eq!(sent.payload_bytes, payload(&mut self.sent.iter()) + part(&self.sending));
            assert_eq!(sent.wire_bytes, written.len() as u64);
            assert_eq!(sent.pings, pings);
            let unread = self.input.unread().len() as u64;
            assert_eq!(received.wire_bytes, self.seen.read - unread);
            assert_eq!(received.messages, self.messages().count() as u64);
            if self.setup.delivery == Delivery::Chunks {
                let expected = payload(&mut self.messages()) + part(&self.receiving);
                assert_eq!(received.payload_bytes, expected);
            }
        }
    }
}
