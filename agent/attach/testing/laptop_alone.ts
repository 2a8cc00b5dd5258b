// deno-lint-ignore-file no-console -- standard output is how it answers
/**
 * A laptop's end of a tunnel to relay, reached as through the API server's port-forward: over loopback of the agent's
 * pod. `laptop_alone.ts PORT [SESSION]`; prints its public key, answers streams with "laptop:" and an echo, and comes
 * back when the tunnel is gone.
 */
import type { Stream } from "../../../hbone/mod.ts";
import { Laptop } from "../../testing/laptop.ts";

const [port = "", session] = Deno.args;

async function echo(stream: Stream): Promise<void> {
  stream.respond([[":status", "200"]]);
  await stream.write(new TextEncoder().encode("laptop:"));
  const into = new Uint8Array(65_536);
  for (let n; (n = await stream.read(into)) !== null;) {
    for (let at = 0; at < n;) at += await stream.write(into.subarray(at, n));
  }
  await stream.closeWrite();
}

const laptop = await Laptop.make({
  ...(session ? { session } : {}),
  onStream: (stream) => void echo(stream).catch(() => {}),
});
console.log(laptop.publicKey);
for (;;) {
  try {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    connection.setNoDelay(true);
    await laptop.serve(connection).closed;
  } catch {
    // Relay isn't there.
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
}
