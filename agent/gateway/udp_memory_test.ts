import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { udpServer } from "../../ffi/testing/udp_server.ts";
import { Connection } from "../../hbone/mod.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import { UDP_PROTOCOL, udpPath } from "../../wire/streams.ts";

const SERVICE = "10.96.0.10";

/** A gateway in a process of its own, which tells what it uses. */
function gateway() {
  const script = new URL("testing/udp_memory.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", "--v8-flags=--expose-gc", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  const line = async (): Promise<string> => {
    while (!rest.includes("\n")) {
      const { value, done } = await lines.read();
      if (done) throw new Error("the gateway has ended");
      rest += value;
    }
    const [first = "", ...others] = rest.split("\n");
    rest = others.join("\n");
    return first;
  };
  return {
    line,
    async used(): Promise<{ used: number; flows: number }> {
      await writer.write(new TextEncoder().encode("\n"));
      return JSON.parse(await line());
    },
    async [Symbol.asyncDispose]() {
      await writer.close();
      await lines.cancel();
      await child.status;
    },
  };
}

Deno.test("a quiet UDP flow costs a gateway less than 4 KiB, and 10,000 that have ended leave nothing", async () => {
  await using far = gateway();
  const port = Number(await far.line());
  await using echo = await udpServer();
  await using laptop = new Connection(await Deno.connect({ hostname: "127.0.0.1", port }), {
    role: "client",
  });
  await laptop.ready;
  const to = echo.endpoint.port;
  /** Opens flows that have each had a datagram answered. */
  const open = async (count: number) => {
    const flows = Array.from({ length: count }, () => {
      const stream = laptop.open([
        [":method", "CONNECT"],
        [":protocol", UDP_PROTOCOL],
        [":scheme", "https"],
        [":path", udpPath(SERVICE, to)],
        [":authority", `${SERVICE}:${to}`],
      ]);
      return new DatagramStream(stream, () => {});
    });
    await until("all were answered", () => {
      const silent = flows.filter(({ bytesReceived }) => bytesReceived === 0);
      for (const flow of silent) flow.send(new Uint8Array(100));
      return silent.length === 0;
    });
    return flows;
  };
  const close = async (flows: readonly DatagramStream[]) => {
    for (const flow of flows) flow.close();
    await Promise.all(flows.map(({ ended }) => ended));
  };
  // What is made once is there before.
  for (let i = 0; i < 20; i++) await close(await open(100));
  const before = await far.used();
  const kept: DatagramStream[] = [];
  for (let i = 0; i < 10; i++) kept.push(...await open(100));
  const idle = await far.used();
  assert.deepEqual([before.flows, idle.flows], [0, 1_000]);
  const each = (idle.used - before.used) / 1_000;
  assert.ok(each < 4 * 1024, `${each} bytes for a quiet flow`);
  await close(kept);
  for (let i = 0; i < 100; i++) await close(await open(100));
  await laptop.ping(10_000);
  const after = await far.used();
  assert.equal(after.flows, 0);
  const left = (after.used - before.used) / 10_000;
  assert.ok(left < 100, `${left} bytes are left of each flow`);
});
