// A bare relay of datagrams: what a user of Deno writes in twenty lines. Its arguments are the address where it listens and the one to
// relay to, HOST:PORT; the port where it listens is what it prints.
const [hostname = "", target = ""] = Deno.args;
const at = target.lastIndexOf(":");
const to = { transport: "udp", hostname: target.slice(0, at), port: Number(target.slice(at + 1)) } as const;
const listener = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
const flows = new Map<string, Deno.DatagramConn>();

void (async () => {
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0); // it ends with its standard input
})();
if (listener.addr.transport === "udp") {
  await Deno.stdout.write(new TextEncoder().encode(`ready ${listener.addr.port}\n`));
}
const buffer = new Uint8Array(65_536);
for (;;) {
  const [payload, from] = await listener.receive(buffer);
  if (from.transport !== "udp") continue;
  const key = `${from.hostname} ${from.port}`;
  let flow = flows.get(key);
  if (flow === undefined) {
    flow = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    flows.set(key, flow);
    void back(flow, from);
  }
  await flow.send(payload, to);
}

async function back(flow: Deno.DatagramConn, caller: Deno.NetAddr): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const [payload] = await flow.receive(buffer);
    await listener.send(payload, caller);
  }
}
