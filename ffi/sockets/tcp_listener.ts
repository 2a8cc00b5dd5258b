import { acceptAll } from "./accept.ts";
import { boundDescriptorOf } from "./own_socket.ts";
import { setOption } from "./socket.ts";
import { TcpConnection } from "./tcp_connection.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
/** The listen backlog. */
const BACKLOG = 4096;

/** A Deno listener whose descriptor is known, so that it can also be handed over. Disposing closes it. */
export class TcpListener implements Disposable {
  readonly descriptor: number;
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  #open = true;

  /**
   * Listens on an address and any port, and accepts from now on.
   * @throws {Deno.errors.AddrNotAvailable} where the machine has no such address.
   */
  constructor(hostname: string, onConnection: (connection: TcpConnection) => void) {
    this.#listener = listen(hostname);
    this.port = this.#listener.addr.port;
    this.descriptor = boundDescriptorOf("tcp", hostname, this.port);
    // Accepted connections inherit it, which saves a call for each.
    setOption(this.descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    void acceptAll(this.#listener, (conn) => onConnection(new TcpConnection(conn)));
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#listener.close();
  }
}

function listen(hostname: string): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port: 0, tcpBacklog: BACKLOG });
  } catch (error) {
    // A kernel without IPv6 (ipv6.disable=1) has not even a socket for such an address.
    if (!(error instanceof Error && "code" in error && error.code === "EAFNOSUPPORT")) throw error;
    throw new Deno.errors.AddrNotAvailable(`no address ${hostname} here: ${error.message}`, { cause: error });
  }
}
