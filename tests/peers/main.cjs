// Runs the echo examples with permessage-deflate against other implementations, in both roles. Each pair
// exchanges messages of many sizes under each agreement on context takeover and windows. A proxy between
// the two reads the frames, so that it is known which messages were compressed. The tokio driver also exchanges
// these messages over TLS, with a self-signed certificate that the server's side has just made.
//
//   node main.cjs DRIVER PROGRAMS PYTHON WORK
//
// DRIVER is `blocking` or `tokio`, PROGRAMS the directory of the examples, WORK a directory for certificates. A peer
// is started with a specification in JSON:
// - `port`: that of the server to connect to. Without it, the peer is a server, which prints
//   `listening PORT` and behaves like an Autobahn fuzzing server with one case;
// - `parameters`: those of permessage-deflate on which the peer insists;
// - `messages`: what it sends, one after another; each has to be echoed before the next;
// - `tls`: the files of a server's `certFile` and `keyFile`, or the `certFile` that a client trusts. Without it, the
//   connection has no TLS.
"use strict";

const assert = require("node:assert/strict");
const { X509Certificate } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { certify, check, run, start, until } = require("./harness.cjs");
const { startTap } = require("./tap.cjs");

const [driver, programs, python, work] = process.argv.slice(2);
const PEERS = {
  "Node ws": [process.execPath, path.join(__dirname, "node_ws.cjs")],
  "Python websockets": [python, path.join(__dirname, "python_websockets.py")],
};
// The program of each role, and the arguments that select the role.
const EXAMPLES = {
  blocking: { server: ["echo_server"], client: ["echo_client", "--autobahn"] },
  tokio: { server: ["autobahn", "server"], client: ["autobahn", "client"] },
}[driver];
const PEER_OF = { server: "client", client: "server" };
const LIMIT = 600; // seconds for the whole script

// Messages shorter than this are not compressed by the examples.
const MIN_LEN = 128;
// Two equal messages whose distance every window covers, and all the sizes.
const MESSAGES = [
  { type: "text", is: "random", size: 200, seed: "twin" },
  { type: "text", is: "random", size: 200, seed: "twin" },
  ...[0, 1, 125, 126, 1000, 65535, 65536, 1048576].flatMap((size) =>
    ["text", "binary"].flatMap((type) => ["compressible", "random"].map((is) => ({ type, is, size }))),
  ),
];

// The parameters that limit both windows to `bits`, and forbid context takeover unless `takeover`.
function parametersOf({ bits, takeover }) {
  const no = takeover ? {} : { server_no_context_takeover: true, client_no_context_takeover: true };
  return { server_max_window_bits: bits, client_max_window_bits: bits, ...no };
}

// The parameters in a response.
function agreedIn(response) {
  const [name, ...parameters] = response.split(";").map((part) => part.trim());
  assert.equal(name, "permessage-deflate");
  return Object.fromEntries(parameters.map((parameter) => parameter.split("=")));
}

function startPeer(peer, specification) {
  const [program, script] = PEERS[peer];
  return start(program, [script, JSON.stringify({ parameters: {}, messages: MESSAGES, ...specification })]);
}

// The port in the line with this beginning.
async function portOf(server, beginning) {
  return Number(/:?(\d+)\/?$/.exec(await server.line(beginning))[1]);
}

// Waits until the client has ended, and the server, if it ends by itself. Both must be satisfied.
async function finish(role, server, client) {
  await until("the end of the client", () => client.ended);
  if (role === "client") await until("the end of the server", () => server.ended);
  const [ours, theirs] = role === "server" ? [server, client] : [client, server];
  assert.deepEqual([theirs.status, theirs.errors, ours.errors], [0, "", ""]);
  assert.equal(theirs.lines().at(-1), "ok");
  if (role === "client") assert.equal(ours.status, 0);
}

// Runs one peer against one example, with these options. Returns the connection on which messages were exchanged.
async function exchange(peer, role, options, parameters) {
  const [name, ...selection] = EXAMPLES[role];
  const example = (...args) => start(path.join(programs, name), [...options, ...selection, ...args]);
  let tap, server, client;
  try {
    if (role === "server") {
      server = example("127.0.0.1:0");
      tap = await startTap(await portOf(server, "listening on"));
      client = startPeer(peer, { parameters, port: tap.port });
    } else {
      server = startPeer(peer, { parameters });
      tap = await startTap(await portOf(server, "listening"));
      client = example("peer", `ws://127.0.0.1:${tap.port}`);
    }
    await finish(role, server, client);
    return tap.connections.find(({ target }) => role === "server" || target.startsWith("/runCase"));
  } finally {
    for (const program of [client, server]) program?.child.kill();
    tap?.close();
  }
}

// Runs one peer against the tokio driver over TLS. The client trusts the server's certificate and no other.
async function exchangeOverTls(peer, role) {
  let server, client;
  try {
    if (role === "server") {
      const [der, certFile] = ["wss.der", "wss.pem"].map((name) => path.join(work, name));
      server = start(path.join(programs, "wss"), ["server", der, "127.0.0.1:0"]);
      const port = await portOf(server, "listening on wss://localhost:");
      fs.writeFileSync(certFile, new X509Certificate(fs.readFileSync(der)).toString());
      client = startPeer(peer, { port, tls: { certFile } });
    } else {
      const { certFile, keyFile } = certify(work);
      server = startPeer(peer, { tls: { certFile, keyFile } });
      const uri = `wss://localhost:${await portOf(server, "listening")}`;
      client = start(path.join(programs, "autobahn"), ["client", "peer", uri], { SSL_CERT_FILE: certFile });
    }
    await finish(role, server, client);
  } finally {
    for (const program of [client, server]) program?.child.kill();
  }
}

// Checks which messages of a connection were compressed. The peers compress all of them.
function checkFrames(connection, role, { takeover, bits }) {
  const [ours, theirs] = [role, PEER_OF[role]];
  const sent = { [ours]: connection[ours].messages(), [theirs]: connection[theirs].messages() };
  const isCompressible = ({ type, is, size }) => size >= MIN_LEN && (is === "compressible" || type === "text");
  const expected = MESSAGES.map((message) => bits[ours] > 8 && isCompressible(message));
  assert.deepEqual(sent[ours].map((message) => message.compressed), expected);
  assert.deepEqual(sent[theirs].map((message) => message.compressed), MESSAGES.map(() => true));
  for (const side of [ours, theirs]) {
    for (const [i, { compressed, bytes }] of sent[side].entries()) {
      const { type, is, size } = MESSAGES[i];
      if (!compressed) assert.equal(bytes, size);
      if (compressed && is === "compressible" && size >= 1000) assert.ok(bytes < size / 8, `${size} bytes became ${bytes}`);
      if (compressed && is === "random" && type === "text" && size >= 1000) assert.ok(bytes < size * 0.8, `${size} bytes became ${bytes}`);
    }
    // With context, the second twin is a reference to the first.
    const [first, second] = sent[side].map((message) => message.bytes);
    if (sent[side][0].compressed) assert.ok(takeover ? second < 20 : second === first, `${first} bytes, then ${second}`);
  }
  return sent;
}

// The agreements to test for a peer, with our role: who limits what, and what both sides are to agree on.
function agreements(peer, role) {
  const [ours, theirs] = [role, PEER_OF[role]];
  const both = [true, false].flatMap((takeover) =>
    [15, 14, 13, 12, 11, 10, 9].flatMap((bits) => {
      const agreed = { takeover, bits: { server: bits, client: bits } };
      const what = `${bits} bits, ${takeover ? "context takeover" : "no context takeover"}`;
      return [
        { what: `we set ${what}`, option: `--deflate=${takeover ? "takeover," : ""}${bits}`, parameters: {}, agreed },
        { what: `the peer sets ${what}`, option: "--deflate=takeover", parameters: parametersOf({ bits, takeover }), agreed },
      ];
    }),
  );
  // With a limit of 8 bits, the examples send uncompressed messages.
  const one = [[ours, 9], [theirs, 9], [ours, 8]].map(([side, bits]) => ({
    what: `the peer sets ${bits} bits for the ${side}`,
    option: "--deflate=takeover",
    parameters: { [`${side}_max_window_bits`]: bits },
    agreed: { takeover: true, bits: { server: 15, client: 15, [side]: bits } },
  }));
  // The examples receive 8 bits, but send 9. Python cannot send 8.
  const eight = { what: "we set 8 bits", option: "--deflate=takeover,8", parameters: {}, agreed: { takeover: true, bits: { [ours]: 9, [theirs]: 8 } } };
  return [...both, ...one, ...(peer === "Node ws" ? [eight] : [])];
}

function checkResponse(connection, { takeover, bits }) {
  const response = agreedIn(connection.server.field("Sec-WebSocket-Extensions"));
  for (const side of ["server", "client"]) {
    assert.equal(`${side}_no_context_takeover` in response, !takeover);
    const limit = response[`${side}_max_window_bits`];
    // A server need not repeat the limit that a client sets for itself.
    if (side === "server" || limit !== undefined) assert.equal(Number(limit ?? 15), bits[side]);
  }
}

async function main() {
  for (const peer of Object.keys(PEERS)) {
    for (const role of ["server", "client"]) {
      const counts = { server: 0, client: 0 };
      for (const { what, option, parameters, agreed } of agreements(peer, role)) {
        await check(`${peer}, our ${role}: ${what}`, async () => {
          const connection = await exchange(peer, role, [option], parameters);
          checkResponse(connection, agreed);
          const sent = checkFrames(connection, role, agreed);
          for (const side of ["server", "client"]) {
            counts[side] += sent[side].filter((message) => message.compressed).length;
          }
        });
      }
      console.log(`        compressed messages on the wire: ${counts[role]} sent, ${counts[PEER_OF[role]]} received`);
      await check(`${peer}, our ${role}: nothing is compressed without --deflate`, async () => {
        const connection = await exchange(peer, role, [], {});
        assert.equal(connection.server.field("Sec-WebSocket-Extensions"), "");
        for (const side of ["server", "client"]) {
          assert.deepEqual(connection[side].messages(), MESSAGES.map(({ size }) => ({ compressed: false, bytes: size })));
        }
      });
      if (driver === "tokio") await check(`${peer}, our ${role}: over TLS`, () => exchangeOverTls(peer, role));
    }
  }
}

run(LIMIT, main);
