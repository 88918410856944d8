// Reads the WebSocket frames between a browser and a server that speak HTTP/2 over TLS.
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const tls = require("node:tls");
const { Frames } = require("../peers/tap.cjs");

const PREFACE = 24; // bytes before the first frame of a client: RFC 9113, section 3.4
const HEADER = 9; // bytes: RFC 9113, section 4.1
const DATA = 0;
const PADDED = 8;

// The DATA frames in one direction of a connection; `onData` is called with their streams and contents.
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

// A certificate for the proxy.
function certify(work) {
  const [key, cert] = ["tap.key", "tap.pem"].map((name) => path.join(work, name));
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", cert], { stdio: "pipe" });
  return { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
}

// Starts a proxy to a port of this machine. `streams` returns the directions `client` and `server` of each stream
// with DATA, which are named by their senders.
async function startTap(port, work) {
  const streams = [];
  const sockets = new Set();
  const proxy = tls.createServer({ ...certify(work), ALPNProtocols: ["h2"] }, (near) => {
    const far = tls.connect({ host: "127.0.0.1", port, ALPNProtocols: ["h2"], rejectUnauthorized: false });
    const byId = new Map();
    const observer = (sender, skip) =>
      new Http2(skip, (id, bytes) => {
        if (!byId.has(id)) {
          byId.set(id, { client: new Frames(), server: new Frames() });
          streams.push(byId.get(id));
        }
        byId.get(id)[sender].push(bytes);
      });
    for (const [from, to, direction] of [[near, far, observer("client", PREFACE)], [far, near, observer("server", 0)]]) {
      sockets.add(from);
      from.on("data", (bytes) => {
        direction.push(bytes);
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
  return { port: proxy.address().port, streams: () => streams, close };
}

module.exports = { startTap };
