import { acceptAll } from "../../ffi/sockets/accept.ts";
import { LaneJoiner } from "../lanes.ts";
import type { Log } from "../../wire/log.ts";
import type { Tunnels } from "./tunnels.ts";

/** Ports on 127.0.0.1 at which laptops' tunnels arrive through the API server's port-forward; 0 for any free port. */
export interface TunnelPorts {
  /** For tunnels of one port-forward. */
  readonly tunnel: number;
  /** For the lanes of tunnels of two port-forwards. */
  readonly lanes: number;
}

/** Accepts tunnels on both ports until it is closed. */
export class TunnelListeners implements AsyncDisposable {
  readonly #listeners: readonly Deno.TcpListener[];
  readonly #joiner: LaneJoiner;
  readonly #accepting: Promise<unknown>;
  /** The ports that it listens on. */
  readonly ports: TunnelPorts;
  #isClosed = false;

  /** @throws {Deno.errors.AddrInUse} */
  constructor(ports: TunnelPorts, tunnels: Pick<Tunnels, "add">, log: Log) {
    const tunnel = listen(ports.tunnel);
    let lanes: Deno.TcpListener;
    try {
      lanes = listen(ports.lanes);
    } catch (error) {
      tunnel.close();
      throw error;
    }
    const joiner = new LaneJoiner((transport) => tunnels.add(transport));
    const failed = (error: unknown) => log("warn", "can't accept a tunnel", { error });
    const accept = (listener: Deno.TcpListener, taken: (connection: Deno.TcpConn) => void) =>
      acceptAll(listener, (connection) => {
        connection.setNoDelay(true);
        taken(connection);
      }, { failed });
    this.#listeners = [tunnel, lanes];
    this.#joiner = joiner;
    this.ports = { tunnel: tunnel.addr.port, lanes: lanes.addr.port };
    this.#accepting = Promise.all([
      accept(tunnel, (connection) => tunnels.add(connection)),
      accept(lanes, (connection) => void joiner.take(connection)),
    ]);
  }

  /** Accepts no more tunnels; open ones stay. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.close();
    this.#joiner[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#accepting;
  }
}

function listen(port: number): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port });
}
