// Opens the page of the echo server in headless Chromium and uses it like a person: types, sends, pings,
// closes. The traffic of the page's WebSocket is observed from outside the page, so that no check relies on
// the page alone.
//
//   NODE_PATH=DIR/node_modules node page.cjs SERVER WORK
//
// SERVER is the program to start, WORK a directory for the browser's profile and screenshots.
"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const path = require("node:path");
const { PATIENCE, MIB, assertCompressed, assertEchoed, assertSame, check, exchangeCompressed, exchangeMebibytes, launch, newest, open, run, startServer, state, until } = require("./support.cjs");
const { startTap } = require("../peers/tap.cjs");

const [program, work] = process.argv.slice(2);

// A plain HTTP request. The target is sent unmodified.
function get(url, target = "/") {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, path: target, timeout: PATIENCE });
    request.on("timeout", () => request.destroy(new Error(`no answer to GET ${target}`)));
    request.on("error", reject);
    request.on("response", (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.end();
  });
}

// How the page displays a text.
function shown(text) {
  if (text === "") return "(empty)";
  return text.length <= 200 ? text : `${text.slice(0, 200)}… (${Buffer.byteLength(text).toLocaleString("en")} bytes)`;
}

async function main() {
  const server = await startServer(program);
  const closed = (text) => server.lines().filter((line) => /^closed \S+:\d+: /.test(line) && line.endsWith(`: ${text}`));

  await check("GET / returns the page", async () => {
    const { status, headers, body } = await get(server.url);
    assert.equal(status, 200);
    assert.match(headers["content-type"], /^text\/html; *charset=utf-8$/i);
    assert.match(body.toString(), /<html[^]*<\/html>\s*$/, "all of it");
  });
  await check("other paths return 404", async () => {
    for (const target of ["/nope", "/index.html", "/page.html/", "//", "/..%2f"]) {
      assert.equal((await get(server.url, target)).status, 404, target);
    }
  });

  const browser = await launch();
  const { context, page, seen } = await open(browser, server.url, { viewport: { width: 1000, height: 800 } });
  await check("the page connects back", async () => {
    assert.equal(seen.sockets.length, 1);
    assert.equal(seen.sockets[0].url, server.url.replace("http:", "ws:"));
    assert.equal(await page.locator("#state").textContent(), "Open");
  });
  const wire = seen.sockets[0];

  let rows = 0;
  const texts = ["hello", "grüße, 世界", "👋🏽 family: 👩‍👩‍👧‍👦, flag: 🇩🇪", "", "ß".repeat(70_000)];
  for (const text of texts) {
    const name = text === "" ? "no text at all" : text.length > 50 ? `${text.length} characters` : text;
    await check(`typed and echoed: ${name}`, async () => {
      await page.locator("#text").fill(text);
      await page.locator("#text").press("Enter");
      const row = await newest(page, (rows += 1));
      assertEchoed(row, "text", shown(text));
      if (text === "") return; // the driver does not report empty payloads
      assert.ok(wire.sent.at(-1) === text, "what was sent");
      assert.ok(wire.received.at(-1) === text, "what came back");
    });
  }

  for (const [size, what] of [[0, "0 bytes"], [65536, "65,536 bytes"], [MIB, "1,048,576 bytes"], [16 * MIB, "16,777,216 bytes"]]) {
    await check(`binary sent and echoed: ${what}`, async () => {
      await page.locator("#size").selectOption(String(size));
      await page.locator("#send-binary").click();
      assertEchoed(await newest(page, (rows += 1)), "binary", what);
      if (size === 0) return; // as above
      assert.equal(wire.sent.at(-1).length, size);
      assertSame(wire.received.at(-1), wire.sent.at(-1));
    });
  }

  await check("ping shows the round-trip time", async () => {
    for (const n of [1, 2, 3]) {
      await page.locator("#ping").click();
      assertEchoed(await newest(page, (rows += 1)), "ping", `ping ${n}`);
    }
    assert.match(await page.locator("#times").textContent(), /^\d+ round trips, median [\d.]+ ms, least [\d.]+ ms$/);
  });

  await check("messages sent in a burst come back in order", async () => {
    const before = wire.received.length;
    await page.evaluate(() => {
      for (let i = 0; i < 150; i += 1) document.getElementById("ping").click();
    });
    await newest(page, Math.min((rows += 150), 200));
    await until("all echoes", async () => (await page.locator('#log li[data-state="pending"]').count()) === 0);
    assert.deepEqual(wire.received.slice(before), wire.sent.slice(before));
  });

  await page.screenshot({ path: path.join(work, "open.png") });

  await check("a close code that a page may not send is refused", async () => {
    for (const [code, reason] of [["1001", ""], ["999", ""], ["5000", ""], ["", "no code"], ["4000", "ü".repeat(62)]]) {
      await page.locator("#code").fill(code);
      await page.locator("#reason").fill(reason);
      await page.locator("#close").click();
      assert.notEqual(await page.locator("#close-problem").textContent(), "", `${code} ${reason}`);
      assert.equal(await page.locator("#state").textContent(), "Open");
    }
  });

  // The page's close, the code that its browser reports, and the line that the server prints.
  const longest = "ü".repeat(61) + "!";
  const closes = [
    ["4001", "done here", "4001", "4001 done here"],
    ["1000", "", "1000", "1000"],
    ["3000", "grüße 👋", "3000", "3000 grüße 👋"],
    ["4999", longest, "4999", `4999 ${longest}`],
    ["", "", "1005", "1005"],
  ];
  for (const [i, [code, reason, reported, printed]] of closes.entries()) {
    await check(`both sides report the close: ${printed}`, async () => {
      if (i > 0) {
        await page.locator("#reconnect").click();
        await state(page, "open");
        assert.ok(!(await page.locator("#end").isVisible()), "the last ending is no longer shown");
      }
      const before = closed(printed).length;
      await page.locator("#code").fill(code);
      await page.locator("#reason").fill(reason);
      await page.locator("#close").click();
      await state(page, "closed");
      assert.equal(await page.locator("#end-code").textContent(), reported);
      const how = await page.locator("#end-how").textContent();
      assert.ok(how.includes(reason === "" ? reported.replace("1005", "no code") : `${code} “${reason}”`), how);
      assert.equal(await page.locator("#end").getAttribute("data-clean"), "true");
      await until(`the line "closed ADDRESS: ${printed}"`, () => closed(printed).length > before).catch((error) => {
        throw new Error(`${error.message}; printed: ${JSON.stringify(server.lines().slice(-5))}`);
      });
      assert.equal(closed(printed).length, before + 1);
      if (i === 0) {
        await page.evaluate(() => window.scrollTo(0, 0));
        await page.screenshot({ path: path.join(work, "closed.png") });
      }
    });
  }

  await check("a page that leaves closes with 1001", async () => {
    const another = await open(browser, server.url);
    await another.page.goto("about:blank");
    await another.context.close();
    await until("the line", () => closed("1001").length === 1);
  });

  await check("a dozen sockets at once, a mebibyte each", async () => {
    const another = await open(browser, server.url);
    assert.deepEqual(await exchangeMebibytes(another.page, (n) => `/any/path?n=${n}`), []);
    for (let n = 0; n < 12; n += 1) await until(`the line of ${n}`, () => closed(`${4100 + n} socket ${n}`).length === 1);
    assert.deepEqual(another.seen.problems, []);
    await another.context.close();
  });

  const agreements = [false, true].flatMap((takeover) =>
    [15, 14, 13, 12, 11, 10, 9, 8].map((bits) => {
      const settings = [...(takeover ? ["takeover"] : []), ...(bits < 15 ? [bits] : [])];
      const no = takeover ? [] : ["server_no_context_takeover", "client_no_context_takeover"];
      // The server receives 8 bits, but sends 9.
      const windows = bits < 15 ? [`server_max_window_bits=${Math.max(bits, 9)}`, `client_max_window_bits=${bits}`] : [];
      const option = settings.length > 0 ? `--deflate=${settings.join()}` : "--deflate";
      return { option, takeover, agreed: ["permessage-deflate", ...no, ...windows].join("; ") };
    }),
  );
  for (const { option, takeover, agreed } of agreements) {
    await check(`messages are compressed in both directions with ${option}`, async () => {
      const compressing = await startServer(program, option);
      const tap = await startTap(new URL(compressing.url).port);
      const another = await open(browser, `http://127.0.0.1:${tap.port}/`);
      const { extensions, failures } = await exchangeCompressed(another.page, "/compressed");
      assert.deepEqual([extensions, failures], [agreed, []]);
      assertCompressed(tap.connections.find(({ target }) => target === "/compressed"), takeover);
      assert.deepEqual(another.seen.problems, []);
      await another.context.close();
      tap.close();
      compressing.child.kill();
      assert.equal(compressing.errors, "");
    });
  }

  for (const colorScheme of ["light", "dark"]) {
    await check(`the page fits a phone, ${colorScheme}`, async () => {
      const phone = await open(browser, server.url, { viewport: { width: 360, height: 740 }, colorScheme, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
      await phone.page.locator("#text").fill("a word that is not to be broken: " + "x".repeat(100));
      await phone.page.locator("#send").tap();
      await newest(phone.page, 1);
      await phone.page.locator("#code").fill("4001");
      await phone.page.locator("#reason").fill("enough for today");
      await phone.page.locator("#close").tap();
      await state(phone.page, "closed");
      await phone.page.screenshot({ path: path.join(work, `phone-${colorScheme}.png`), fullPage: true });
      assert.ok(await phone.page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), "no sideways scrolling");
      assert.deepEqual(phone.seen.problems, []);
      await phone.context.close();
    });
  }

  await check("no console messages, no requests to other hosts, no socket errors", async () => {
    assert.deepEqual(seen.problems, []);
    assert.deepEqual(seen.sockets.flatMap((socket) => socket.errors), []);
  });

  await check("the server is still running and has not panicked", async () => {
    assert.ok(!server.ended, "it has ended");
    assert.doesNotMatch(server.errors, /panicked/);
  });

  await check("a server that disappears closes with 1006", async () => {
    await page.locator("#reconnect").click();
    await state(page, "open");
    server.child.kill("SIGKILL");
    await state(page, "closed");
    assert.equal(await page.locator("#end-code").textContent(), "1006");
    assert.equal(await page.locator("#end").getAttribute("data-clean"), "false");
  });

  await context.close();
  await browser.close();
}

run(work, main);
