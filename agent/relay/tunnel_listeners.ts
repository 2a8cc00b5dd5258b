import { acceptAll } from "../../ffi/sockets/accept.ts";
import { LaneJoiner } from "../lanes.ts";
import type { Log } from "../../wire/log.ts";
import type { Tunnels } from "./tunnels.ts";

/** On 127.0.0.1: where laptops' tunnels come in through the API server's port-forward. 0: any free port. */
export interface TunnelPorts {
  /** A port-forward that is a whole tunnel, as older laptops have it. */
  readonly tunnel: number;
  /** Lanes, of which two are a tunnel. */
  readonly lanes: number;
}

/** Accepts tunnels on both ports until it's closed. */
export class TunnelListeners implements AsyncDisposable {
  readonly #listeners: readonly Deno.TcpListener[];
  readonly #joiner: LaneJoiner;
  readonly #accepting: Promise<unknown>;
  /** Where it listens. */
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

  /** Takes no further tunnel; those that are there stay. */
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
