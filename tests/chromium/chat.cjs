// Opens the page that the example axum_chat serves in several pages of headless Chromium, which talk to
// each other: over HTTP/1.1, and over HTTP/2 and TLS, where each WebSocket is a stream of one connection.
//
//   NODE_PATH=DIR/node_modules node chat.cjs SERVER WORK
"use strict";

const assert = require("node:assert/strict");
const path = require("node:path");
const { check, launch, run, startServer, until } = require("./support.cjs");

const [program, work] = process.argv.slice(2);

function state(page, name) {
  return page.locator(`body[data-state="${name}"]`).waitFor();
}

// Opens the page and enters a room by keyboard.
async function enter(context, url, room, name) {
  const page = await context.newPage();
  page.problems = [];
  page.sockets = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.problems.push(message.text());
  });
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("websocket", (socket) => page.sockets.push(socket.url()));
  await page.goto(url);
  await page.locator("#room").fill(room);
  await page.locator("#name").fill(name);
  await page.locator("#name").press("Enter");
  await state(page, "open");
  return page;
}

async function say(page, text) {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
}

// Waits until the page shows exactly these messages.
function shows(page, rows) {
  let shown;
  return until("the messages", async () => {
    shown = await page.locator("#log li").allTextContents();
    return JSON.stringify(shown) === JSON.stringify(rows);
  }).catch((error) => {
    throw new Error(`${error.message}; shown: ${JSON.stringify(shown)}`);
  });
}

async function chat(browser, http, ...args) {
  const server = await startServer(program, ...args);
  const context = await browser.newContext({ viewport: { width: 900, height: 600 } });
  let ann, ben, zoe;

  await check(`${http}: the page and its WebSocket use this version`, async () => {
    ann = await enter(context, server.url, "tea", "Ann");
    const used = await ann.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
    assert.equal(used, http);
    assert.deepEqual(ann.sockets, [`${server.url.replace("http", "ws")}rooms/tea/Ann`]);
    await shows(ann, ["Ann has come"]);
  });
  await check(`${http}: two pages in a room talk, a third in another hears nothing`, async () => {
    zoe = await enter(context, server.url, "café / bar", "Zoë");
    await say(ann, "anyone?");
    await shows(ann, ["Ann has come", "Ann anyone?"]);
    ben = await enter(context, server.url, "tea", "<b>Ben</b>");
    await say(ben, "grüße, 世界 👋🏽 <script>");
    const rows = ["Ann has come", "Ann anyone?", "<b>Ben</b> has come", "<b>Ben</b> grüße, 世界 👋🏽 <script>"];
    await shows(ann, rows);
    await shows(ben, rows);
    await shows(zoe, ["Zoë has come"]);
    assert.equal(await zoe.locator("#title").textContent(), "café / bar");
  });
  await check(`${http}: a burst of messages arrives in order`, async () => {
    await ann.evaluate(() => {
      for (let i = 0; i < 200; i += 1) socket.send(`burst ${i}`);
    });
    for (const page of [ann, ben]) {
      await until("the last one", async () => (await page.locator("#log li").last().textContent()) === "Ann burst 199");
      const shown = await page.locator("#log li").allTextContents();
      assert.deepEqual(shown.slice(-200), Array.from({ length: 200 }, (_, i) => `Ann burst ${i}`));
    }
  });
  await ann.screenshot({ path: path.join(work, `chat-${http.replace("/", "-")}.png`) });
  await check(`${http}: a member who leaves is announced`, async () => {
    await ben.locator("#leave").click();
    await state(ben, "out");
    await until("the announcement", async () => (await ann.locator("#log li").last().textContent()) === "<b>Ben</b> has left");
  });
  await check(`${http}: a message above the limit reconnects the page`, async () => {
    await zoe.evaluate(() => socket.send("x".repeat(5000)));
    await until("a second socket", () => zoe.sockets.length === 2);
    await state(zoe, "open");
  });
  await check(`${http}: Ctrl-C closes every page with 1001, and the server ends`, async () => {
    // The listener is in place before the signal, and keeps its result: a promise that only this script
    // awaits could be collected as garbage in the page.
    const listen = () => socket.addEventListener("close", (event) => (globalThis.closeSeen = [event.code, event.wasClean]));
    await Promise.all([ann, zoe].map((page) => page.evaluate(listen)));
    server.child.kill("SIGINT");
    for (const page of [ann, zoe]) {
      await until("the close", () => page.evaluate(() => globalThis.closeSeen !== undefined));
      assert.deepEqual(await page.evaluate(() => globalThis.closeSeen), [1001, true]);
    }
    await until("the end of the server", () => server.ended);
    assert.equal(server.child.exitCode, 0);
    await state(ann, "lost");
  });
  await check(`${http}: no unexpected error`, async () => {
    assert.doesNotMatch(server.errors, /panicked/);
    for (const page of [ann, ben, zoe]) {
      assert.deepEqual(page.problems.filter((problem) => !problem.includes("ERR_CONNECTION_REFUSED")), []);
    }
  });
  await context.close();
}

async function main() {
  const browser = await launch("--ignore-certificate-errors");
  await chat(browser, "http/1.1");
  await chat(browser, "h2", "--tls");

  await check("the page fits a phone", async () => {
    const server = await startServer(program);
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width: 360, height: 640 }, colorScheme, isMobile: true, hasTouch: true });
      const page = await enter(context, server.url, "a room with a long name indeed", "A person with a longer name");
      await say(page, "x".repeat(300));
      await until("the message", async () => (await page.locator("#log li").count()) >= 2);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), "no sideways scrolling");
      await page.screenshot({ path: path.join(work, `chat-phone-${colorScheme}.png`) });
      await page.locator("#leave").tap();
      await page.screenshot({ path: path.join(work, `chat-phone-${colorScheme}-out.png`) });
      await context.close();
    }
    server.child.kill();
  });
  await browser.close();
}

run(work, main);
