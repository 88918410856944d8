//! What an end did, checked once it is over.

use bytes::Buf;
use websocket_proto::{Delivery, Event, Message, MessageType};

use super::end::{End, finish};
use crate::support::{parse_frames, take_output};

impl End {
    /// Once it is over: the frames that it wrote, and did not get to write, are what it accepted.
    pub fn check_record(&mut self, written: &[u8]) {
        let counters = self.connection.counters();
        if self.connection.output().has_remaining() {
            let outcome = self.connection.outcome();
            assert!(outcome.is_none_or(|outcome| !outcome.clean), "clean, though some was lost");
        }
        let all = [written, &take_output(&mut self.connection)].concat();
        let frames = parse_frames(&all);
        let closes = frames.iter().filter(|(first, _)| *first == 0x88).count();
        assert!(closes <= 1, "{closes} Close frames");
        assert!(closes == 0 || frames.last().is_some_and(|(first, _)| *first == 0x88));

        let (mut messages, mut open) = (Vec::new(), None);
        for (first, payload) in &frames {
            let message_type = match (first & 0x0f, &open) {
                (0, Some((message_type, _))) => *message_type,
                (1, None) => MessageType::Text,
                (2, None) => MessageType::Binary,
                (8..=10, _) => continue,
                frame => panic!("out of order: {frame:?}"),
            };
            let open_or_new = open.get_or_insert((message_type, Vec::new()));
            open_or_new.1.extend_from_slice(payload);
            if first & 0x80 != 0 {
                messages.extend(open.take().map(finish));
            }
        }
        assert!(messages == self.sent, "what is on the wire is not what was accepted");
        assert_eq!(open, self.sending);

        if self.pongs == 0 {
            // Some may be left out, the newest never.
            let mut pongs =
                frames.iter().filter(|(first, _)| *first == 0x8a).map(|(_, payload)| payload);
            let newest = pongs.clone().next_back();
            let mut pings = self.owed.iter();
            assert!(pongs.all(|pong| pings.any(|ping| ping == pong)), "out of order");
            assert_eq!(newest, self.owed.last(), "the newest Ping is not answered");
        }

        // The reply to a Close repeats its code.
        if let Some(Event::Close(frame)) = self.events.last()
            && !self.closed
            && !self.setup.manual_close
        {
            let code = frame.as_ref().map_or(vec![], |it| it.code().0.to_be_bytes().to_vec());
            assert_eq!(frames.last(), Some(&(0x88, code)));
        }

        if let Some(counters) = counters {
            let (sent, received) = (counters.sent, counters.received);
            let payload = |messages: &mut dyn Iterator<Item = &Message<'static>>| -> u64 {
                messages.map(|message| message.as_bytes().len() as u64).sum()
            };
            let part = |part: &Option<(MessageType, Vec<u8>)>| {
                part.as_ref().map_or(0, |(_, bytes)| bytes.len() as u64)
            };
            let pings = frames.iter().filter(|(first, _)| *first == 0x89).count() as u64;
            assert_eq!(sent.messages, self.sent.len() as u64);
            assert_eq!(sent.payload_bytes, payload(&mut self.sent.iter()) + part(&self.sending));
            assert_eq!(sent.wire_bytes, written.len() as u64);
            assert_eq!(sent.pings, pings);
            assert!(received.wire_bytes <= self.seen.read);
            assert!(self.held.is_some() || received.wire_bytes == self.seen.read);
            assert_eq!(received.messages, self.messages().count() as u64);
            if self.setup.delivery == Delivery::Chunks {
                let expected = payload(&mut self.messages()) + part(&self.receiving);
                assert_eq!(received.payload_bytes, expected);
            }
        }
    }
}
