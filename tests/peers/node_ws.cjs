// The peer `ws` of Node.js: a client that expects echoes from a server, or a server that expects them from a
// client.
//
//   node node_ws.cjs SPECIFICATION
//
// The specification is JSON; see `main.cjs`.
"use strict";

const assert = require("node:assert/strict");
const { createHash } = require("node:crypto");
const { once } = require("node:events");
const { readFileSync } = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { WebSocket, WebSocketServer } = require("ws");

const { port, parameters, messages, tls } = JSON.parse(process.argv[2]);
const perMessageDeflate = {
  threshold: 0,
  serverMaxWindowBits: parameters.server_max_window_bits,
  clientMaxWindowBits: parameters.client_max_window_bits,
  serverNoContextTakeover: parameters.server_no_context_takeover,
  clientNoContextTakeover: parameters.client_no_context_takeover,
};

function contents({ type, is, size, seed }) {
  if (is === "random") {
    const bytes = createHash("shake256", { outputLength: Math.max(size, 1) }).update(String(seed ?? size)).digest();
    return type === "text" ? bytes.toString("base64").slice(0, size) : bytes.subarray(0, size);
  }
  const piece = '{"id":7,"name":"grüße"},';
  const text = piece.repeat(Math.floor(size / Buffer.byteLength(piece)));
  const padded = text + "x".repeat(size - Buffer.byteLength(text));
  return type === "text" ? padded : Buffer.from(padded);
}

async function exchange(socket) {
  for (const message of messages) {
    const sent = contents(message);
    socket.send(sent);
    const [received, isBinary] = await once(socket, "message");
    assert.equal(isBinary, message.type === "binary");
    assert.ok(received.equals(Buffer.from(sent)), `${JSON.stringify(message)} came back different`);
  }
  socket.close(1000);
  assert.equal((await once(socket, "close"))[0], 1000);
}

async function client() {
  const [uri, options] = tls ? [`wss://localhost:${port}/`, { ca: readFileSync(tls.certFile) }] : [`ws://127.0.0.1:${port}/`, {}];
  const socket = new WebSocket(uri, { perMessageDeflate, ...options });
  await once(socket, "open");
  await exchange(socket);
}

// The protocol of an Autobahn fuzzing server with one case.
async function server() {
  const server = tls ? https.createServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) }) : http.createServer();
  const listener = new WebSocketServer({ server, perMessageDeflate });
  await once(server.listen(0, "127.0.0.1"), "listening");
  console.log(`listening ${server.address().port}`);
  for await (const [socket, request] of connections(listener)) {
    const target = request.url.split("?")[0];
    if (target === "/runCase") await exchange(socket);
    if (target === "/getCaseCount") socket.send("1");
    socket.close(1000);
    if (target === "/updateReports") break;
  }
  listener.close();
  server.close();
}

async function* connections(listener) {
  for (;;) yield await once(listener, "connection");
}

(port === undefined ? server() : client()).then(
  () => console.log("ok"),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
