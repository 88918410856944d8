// Node's `ws` on the compressed cases: its `Sender` and its `Receiver` without a socket. See `scale`.
//
//   node scale.cjs DIRECTORY
"use strict";

const { readFileSync, readdirSync } = require("node:fs");
const { join } = require("node:path");
const { PerMessageDeflate, Receiver, Sender } = require("ws");

const MASKED_BY = { isServer: true };
const READ = 64 << 10;
const SECONDS = 0.5;

function extensions(name) {
  const takesOver = name.endsWith(" context") && !name.endsWith(" no context");
  const deflate = new PerMessageDeflate({
    ...MASKED_BY,
    threshold: 0,
    serverNoContextTakeover: !takesOver,
    clientNoContextTakeover: !takesOver,
  });
  deflate.accept([{}]);
  return { [PerMessageDeflate.extensionName]: deflate };
}

// Returns a function that sends all messages, each after the one before it was written.
function sending(name, bytes, size) {
  const socket = {
    written: 0,
    cork() {},
    uncork() {},
    write(chunk, done) {
      this.written += chunk.length;
      done?.();
    },
  };
  const sender = new Sender(socket, extensions(name));
  const options = { binary: true, compress: true, fin: true, mask: false };
  return async () => {
    socket.written = 0;
    for (let at = 0; at < bytes.length; at += size) {
      await new Promise((done) => sender.send(bytes.subarray(at, at + size), options, done));
    }
    return { messages: bytes.length / size, written: socket.written };
  };
}

// Returns a function that receives the wire, whose payloads `ws` unmasks in place.
function receiving(name, bytes) {
  const receiver = new Receiver({ ...MASKED_BY, extensions: extensions(name) });
  let messages = 0;
  receiver.on("message", () => messages++);
  return async () => {
    messages = 0;
    for (let at = 0; at < bytes.length; at += READ) {
      await new Promise((done) => receiver.write(Buffer.from(bytes.subarray(at, at + READ)), done));
    }
    return { messages };
  };
}

async function measure(work) {
  const times = [];
  for (let round = 0; round < 4; round++) {
    const [start, begin] = [process.hrtime.bigint(), process.cpuUsage()];
    let messages = 0;
    while (Number(process.hrtime.bigint() - start) < SECONDS * 1e9) messages += (await work()).messages;
    const { user, system } = process.cpuUsage(begin);
    times.push(((user + system) * 1000) / messages);
  }
  // The first round warms up.
  return times.slice(1).sort((a, b) => a - b)[1];
}

async function main(directory) {
  for (const group of ["deflate-send", "deflate-receive"]) {
    for (const name of readdirSync(join(directory, group))) {
      const bytes = readFileSync(join(directory, group, name));
      const size = parseInt(name) * { B: 1, KiB: 1 << 10, MiB: 1 << 20 }[name.split(" ")[1]];
      const work = group === "deflate-send" ? sending(name, bytes, size) : receiving(name, bytes);
      const { messages, written } = await work();
      if (!messages) throw new Error(`${group}, ${name}: no messages`);
      const ns = await measure(work);
      const header = (length) => (length < 126 ? 2 : length < 65536 ? 4 : 10);
      const sent = written / messages;
      const relative = written === undefined ? "" : ((sent - header(sent)) / size).toFixed(4);
      console.log(`${group},${name},ws,${ns.toFixed(0)},${((size * 1e9) / ns).toFixed(0)},,${relative}`);
    }
  }
}

main(process.argv[2]);
