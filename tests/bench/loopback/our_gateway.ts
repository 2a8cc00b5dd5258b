// The far end of our tunnel, as the gateway has it: its own server of streams and its own way to dial. Only where it
// dials differs: loopback, which a gateway never would. Prints where it listens.
import { StreamServer } from "../../../agent/gateway/serve.ts";
import { dial } from "../../../agent/gateway/dial.ts";
import { UdpFlows } from "../../../agent/gateway/udp_flows.ts";
import { Connection } from "../../../hbone/mod.ts";
import { parseAddress } from "../../../net/address.ts";
import { held } from "./held.ts";

const loopback = parseAddress("127.0.0.1");
if (!loopback) throw new Error("127.0.0.1 is an address");
const flows = new UdpFlows({ idleMs: 150_000 });
const streams = new StreamServer({
  targets: {
    isComplete: true,
    completed: () => Promise.resolve(true),
    learn: () => Promise.resolve(),
    isTarget: () => true,
    isNode: () => false,
  },
  ranges: [],
  dial: ({ port }, options) => dial({ address: loopback, port }, options),
  udp: {
    get size() {
      return flows.size;
    },
    carry: (stream, { port }, ...more) => flows.carry(stream, { address: loopback, port }, ...more),
  },
});

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
void held();
await Deno.stdout.write(new TextEncoder().encode(`ready ${listener.addr.port}\n`));
for await (const transport of listener) {
  transport.setNoDelay();
  new Connection(transport, { role: "server", onStream: (stream) => void streams.serve(stream) });
}
