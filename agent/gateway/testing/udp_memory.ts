/**
 * A gateway's server of streams on loopback, whose UDP targets are all on loopback: prints its port, and for each line of its standard
 * input the bytes that it uses. Run with --v8-flags=--expose-gc.
 */
import { Connection } from "../../../hbone/mod.ts";
import { parseAddress } from "../../../net/address.ts";
import { dial } from "../dial.ts";
import { StreamServer } from "../serve.ts";
import { UdpFlows } from "../udp_flows.ts";

async function used(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    (globalThis as unknown as { gc(): void }).gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

async function say(line: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}

const loopback = parseAddress("127.0.0.1");
if (!loopback) throw new Error("127.0.0.1 is an address");
const flows = new UdpFlows({ idleMs: 150_000 });
const server = new StreamServer({
  targets: {
    isComplete: true,
    completed: () => Promise.resolve(true),
    learn: () => Promise.resolve(),
    isTarget: () => true,
    isNode: () => false,
  },
  ranges: [],
  dial,
  udp: {
    get size() {
      return flows.size;
    },
    carry: (stream, { port }, ...more) => flows.carry(stream, { address: loopback, port }, ...more),
  },
});
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
await say(`${listener.addr.port}`);
void (async () => {
  for await (const transport of listener) {
    new Connection(transport, { role: "server", onStream: (stream) => void server.serve(stream) });
  }
})();
for await (const _ of Deno.stdin.readable) {
  await say(JSON.stringify({ used: await used(), flows: flows.size }));
}
Deno.exit(0);
