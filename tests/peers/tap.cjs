// Proxies that read the WebSocket frames between two programs, independently of both: over HTTP/1.1, and over HTTP/2
// and TLS.
"use strict";

const assert = require("node:assert/strict");
const net = require("node:net");
const tls = require("node:tls");

const CONTINUATION = 0;
const FIRST_CONTROL = 8;

// HTTP/2: RFC 9113, sections 3.4, 4.1 and 6.1.
const PREFACE = 24; // bytes before the first frame of a client
const HEADER = 9; // bytes
const DATA = 0;
const PADDED = 8;

// The frames in one direction of a connection. Only their headers are kept.
class Frames {
  frames = [];
  #unread = Buffer.alloc(0);
  #payload = 0; // bytes that remain of the current payload

  push(bytes) {
    let data = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    for (;;) {
      const skipped = Math.min(this.#payload, data.length);
      this.#payload -= skipped;
      data = data.subarray(skipped);
      const header = this.#payload === 0 ? parseHeader(data) : undefined;
      if (!header) break;
      this.frames.push(header.frame);
      this.#payload = header.frame.length;
      data = data.subarray(header.size);
    }
    this.#unread = data;
  }

  // The data messages: whether each is compressed, and how many payload bytes it has on the wire.
  messages() {
    const messages = [];
    for (const { opcode, rsv, length } of this.frames) {
      if (opcode > CONTINUATION && opcode < FIRST_CONTROL) {
        assert.ok(rsv === 0 || rsv === 4, "only RSV1 is in use");
        messages.push({ compressed: rsv === 4, bytes: length });
      } else {
        assert.equal(rsv, 0, "RSV1 is on the first frame of a message only");
        if (opcode === CONTINUATION) messages.at(-1).bytes += length;
      }
    }
    return messages;
  }
}

function parseHeader(data) {
  if (data.length < 2) return undefined;
  const short = data[1] & 0x7f;
  const extended = { 126: 2, 127: 8 }[short] ?? 0;
  const size = 2 + extended + (data[1] & 0x80 ? 4 : 0);
  if (data.length < size) return undefined;
  const length = extended === 0 ? short : extended === 2 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2));
  return { size, frame: { opcode: data[0] & 0x0f, rsv: (data[0] >> 4) & 7, length } };
}

// One direction of a connection over HTTP/1.1: a head, then frames.
class Direction extends Frames {
  head;
  #start = "";

  push(bytes) {
    if (this.head !== undefined) return super.push(bytes);
    this.#start += bytes.toString("latin1");
    const end = this.#start.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    this.head = this.#start.slice(0, end);
    return super.push(Buffer.from(this.#start.slice(end + 4), "latin1"));
  }

  // The value of a header field, or "".
  field(name) {
    return new RegExp(`^${name}: *(.*)$`, "im").exec(this.head)?.[1] ?? "";
  }
}

// One direction of a connection over HTTP/2. Calls `onData` with the stream and the contents of each DATA frame.
class Http2 {
  #unread = Buffer.alloc(0);
  #skip;
  #onData;

  constructor(skip, onData) {
    this.#skip = skip;
    this.#onData = onData;
  }

  push(bytes) {
    let data = Buffer.concat([this.#unread, bytes]);
    for (;;) {
      const size = this.#skip || (data.length < HEADER ? Infinity : HEADER + data.readUIntBE(0, 3));
      if (data.length < size) break;
      if (!this.#skip && data[3] === DATA) {
        const isPadded = (data[4] & PADDED) !== 0;
        const [start, padding] = isPadded ? [HEADER + 1, data[HEADER]] : [HEADER, 0];
        this.#onData(data.readUInt32BE(5), data.subarray(start, size - padding));
      }
      this.#skip = 0;
      data = data.subarray(size);
    }
    this.#unread = data;
  }
}

// Starts a proxy. `createServer` creates its server from a function that is called with each accepted connection;
// `open` returns a connection to the real server, and functions that observe the bytes of both directions.
async function startProxy(createServer, open) {
  const sockets = new Set();
  const proxy = createServer((near) => {
    const { far, client, server } = open();
    for (const [from, to, observe] of [[near, far, client], [far, near, server]]) {
      sockets.add(from);
      from.on("data", (bytes) => {
        observe(bytes);
        if (!to.write(bytes)) from.pause();
      });
      to.on("drain", () => from.resume());
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => sockets.delete(from));
    }
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  };
  return { port: proxy.address().port, close };
}

// Starts a proxy to a TCP port of this machine. `connections` has an entry for each WebSocket connection, with
// its `target` and the directions `client` and `server`, which are named by their senders.
async function startTap(port) {
  const connections = [];
  const createServer = (onConnection) => net.createServer({ noDelay: true }, onConnection);
  const proxy = await startProxy(createServer, () => {
    const far = net.connect({ port, host: "127.0.0.1", noDelay: true });
    const [client, server] = [new Direction(), new Direction()];
    let isKnown = false;
    const observe = (direction) => (bytes) => {
      if (isKnown || direction.head === undefined) direction.push(bytes);
      if (!isKnown && server.head?.startsWith("HTTP/1.1 101")) {
        isKnown = true;
        connections.push({ target: client.head.split(" ")[1], client, server });
      }
    };
    return { far, client: observe(client), server: observe(server) };
  });
  return { ...proxy, connections };
}

// Starts a proxy to a port of this machine that speaks HTTP/2 over TLS, with a key and certificate. `connections`
// has an entry for each stream with DATA, with the directions `client` and `server`.
async function startHttp2Tap(port, certified) {
  const connections = [];
  const createServer = (onConnection) => tls.createServer({ ...certified, ALPNProtocols: ["h2"] }, onConnection);
  const proxy = await startProxy(createServer, () => {
    const far = tls.connect({ host: "127.0.0.1", port, ALPNProtocols: ["h2"], rejectUnauthorized: false });
    const byStream = new Map();
    const observe = (sender, skip) => {
      const direction = new Http2(skip, (stream, bytes) => {
        if (!byStream.has(stream)) {
          byStream.set(stream, { client: new Frames(), server: new Frames() });
          connections.push(byStream.get(stream));
        }
        byStream.get(stream)[sender].push(bytes);
      });
      return (bytes) => direction.push(bytes);
    };
    return { far, client: observe("client", PREFACE), server: observe("server", 0) };
  });
  return { ...proxy, connections };
}

module.exports = { startHttp2Tap, startTap };
