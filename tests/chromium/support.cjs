// Shared by the scripts that drive Chromium.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const { chromium } = require("playwright-core");
const harness = require("../peers/harness.cjs");

const { PATIENCE, check, start, until } = harness;

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const LIMIT = 300; // seconds for the whole script

const MIB = 1024 * 1024;

// A running echo server.
async function startServer(program, ...options) {
  const server = start(program, [...options, "127.0.0.1:0"]);
  const line = await server.line("listening on ");
  server.url = /^listening on (https?:\/\/127\.0\.0\.1:\d+\/)$/.exec(line)?.[1];
  assert.ok(server.url, `an unexpected first line: ${line}`);
  return server;
}

async function launch(...args) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", ...args,
    ],
  });
  console.log(`Chromium ${browser.version()}`);
  return browser;
}

// A browser page with the server's page in it, and the traffic of its sockets, in order.
async function open(browser, url, options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const seen = { problems: [], sockets: [] };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) seen.problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => seen.problems.push(`script: ${error}`));
  page.on("requestfailed", (request) => seen.problems.push(`request: ${request.url()}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) {
      seen.problems.push(`a request to another host: ${request.url()}`);
    }
  });
  page.on("websocket", (socket) => {
    const record = { url: socket.url(), sent: [], received: [], errors: [] };
    socket.on("framesent", ({ payload }) => record.sent.push(payload));
    socket.on("framereceived", ({ payload }) => record.received.push(payload));
    socket.on("socketerror", (error) => record.errors.push(error));
    seen.sockets.push(record);
  });
  await page.goto(url);
  await state(page, "open");
  return { context, page, seen };
}

function state(page, name) {
  return page.locator(`#state[data-state="${name}"]`).waitFor();
}

// The newest row of the list, once it is no longer pending.
async function newest(page, count) {
  await until(`row ${count}`, async () => (await page.locator("#log li").count()) === count);
  const row = page.locator("#log li").first();
  await until("an echo", async () => (await row.getAttribute("data-state")) !== "pending");
  return {
    state: await row.getAttribute("data-state"),
    kind: await row.getAttribute("data-kind"),
    what: await row.locator(".what").textContent(),
    time: await row.locator(".time").textContent(),
  };
}

function assertEchoed(row, kind, what) {
  assert.deepEqual([row.state, row.kind, row.what], ["echoed", kind, what]);
  assert.match(row.time, /^\d+(\.\d+)? ms$/, "a round-trip time is shown");
}

// Compares contents without printing megabytes when they differ.
function assertSame(received, sent) {
  assert.ok(Buffer.isBuffer(sent) && Buffer.isBuffer(received), "binary both ways");
  assert.equal(received.length, sent.length);
  assert.ok(received.equals(sent), "the same contents");
}

// Opens a dozen sockets at once. Socket `n` connects to `target(n)`, expects its mebibyte back, and closes with
// `4100 + n` and `socket n`. Returns the sockets where that failed.
async function exchangeMebibytes(page, target) {
  return page.evaluate(async (targets) => {
    const exchange = (target, n) =>
      new Promise((resolve, reject) => {
        const url = new URL(target, location.href);
        url.protocol = url.protocol.replace("http", "ws");
        const socket = new WebSocket(url);
        const data = new Uint8Array(1048576).map((_, i) => i * (n + 3) + (i >> 8));
        socket.binaryType = "arraybuffer";
        socket.onopen = () => socket.send(data);
        socket.onerror = () => reject(new Error(`socket ${n} failed`));
        socket.onmessage = (event) => {
          const back = new Uint8Array(event.data);
          const equal = back.length === data.length && back.every((byte, i) => byte === data[i]);
          socket.onclose = (end) => resolve(equal && end.wasClean && end.code === 4100 + n ? [] : [n]);
          socket.close(4100 + n, `socket ${n}`);
        };
      });
    return (await Promise.all(targets.map(exchange))).flat();
  }, Array.from({ length: 12 }, (_, n) => target(n)));
}

// Messages that a page sends to check compression: repetitive ones, two equal ones whose distance every window covers,
// and one that does not shrink.
const REPETITIVE = [0, 1, 127, 128, 1000, 65536, MIB];
const TWIN = 200;
const RANDOM = 1000;

// Opens a socket to `target` that expects all these messages back, one after another. Returns what it agreed on,
// and the messages that failed.
async function exchangeCompressed(page, target) {
  return page.evaluate(
    async ({ target, repetitive, twin, random }) => {
      const url = new URL(target, location.href);
      url.protocol = url.protocol.replace("http", "ws");
      const socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      const next = (name) =>
        new Promise((resolve, reject) => {
          socket[`on${name}`] = resolve;
          socket.onerror = () => reject(new Error(`no ${name}`));
        });
      await next("open");
      const noise = crypto.getRandomValues(new Uint8Array(random));
      const hexadecimal = Array.from(noise.subarray(0, twin / 2), (byte) => byte.toString(16).padStart(2, "0")).join("");
      const messages = repetitive.flatMap((size) => ["grüße,12".repeat(size).slice(0, size), new Uint8Array(size).fill(7)]);
      const failures = [];
      for (const message of [...messages, hexadecimal, hexadecimal, noise]) {
        socket.send(message);
        const { data } = await next("message");
        const equal = typeof message === "string" ? data === message : data.byteLength === message.length && new Uint8Array(data).every((byte, i) => byte === message[i]);
        if (!equal) failures.push(message.length);
      }
      const closed = next("close");
      socket.close(1000);
      if (!(await closed).wasClean) failures.push("close");
      return { extensions: socket.extensions, failures };
    },
    { target, repetitive: REPETITIVE, twin: TWIN, random: RANDOM },
  );
}

// Checks the frames of `exchangeCompressed` in both directions.
function assertCompressed({ client, server }, takeover) {
  for (const [sender, messages] of Object.entries({ client: client.messages(), server: server.messages() })) {
    const count = 2 * REPETITIVE.length;
    assert.equal(messages.length, count + 3, `messages of the ${sender}`);
    for (const [i, { compressed, bytes }] of messages.slice(0, count).entries()) {
      const size = REPETITIVE[i >> 1];
      // Shorter messages may be compressed or not.
      if (size >= 128) assert.ok(compressed && bytes < size / 5, `the ${sender} sent ${bytes} bytes for ${size}, ${compressed}`);
    }
    // With context, the second twin is a reference to the first.
    const [first, second] = messages.slice(count, count + 2);
    assert.ok(first.compressed && second.compressed && first.bytes < TWIN, `the ${sender} sent ${first.bytes} bytes`);
    assert.ok(takeover ? second.bytes < 20 : second.bytes === first.bytes, `the ${sender} sent ${first.bytes} bytes, then ${second.bytes}`);
    // The browser compresses this one too.
    if (sender === "server") assert.deepEqual(messages.at(-1), { compressed: false, bytes: RANDOM });
    const compressed = messages.filter((message) => message.compressed);
    const bytes = compressed.reduce((sum, message) => sum + message.bytes, 0);
    console.log(`        ${compressed.length} of ${messages.length} messages of the ${sender} are compressed, to ${bytes} bytes`);
  }
}

// Runs a script and ends with the counts. `work` is a directory for its files.
function run(work, main) {
  fs.mkdirSync(work, { recursive: true });
  harness.run(LIMIT, main);
}

module.exports = { PATIENCE, MIB, assertCompressed, assertEchoed, assertSame, check, exchangeCompressed, exchangeMebibytes, launch, newest, open, run, startServer, state, until };
