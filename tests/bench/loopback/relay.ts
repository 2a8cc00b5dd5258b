// A bare relay in one process: what a user of Deno writes in ten lines. Its arguments are the ports to relay to; the
// ports where it listens are what it prints.
import { held } from "./held.ts";

const BUFFER = 64 * 1024;
const buffers: Uint8Array[] = [];

const listeners = Deno.args.map((target) => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  accept(listener, Number(target));
  return listener;
});
void held();
await Deno.stdout.write(
  new TextEncoder().encode(`ready ${listeners.map(({ addr }) => addr.port).join(" ")}\n`),
);

async function accept(listener: Deno.TcpListener, port: number): Promise<void> {
  for await (const here of listener) {
    here.setNoDelay();
    relay(here, port).catch(() => here.close());
  }
}

async function relay(here: Deno.TcpConn, port: number): Promise<void> {
  using there = await Deno.connect({ hostname: "127.0.0.1", port });
  there.setNoDelay();
  await Promise.allSettled([carry(here, there), carry(there, here)]);
  here.close();
}

async function carry(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = buffers.pop() ?? new Uint8Array(BUFFER);
  try {
    for (let length; (length = await from.read(buffer)) !== null;) {
      for (let at = 0; at < length;) at += await to.write(buffer.subarray(at, length));
    }
    await to.closeWrite();
  } finally {
    buffers.push(buffer);
  }
}
