// Shared by the scripts that test the example programs with other programs.
"use strict";

const { execFileSync, spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const PATIENCE = 60_000; // milliseconds to wait for one condition, which a busy machine may need

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
// is its exit status once it has ended. `variables` are added to its environment.
function start(program, args, variables = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...variables } });
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

// A key and a self-signed certificate for this machine, in PEM, which are also left in the files `keyFile` and
// `certFile` of a directory.
function certify(directory) {
  const [keyFile, certFile] = ["key.pem", "cert.pem"].map((name) => path.join(directory, name));
  const extensions = ["subjectAltName=DNS:localhost,IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"];
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", ...extensions.flatMap((extension) => ["-addext", extension]),
    "-keyout", keyFile, "-out", certFile,
  ], { stdio: "pipe" });
  return { keyFile, certFile, key: fs.readFileSync(keyFile), cert: fs.readFileSync(certFile) };
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

module.exports = { PATIENCE, certify, check, run, start, until };
