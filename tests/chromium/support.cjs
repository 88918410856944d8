// Shared by the scripts that drive Chromium.
"use strict";

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const { chromium } = require("playwright-core");

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const PATIENCE = 15_000; // milliseconds to wait for one condition
const LIMIT = 180_000; // milliseconds for the whole script

const MIB = 1024 * 1024;

let passed = 0;
let failed = 0;

async function check(what, test) {
  try {
    await test();
    passed += 1;
    console.log(`ok      ${what}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${what}\n${String(error?.stack ?? error).replace(/^/gm, "        ")}`);
  }
}

// Waits until `test` returns a truthy value, and returns it.
async function until(what, test) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const value = await test();
    if (value) return value;
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// A running echo server; `lines` returns the lines printed so far.
async function startServer(program) {
  const child = spawn(program, ["127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  process.on("exit", () => child.kill());
  const server = { child, output: "", errors: "", ended: false };
  server.lines = () => server.output.split("\n").slice(0, -1);
  child.stdout.setEncoding("utf8").on("data", (text) => (server.output += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (server.errors += text));
  child.on("error", (error) => (server.errors += error));
  child.on("close", () => (server.ended = true));
  const line = await until("the server to listen", () => {
    if (server.ended) throw new Error(`the server has ended: ${server.errors}`);
    return server.lines().find((line) => line.startsWith("listening on "));
  });
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

// Runs a script and ends with the counts. `work` is a directory for its files.
function run(work, main) {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
  setTimeout(() => {
    console.log(`FAILED  not done after ${LIMIT / 1000} seconds`);
    console.log(`${passed} passed, ${failed + 1} failed`);
    process.exit(1);
  }, LIMIT).unref();

  fs.mkdirSync(work, { recursive: true });
  main()
    .catch((error) => {
      failed += 1;
      console.log(`FAILED  ${error?.stack ?? error}`);
    })
    .finally(() => {
      console.log(`${passed} passed, ${failed} failed`);
      process.exit(failed === 0 && passed > 0 ? 0 : 1);
    });
}

module.exports = { PATIENCE, MIB, assertEchoed, assertSame, check, exchangeMebibytes, launch, newest, open, run, startServer, state, until };
