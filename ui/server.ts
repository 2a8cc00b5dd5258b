import { systemClock } from "../async/clock.ts";
import { sleep } from "../async/sleep.ts";
import { settlesWithin } from "../async/timeout.ts";
import { failure } from "../cli/failure.ts";
import type { CliParts, ServedPage } from "../cli/parts.ts";
import { ConnectionOwners } from "../ffi/proc/connection_owner.ts";
import { controlFiles } from "../wire/control.ts";
import { pageApp } from "./app.ts";
import { DaemonSource } from "./daemon_source.ts";
import { EventStreams } from "./event_stream.ts";
import { newToken } from "./guard.ts";
import { Live } from "./live.ts";

/** Not "localhost": a name can be made to lead elsewhere. */
const HOSTNAME = "127.0.0.1";
/** Milliseconds between two looks whether the daemon is still there. */
const DAEMON_MS = 1_000;
/** Answers that have begun have this long to end, in milliseconds. */
const END_MS = 1_000;

export interface PageOptions {
  /** 0: any that is free. */
  readonly port: number;
  /** What commands of the page are made of. */
  readonly parts: CliParts;
}

/**
 * Serves the page of `pmz ui` on loopback until the signal aborts, or the daemon that it has shown goes down.
 * @throws {CliFailure} `conflict` where the port is taken
 */
export function servePage({ port, parts }: PageOptions, signal: AbortSignal): ServedPage {
  const closing = new AbortController();
  const owners = new ConnectionOwners();
  const uid = Deno.uid() ?? -1;
  const accounts = [{ first: uid, last: uid }];
  const streams = new EventStreams();
  const live = new Live({ source: (signal) => new DaemonSource(parts, signal) });
  const token = newToken();
  const peers = new WeakMap<Request, Deno.NetAddr>();
  const server = listen(port, (request, { remoteAddr }) => {
    peers.set(request, remoteAddr);
    return app.fetch(request);
  });
  const authority = `${HOSTNAME}:${server.addr.port}`;
  const app = pageApp({
    admission: { authority, token },
    async isOwn(request) {
      const peer = peers.get(request);
      if (!peer) return false;
      const own = { address: HOSTNAME, port: server.addr.port };
      const from = { address: peer.hostname, port: peer.port };
      return await owners.isFrom({ protocol: "tcp", peer: from, own }, accounts);
    },
    live,
    streams,
    parts,
    closing: closing.signal,
  });
  const ended = serve();

  async function serve(): Promise<"down" | "interrupted"> {
    const end = await untilDown(parts, signal);
    streams.close({ kind: end });
    closing.abort(new DOMException("pmz ui has ended", "AbortError"));
    await settlesWithin(server.shutdown(), END_MS);
    owners[Symbol.dispose]();
    return end;
  }

  return { url: `http://${authority}/${token}/`, ended };
}

function listen(
  port: number,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: HOSTNAME, port, onListen() {} }, handler);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw failure(
      "conflict",
      `another program listens on port ${port} of ${HOSTNAME}`,
      "choose another one, or leave --port out",
      error,
    );
  }
}

/** A daemon that ends in order removes its socket; that of one that was killed stays. */
async function untilDown({ stateFolder }: CliParts, signal: AbortSignal): Promise<"down" | "interrupted"> {
  let wasUp = false;
  while (!signal.aborted) {
    const isUp = await Deno.lstat(`${stateFolder}/${controlFiles.socket}`).then(() => true, () => false);
    if (wasUp && !isUp) return "down";
    wasUp = isUp;
    await sleep(DAEMON_MS, signal, systemClock);
  }
  return "interrupted";
}
