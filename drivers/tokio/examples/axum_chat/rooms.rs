//! The rooms of the chat. Each message is encoded once, whatever the number of members.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::{self, error::RecvError};
use tokio_websocket_proto::proto::PreparedMessage;

/// The number of messages that a new member receives.
const HISTORY: usize = 20;

/// The number of messages by which a member may be late.
const CAPACITY: usize = 256;

/// The rooms that have members, by name.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<HashMap<String, Room>>);

struct Room {
    messages: broadcast::Sender<PreparedMessage>,
    history: VecDeque<PreparedMessage>,
}

/// A member's place in a room, which it leaves when this is dropped.
pub(crate) struct Seat {
    rooms: Arc<Rooms>,
    room: String,
    name: String,
    messages: broadcast::Receiver<PreparedMessage>,
}

impl Rooms {
    /// Enters a room. Returns the seat and the last messages.
    pub(crate) fn enter(self: &Arc<Self>, room: &str, name: &str) -> (Seat, Vec<PreparedMessage>) {
        let mut rooms = self.lock();
        let entered = rooms.entry(room.to_owned()).or_insert_with(|| Room {
            messages: broadcast::Sender::new(CAPACITY),
            history: VecDeque::with_capacity(HISTORY),
        });
        let history = entered.history.iter().cloned().collect();
        let messages = entered.messages.subscribe();
        entered.send("", &format!("{name} has come"));
        let (rooms, room, name) = (Arc::clone(self), room.to_owned(), name.to_owned());
        (Seat { rooms, room, name, messages }, history)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn send(&mut self, name: &str, text: &str) {
        let message = PreparedMessage::new(format!("{name}\t{text}"));
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(message.clone());
        // Fails if nobody is in the room.
        let _ = self.messages.send(message);
    }
}

impl Seat {
    /// Sends a message to everyone in the room.
    pub(crate) fn say(&self, text: &str) {
        if let Some(room) = self.rooms.lock().get_mut(&self.room) {
            room.send(&self.name, text);
        }
    }

    /// Receives the next message of the room.
    ///
    /// # Errors
    ///
    /// Returns an error if this member is late by too many messages.
    pub(crate) async fn next(&mut self) -> Result<PreparedMessage, RecvError> {
        self.messages.recv().await
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        let Some(room) = rooms.get_mut(&self.room) else { return };
        if room.messages.receiver_count() == 1 {
            rooms.remove(&self.room);
        } else {
            room.send("", &format!("{} has left", self.name));
        }
    }
}
