// deno-lint-ignore-file no-console -- standard output is how it answers
/**
 * A laptop's end of a tunnel to relay, reached as through the API server's port-forward: over loopback of the agent's
 * pod. `laptop_alone.ts PORT [SESSION]`; prints its public key, answers streams with "laptop:" and an echo, UDP flows with "laptop "
 * and each datagram, and comes back when the tunnel is gone.
 */
import { headerValue, type Stream } from "../../../hbone/mod.ts";
import { DatagramStream } from "../../../masque/datagram_stream.ts";
import { UDP_PROTOCOL } from "../../../wire/streams.ts";
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

function echoDatagrams(stream: Stream): void {
  stream.respond([[":status", "200"]]);
  const name = new TextEncoder().encode("laptop ");
  const answer = (payload: Uint8Array) => void datagrams.send(new Uint8Array([...name, ...payload]));
  const datagrams = new DatagramStream(stream, answer);
}

function serve(stream: Stream): void {
  if (headerValue(stream.request, ":protocol") === UDP_PROTOCOL) return echoDatagrams(stream);
  echo(stream).catch(() => {});
}

const laptop = await Laptop.make({
  ...(session ? { session } : {}),
  onStream: serve,
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
