//! This crate, driven by the loop of its front page: read, receive, send, write. Masking keys come from the
//! thread's generator of the crate `rand`, which is seeded by the operating system.

use std::any::Any;
use std::sync::LazyLock;

use rand::RngCore;
use websocket_proto::handshake::{
    Acceptance, ClientEvent, ClientHandshake, ClientRequest, Handshake, ServerEvent,
    ServerHandshake, Uri,
};
use websocket_proto::{
    Config, Connection, Deflate, DeflateParameters, EntropyError, Event, Input, Message,
    Negotiated, Outgoing, Output, Unsent,
};

use super::is_server;
use crate::Job;
use crate::codec::Context;
use crate::scene::{Pipe, Scene};

static CONFIG: LazyLock<Config> = LazyLock::new(|| Config::new().with_static_entropy(&ENTROPY));
static DEFLATE: LazyLock<Config> =
    LazyLock::new(|| CONFIG.clone().with_deflate(Deflate::new().with_min_len(0)));
static DEFLATE_CONTEXT: LazyLock<Config> = LazyLock::new(|| {
    let deflate = Deflate::new().with_min_len(0);
    CONFIG
        .clone()
        .with_deflate(deflate.with_outgoing_context_takeover().with_incoming_context_takeover())
});
static ENTROPY: fn(&mut [u8]) -> Result<(), EntropyError> = |out| {
    rand::thread_rng().fill_bytes(out);
    Ok(())
};

pub struct Peer;

impl super::Peer for Peer {
    fn name(&self) -> &'static str {
        "websocket-proto"
    }

    fn receive(&self, scene: &Scene) -> Option<Job> {
        Some(Socket::open(scene).turns(|_, _| {}))
    }

    fn send(&self, scene: &Scene) -> Option<Job> {
        let (mut connection, mut pipe) = (open(scene), scene.pipe());
        let mut payloads = scene.payloads();
        let shared = scene.case.shared;
        Some(Box::new(move |messages| {
            for _ in 0..messages {
                let payload = payloads.next();
                if shared {
                    send(&mut connection, payload.clone());
                } else {
                    send(&mut connection, &**payload);
                }
                write(connection.output(), &mut pipe);
            }
            messages
        }))
    }

    fn echo(&self, scene: &Scene) -> Option<Job> {
        Some(Socket::open(scene).turns(|connection, message| send(connection, message)))
    }

    fn accept(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        let mut storage = vec![0; 4096];
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let (mut pipe, mut input) = (scene.pipe(), Input::new(&mut storage));
                let mut handshake = ServerHandshake::new(&*CONFIG);
                input.read_from(&mut pipe).expect("a pipe never fails");
                assert_eq!(handshake.receive(&mut input), Some(ServerEvent::Upgrade));
                let mut connection = handshake.accept(&Acceptance::new()).expect("an upgrade");
                write(connection.output(), &mut pipe);
            }
            handshakes
        }))
    }

    fn connect(&self, scene: &Scene) -> Option<Job> {
        let scene = scene.clone();
        let mut storage = vec![0; 4096];
        Some(Box::new(move |handshakes| {
            for _ in 0..handshakes {
                let (mut pipe, mut input) = (scene.pipe(), Input::new(&mut storage));
                let uri = Uri::parse("ws://example.com/chat?room=1").expect("a URI");
                let request = ClientRequest::new(&uri);
                let mut handshake = ClientHandshake::new(&*CONFIG, &request).expect("a request");
                write(handshake.output(), &mut pipe);
                input.read_from(&mut pipe).expect("a pipe never fails");
                assert_eq!(handshake.receive(&mut input), Some(ClientEvent::Accepted));
                handshake.establish().expect("a connection");
            }
            handshakes
        }))
    }

    fn deflates(&self) -> bool {
        true
    }

    /// Without the read buffer, which belongs to the driver: one buffer serves any number of connections.
    fn idle(&self, scene: &Scene) -> Option<Box<dyn Any>> {
        let mut socket = Socket::open(scene);
        socket.turn(&mut |connection, message| send(connection, message));
        Some(Box::new((socket.connection, socket.pipe)))
    }
}

struct Socket {
    connection: Connection,
    pipe: Pipe,
    scene: Scene,
    input: Input<'static>,
}

impl Socket {
    fn open(scene: &Scene) -> Self {
        Self {
            connection: open(scene),
            pipe: scene.pipe(),
            scene: scene.clone(),
            input: Input::owned(vec![0; scene.chunk]),
        }
    }

    /// Takes turns until enough messages have arrived.
    fn turns(mut self, mut reply: impl FnMut(&mut Connection, Message<'_>) + 'static) -> Job {
        Box::new(move |messages| {
            let mut done = 0;
            while done < messages {
                done += self.turn(&mut reply);
            }
            done
        })
    }

    /// Reads once and handles the result. Returns the number of messages.
    #[inline]
    fn turn(&mut self, reply: &mut impl FnMut(&mut Connection, Message<'_>)) -> u64 {
        let Self { connection, pipe, scene, input } = self;
        let mut done = 0;
        input.read_from(pipe).expect("a pipe never fails");
        while connection.has_room()
            && let Some(event) = connection.receive(input)
        {
            match event {
                Event::Message(message) => {
                    scene.message(message.as_bytes());
                    reply(connection, message);
                    done += 1;
                }
                Event::Failed(error) => panic!("{error}"),
                // Replies are queued automatically.
                _ => {}
            }
        }
        write(connection.output(), pipe);
        done
    }
}

fn open(scene: &Scene) -> Connection {
    let negotiated = Negotiated::default();
    let agreed = DeflateParameters::new();
    let (config, negotiated) = match scene.case.deflate {
        None => (&*CONFIG, negotiated),
        Some(Context::None) => {
            let agreed = agreed.with_server_no_context_takeover().with_client_no_context_takeover();
            (&*DEFLATE, negotiated.with_deflate_parameters(agreed))
        }
        Some(Context::Kept) => (&*DEFLATE_CONTEXT, negotiated.with_deflate_parameters(agreed)),
    };
    if is_server(scene) {
        Connection::server(config, &negotiated)
    } else {
        Connection::client(config, &negotiated).expect("entropy")
    }
}

#[inline]
fn send<'m>(connection: &mut Connection, message: impl Into<Outgoing<'m>>) {
    connection.send(message).map_err(Unsent::into_error).expect("room");
}

#[inline]
fn write(output: &mut Output, pipe: &mut Pipe) {
    output.write_to(pipe).expect("a pipe never fails");
}
