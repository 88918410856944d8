//! The implementations, one file each.

use std::any::Any;

use crate::Job;
use crate::case::{Role, Work};
use crate::scene::{Pipe, Scene, run};

mod embedded_websocket;
mod fastwebsockets;
mod limits;
#[cfg(feature = "ratchet")]
mod ratchet;
mod sockudo_ws;
mod soketto;
mod tokio_websockets;
mod tungstenite;
mod web_socket;
mod websocket_proto;
mod websocket_sans_io;
mod wtx;
mod yawc;

/// An implementation. A method returns `None` if the implementation does not support the work.
///
/// Each job processes at least the requested number of messages and returns the actual number; bytes that
/// it read but did not use stay in the job for the next call.
pub trait Peer {
    fn name(&self) -> &'static str;

    /// Receives messages and passes each to [`Scene::message`](crate::scene::Shared).
    fn receive(&self, _scene: &Scene) -> Option<Job> {
        None
    }

    /// Sends the case's messages in order, each written before the next one.
    fn send(&self, _scene: &Scene) -> Option<Job> {
        None
    }

    /// Passes each message to the scene and echoes it.
    fn echo(&self, _scene: &Scene) -> Option<Job> {
        None
    }

    /// Opening handshakes of a server, from the first byte to a connection, which is dropped.
    fn accept(&self, _scene: &Scene) -> Option<Job> {
        None
    }

    /// Opening handshakes of a client.
    fn connect(&self, _scene: &Scene) -> Option<Job> {
        None
    }

    /// An idle connection with its [`Pipe`](crate::scene::Pipe), after one message: a server has echoed it,
    /// a client has received it and sent one.
    fn idle(&self, _scene: &Scene) -> Option<Box<dyn Any>> {
        None
    }

    /// Whether it supports permessage-deflate.
    fn deflates(&self) -> bool {
        false
    }

    /// The job for the scene's case.
    fn job(&self, scene: &Scene) -> Option<Job> {
        if scene.case.deflate.is_some() && !self.deflates() {
            return None;
        }
        match scene.case.work {
            Work::Receive => self.receive(scene),
            Work::Send => self.send(scene),
            Work::Echo => self.echo(scene),
            Work::Accept => self.accept(scene),
            Work::Connect => self.connect(scene),
        }
    }
}

pub fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(websocket_proto::Peer),
        Box::new(tungstenite::Peer),
        Box::new(fastwebsockets::Peer),
        Box::new(tokio_websockets::Peer),
        Box::new(sockudo_ws::Peer::<false>),
        Box::new(sockudo_ws::Peer::<true>),
        Box::new(yawc::Peer),
        #[cfg(feature = "ratchet")]
        Box::new(ratchet::Peer),
        Box::new(soketto::Peer),
        Box::new(wtx::Peer),
        Box::new(web_socket::Peer),
        Box::new(websocket_sans_io::Peer),
        Box::new(embedded_websocket::Peer),
        Box::new(limits::Memory),
        Box::new(limits::Xor),
        Box::new(limits::Whole),
        Box::new(limits::StdUtf8),
        Box::new(limits::SimdUtf8),
        Box::new(limits::Codec::<true>),
        Box::new(limits::Codec::<false>),
        Box::new(limits::AcceptKey),
        Box::new(limits::Answer),
    ]
}

fn is_server(scene: &Scene) -> bool {
    scene.case.role == Role::Server
}

/// A job of asynchronous opening handshakes.
fn handshakes(scene: &Scene, handshake: impl AsyncFn(Pipe) + 'static) -> Job {
    let scene = scene.clone();
    Box::new(move |count| {
        run(async {
            for _ in 0..count {
                handshake(scene.pipe()).await;
            }
        });
        count
    })
}
