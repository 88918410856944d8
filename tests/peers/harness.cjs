// Shared by the scripts that test the example programs with other programs.
"use strict";

const { spawn } = require("node:child_process");

const PATIENCE = 15_000; // milliseconds to wait for one condition

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

// A running program, which is killed at the end of the script. `lines` returns the lines printed so far, `status`
// is its exit status once it has ended.
function start(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => child.kill();
  process.on("exit", kill);
  const running = { child, output: "", errors: "", ended: false, status: undefined };
  running.lines = () => running.output.split("\n").slice(0, -1);
  // Waits for a line with this beginning.
  running.line = (beginning) =>
    until(`the line "${beginning}"`, () => {
      const line = running.lines().find((line) => line.startsWith(beginning));
      if (!line && running.ended) throw new Error(`${program} has ended: ${running.errors}`);
      return line;
    });
  child.stdout.setEncoding("utf8").on("data", (text) => (running.output += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (running.errors += text));
  child.on("error", (error) => (running.errors += error));
  child.on("close", (status) => {
    process.off("exit", kill);
    Object.assign(running, { ended: true, status });
  });
  return running;
}

// Runs a script of at most `limit` seconds and ends with the counts.
function run(limit, main) {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
  setTimeout(() => {
    console.log(`FAILED  not done after ${limit} seconds`);
    console.log(`${passed} passed, ${failed + 1} failed`);
    process.exit(1);
  }, limit * 1000).unref();

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

module.exports = { PATIENCE, check, run, start, until };
