// Opens the page that the example echo_h2 serves in headless Chromium over HTTP/2 and TLS, where a
// WebSocket is a stream opened by Extended CONNECT (RFC 8441). The server's output proves that: it supports
// no other way to open a WebSocket, and prints each received request.
//
//   NODE_PATH=DIR/node_modules node h2.cjs SERVER WORK
"use strict";

const assert = require("node:assert/strict");
const path = require("node:path");
const tls = require("node:tls");
const { MIB, assertCompressed, assertEchoed, assertSame, check, exchangeCompressed, exchangeMebibytes, launch, newest, open, run, startServer, state, until } = require("./support.cjs");
const { certify } = require("../peers/harness.cjs");
const { startHttp2Tap } = require("../peers/tap.cjs");

const [program, work] = process.argv.slice(2);

// The server's lines of one kind, parsed: `KIND ADDRESS stream N: REST`.
function linesOf(server, kind) {
  const pattern = new RegExp(`^${kind} (\\S+:\\d+) stream (\\d+): (.*)$`);
  return server.lines().flatMap((line) => {
    const [, peer, stream, rest] = pattern.exec(line) ?? [];
    return peer ? [{ peer, stream: Number(stream), rest }] : [];
  });
}

// Waits for the line of that kind for a stream.
function line(server, kind, { peer, stream }) {
  return until(`the line "${kind} ${peer} stream ${stream}"`, () =>
    linesOf(server, kind).find((line) => line.peer === peer && line.stream === stream),
  ).catch((error) => {
    throw new Error(`${error.message}; printed: ${JSON.stringify(server.lines().slice(-5))}, ${server.errors}`);
  });
}

// The newest Extended CONNECT for that path, with its fields in order.
function connect(server, target) {
  const found = linesOf(server, "connect").findLast(({ rest }) => rest.includes(` | :path=${target} | `));
  assert.ok(found, `no CONNECT for ${target}`);
  const fields = found.rest.split(" | ").map((field) => {
    const at = field.indexOf("=", 1);
    return [field.slice(0, at), field.slice(at + 1)];
  });
  return { ...found, fields };
}

// The events of a socket that the page opens: "open PROTOCOL", "text …", "error", "close CODE REASON
// CLEAN".
function exchange(page, target, { offered = [], text, close } = {}) {
  return page.evaluate(
    ({ target, offered, text, close }) =>
      new Promise((resolve) => {
        const seen = [];
        const socket = new WebSocket(`wss://${location.host}${target}`, offered);
        socket.onopen = () => {
          seen.push(`open ${socket.protocol}`);
          if (text !== undefined) socket.send(text);
        };
        socket.onmessage = (event) => {
          seen.push(`text ${event.data}`);
          if (close) socket.close(...close);
        };
        socket.onerror = () => seen.push("error");
        socket.onclose = (event) => resolve([...seen, `close ${event.code} ${event.reason} ${event.wasClean}`]);
      }),
    { target, offered, text, close },
  );
}

// The subprotocol that the server selects from those offered, or the error.
function negotiated(url, protocols) {
  const { hostname: host, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = tls.connect({ host, port, ALPNProtocols: protocols, rejectUnauthorized: false });
    socket.on("secureConnect", () => resolve(socket.alpnProtocol) ?? socket.destroy());
    socket.on("error", (error) => resolve(error.code));
  });
}

async function main() {
  const server = await startServer(program);
  const { host } = new URL(server.url);

  await check("the server speaks HTTP/2 over TLS and no HTTP/1.1", async () => {
    assert.match(server.url, /^https:/);
    assert.equal(await negotiated(server.url, ["h2", "http/1.1"]), "h2");
    assert.match(await negotiated(server.url, ["http/1.1"]), /NO_APPLICATION_PROTOCOL/);
  });

  const browser = await launch("--ignore-certificate-errors");
  const { context, page, seen } = await open(browser, server.url, { viewport: { width: 1000, height: 800 } });
  const wire = seen.sockets[0];
  let first;

  await check("the page connects back to its origin", async () => {
    assert.equal(seen.sockets.length, 1);
    assert.equal(wire.url, `wss://${host}/`);
    assert.equal(await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol), "h2");
  });
  await check("the WebSocket is opened by Extended CONNECT, over the connection that brought the page", async () => {
    first = connect(server, "/");
    assert.deepEqual(first.fields.slice(0, 5), [
      [":method", "CONNECT"], [":protocol", "websocket"], [":scheme", "https"], [":path", "/"], [":authority", host],
    ]);
    const fields = new Map(first.fields);
    assert.equal(fields.get("origin"), `https://${host}`);
    assert.equal(fields.get("sec-websocket-version"), "13");
    for (const name of ["host", "connection", "upgrade", "sec-websocket-key"]) assert.ok(!fields.has(name), name);
    const [document] = linesOf(server, "request");
    assert.deepEqual([document.rest, document.peer], ["GET /", first.peer]);
    assert.ok(document.stream % 2 === 1 && first.stream > document.stream, "a later stream of the browser's");
  });

  let rows = 0;
  for (const [text, what] of [["hello", "hello"], ["grüße, 世界 👋🏽", "grüße, 世界 👋🏽"], ["ß".repeat(70_000), `${"ß".repeat(200)}… (140,000 bytes)`]]) {
    await check(`typed and echoed: ${text.length} characters`, async () => {
      await page.locator("#text").fill(text);
      await page.locator("#text").press("Enter");
      assertEchoed(await newest(page, (rows += 1)), "text", what);
      assert.ok(wire.sent.at(-1) === text && wire.received.at(-1) === text, "what crossed");
    });
  }
  for (const [size, what] of [[0, "0 bytes"], [65536, "65,536 bytes"], [MIB, "1,048,576 bytes"], [16 * MIB, "16,777,216 bytes"]]) {
    await check(`binary sent and echoed: ${what}`, async () => {
      await page.locator("#size").selectOption(String(size));
      await page.locator("#send-binary").click();
      assertEchoed(await newest(page, (rows += 1)), "binary", what);
      if (size === 0) return; // the driver does not report empty payloads
      assert.equal(wire.sent.at(-1).length, size);
      assertSame(wire.received.at(-1), wire.sent.at(-1));
    });
  }
  await check("messages sent in a burst come back in order", async () => {
    const before = wire.received.length;
    await page.evaluate(() => {
      for (let i = 0; i < 150; i += 1) document.getElementById("ping").click();
    });
    await newest(page, (rows += 150));
    await until("all echoes", async () => (await page.locator('#log li[data-state="pending"]').count()) === 0);
    assert.equal(wire.received.length, before + 150);
    assert.deepEqual(wire.received.slice(before), wire.sent.slice(before));
  });
  await page.screenshot({ path: path.join(work, "h2-open.png") });

  await check("both sides report the close: 4001 done here", async () => {
    await page.locator("#code").fill("4001");
    await page.locator("#reason").fill("done here");
    await page.locator("#close").click();
    await state(page, "closed");
    assert.equal(await page.locator("#end-code").textContent(), "4001");
    assert.equal(await page.locator("#end").getAttribute("data-clean"), "true");
    const how = await page.locator("#end-how").textContent();
    assert.ok(how.includes("4001 “done here”"), how);
    assert.equal((await line(server, "closed", first)).rest, "4001 done here");
    assert.equal((await line(server, "ended", first)).rest, "clean, 4001");
  });
  await check("both sides report the server's close: 4321 no more", async () => {
    assert.deepEqual(await exchange(page, "/bye"), ["open ", "close 4321 no more true"]);
    const stream = connect(server, "/bye");
    assert.equal((await line(server, "closed", stream)).rest, "4321 no more");
    assert.equal((await line(server, "ended", stream)).rest, "clean, 4321");
  });
  await check("a subprotocol is negotiated", async () => {
    const seen = await exchange(page, "/echo?x=1", { offered: ["other", "chat", "superchat"], text: "hi", close: [1000, "ok"] });
    assert.equal(seen[0], "open chat");
    assert.equal(seen[1], "text hi");
    assert.match(seen[2], /^close 1000 .*true$/);
    const stream = connect(server, "/echo?x=1");
    assert.equal(new Map(stream.fields).get("sec-websocket-protocol"), "other, chat, superchat");
    assert.equal((await line(server, "closed", stream)).rest, "1000 ok");
  });
  await check("a reset stream closes with 1006", async () => {
    assert.deepEqual(await exchange(page, "/abort", { text: "x" }), ["open ", "close 1006  false"]);
    assert.equal((await line(server, "ended", connect(server, "/abort"))).rest, "lost, 1006");
  });
  await check("a path without a WebSocket is refused", async () => {
    assert.deepEqual(await exchange(page, "/nope"), ["error", "close 1006  false"]);
    connect(server, "/nope");
  });
  await check("a dozen streams at once, a mebibyte each", async () => {
    assert.deepEqual(await exchangeMebibytes(page, (n) => `/echo?n=${n}`), []);
    for (let n = 0; n < 12; n += 1) {
      assert.equal((await line(server, "closed", connect(server, `/echo?n=${n}`))).rest, `${4100 + n} socket ${n}`);
    }
  });
  await check("messages are compressed in both directions", async () => {
    const compressing = await startServer(program);
    const tap = await startHttp2Tap(new URL(compressing.url).port, certify(work));
    const another = await open(browser, `https://127.0.0.1:${tap.port}/`);
    const { extensions, failures } = await exchangeCompressed(another.page, "/echo?compressed");
    assert.deepEqual([extensions, failures], ["permessage-deflate; server_no_context_takeover; client_no_context_takeover", []]);
    // The page's own socket sends nothing.
    const connections = tap.connections.filter(({ client }) => client.messages().length > 0);
    assert.equal(connections.length, 1);
    assertCompressed(connections[0], false);
    assert.deepEqual(another.seen.problems, []);
    await another.context.close();
    tap.close();
    compressing.child.kill();
  });
  await check("the server detects that a page leaves", async () => {
    await page.locator("#reconnect").click();
    await state(page, "open");
    const stream = connect(server, "/");
    assert.notEqual(stream.stream, first.stream);
    await page.goto("about:blank");
    // Over HTTP/2, Chromium resets the stream, possibly before a Close frame is sent.
    assert.match((await line(server, "ended", stream)).rest, /^(lost, 1006|clean, 1001)$/);
  });
  await check("all streams use one connection, and none is left open", async () => {
    const connects = linesOf(server, "connect");
    assert.deepEqual([...new Set(connects.map(({ peer }) => peer))], [first.peer]);
    for (const stream of connects.filter(({ rest }) => !rest.includes(":path=/nope "))) await line(server, "ended", stream);
  });
  await check("no unexpected error", async () => {
    const problems = seen.problems.filter((problem) => !problem.includes("/nope"));
    if (problems.length > 0) console.log(server.lines().slice(-20).join("\n"), server.errors);
    assert.deepEqual(problems, []);
    assert.ok(!server.ended, "the server has ended");
    assert.doesNotMatch(server.errors, /panicked/);
  });

  await context.close();
  await browser.close();
}

run(work, main);
