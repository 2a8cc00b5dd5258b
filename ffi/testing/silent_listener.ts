import { closeDescriptor, localEndpoint, tcpListener } from "../sockets/socket.ts";
import { dialTcp } from "../sockets/tcp_connection.ts";

/** Where a dial waits for ever: a listener that never accepts and has one connection waiting, which is all it holds. */
export async function silentListener(): Promise<Disposable & { readonly port: number }> {
  const fd = tcpListener({ address: "127.0.0.1", backlog: 0 });
  const { port } = localEndpoint(fd);
  const first = await dialTcp("127.0.0.1", port, { timeoutMs: 5_000 });
  return {
    port,
    [Symbol.dispose]() {
      first.close();
      closeDescriptor(fd);
    },
  };
}
