/** Whether the user's program is there to be dialled, without taking a connection of it. */
import { isListenedOn, isReceivedOn } from "../../ffi/proc/listening_sockets.ts";
import { hostAddresses } from "../../net/host_addresses.ts";
import { ownAddresses } from "../../net/own_addresses.ts";

/** Where connections or datagrams go on the laptop. */
export interface LocalEnd {
  /** TCP when absent. */
  readonly protocol?: "udp";
  readonly host: string;
  readonly port: number;
}

/**
 * `listening`: a socket of this machine. `elsewhere`: it was reached, but no socket of this machine did it: another machine, or a
 * container that packets are redirected to; for UDP any address that isn't this machine's, since nothing can be dialled. `silent`:
 * neither.
 */
export type ProgramState = "listening" | "elsewhere" | "silent";

/** What a look goes by; the machine's own when absent. */
export interface LookParts {
  readonly listens?: (address: string, port: number) => Promise<boolean>;
  /** The same for datagrams. */
  readonly receives?: (address: string, port: number) => Promise<boolean>;
  readonly dial?: (address: string, port: number) => Promise<boolean>;
}

const DIAL_MS = 1_000;

/**
 * Looks at what `dialLocal` of the data plane would dial. A program of this machine is seen by its listening socket, so that one
 * that takes a single connection keeps it; only where there is no such socket is the address dialled.
 */
export async function programState(
  { host, port, protocol }: LocalEnd,
  { listens = isListenedOn, receives = isReceivedOn, dial = answers }: LookParts = {},
): Promise<ProgramState> {
  const addresses = await hostAddresses(host).catch(() => []);
  const own = ownAddresses();
  const isThere = protocol === "udp" ? receives : listens;
  for (const address of addresses) {
    if (own(address) && await isThere(address, port).catch(() => true)) return "listening";
  }
  if (protocol === "udp") return addresses.every(own) ? "silent" : "elsewhere";
  for (const address of addresses) if (await dial(address, port)) return "elsewhere";
  return "silent";
}

async function answers(hostname: string, port: number): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ hostname, port, signal: AbortSignal.timeout(DIAL_MS) });
    return true;
  } catch {
    return false;
  }
}
