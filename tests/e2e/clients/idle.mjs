// deno-lint-ignore-file no-console -- standard output is how it answers
/**
 * Connections that ask a server of node:http, then the pod, and then the server again, all at the moments at which that closes
 * its idle connections: 5 s after its answer.
 */
import { connect } from "node:net";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const [host, port] = process.argv[1].split(":");
const outcomes = {};

async function one(offset) {
  const socket = connect(Number(port), host);
  let text = "";
  let wake = () => {};
  let ended = false;
  socket.on("data", (data) => (text += data, wake())).on("close", () => (ended = true, wake()))
    .on("error", () => {});
  const ask = async (user) => {
    text = "";
    socket.write(`GET / HTTP/1.1\r\nHost: echo\r\nX-Ws: ${user}\r\n\r\n`);
    while (!ended && !/"pod":"[^"]*"[^]*\}/.test(text)) await new Promise((resolve) => wake = resolve);
    return /"pod":"([^"]*)"/.exec(text)?.[1].replace(/^echo-.*/, "pod") ?? "lost";
  };
  const first = await ask("alice");
  const answered = performance.now();
  await pause(1_000);
  const second = await ask("nobody");
  await pause(answered + 5_000 + offset - performance.now());
  const outcome = [first, second, await ask("alice")].join(" ");
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  socket.destroy();
}

await Promise.all(Array.from({ length: 80 }, (_, i) => one(i - 50)));
console.log(JSON.stringify(outcomes));
