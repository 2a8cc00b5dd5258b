import { formatEndpoint, parseAddress } from "../../net/address.ts";
import type { BlockedConnection } from "../../wire/control.ts";
import type { BlockingRule } from "../../wire/helper.ts";
import { isLedElsewhere } from "./arrival.ts";
import type { LaptopCluster } from "./laptop_cluster.ts";

/** How long it is believed that connections pass, in milliseconds: each look costs a connection to a Service. */
const BELIEVED_MS = 30_000;
/** How long it is believed that something is blocked, in milliseconds: a user who has changed the rule asks whether that helped. */
const BLOCKED_BELIEVED_MS = 1_000;
/** The kernel connects a captured address within a millisecond, unless something drops its packets. */
const DIAL_MS = 1_000;
/** Between two dials while packets are traced, in milliseconds. */
const PAUSE_MS = 100;
/** Ranges of which one address is tried each. */
const MOST_RANGES = 4;

/** A captured address and a port that something answers. */
export interface CapturedEndpoint {
  readonly address: string;
  readonly port: number;
}

/** What becomes of a connection: pmz accepts it, something else does, or nothing. */
export type Dialled = "reached" | "elsewhere" | "dropped";

interface FirewallParts {
  /** Says what drops connections to an address, or leads them elsewhere; somebody has to dial it meanwhile. */
  readonly trace: (address: string, port: number) => Promise<BlockingRule | undefined>;
  /** What to try. */
  readonly endpoints: () => readonly CapturedEndpoint[];
  /** What becomes of a connection within a time. */
  readonly dial?: (
    endpoint: CapturedEndpoint,
    timeoutMs: number,
    connected: (from: string) => void,
  ) => Promise<Dialled>;
  /** Told the local end of each connection that is made, before it's closed. */
  readonly connected?: (from: string) => void;
  /** The time, in milliseconds. */
  readonly now?: () => number;
}

/** Finds out whether this machine's own firewall lets captured connections pass: a kill switch of a VPN doesn't, for one. */
export class Firewall {
  readonly #parts: Required<FirewallParts>;
  #found: { readonly blocked: Promise<readonly BlockedConnection[]>; until: number } | undefined;

  constructor(parts: FirewallParts) {
    this.#parts = { dial, connected: () => {}, now: () => performance.now(), ...parts };
  }

  /** The endpoints, one of each range, that connections don't reach the daemon for. */
  blocked(): Promise<readonly BlockedConnection[]> {
    const { now } = this.#parts;
    if (this.#found && now() <= this.#found.until) return this.#found.blocked;
    const found = { blocked: this.#look(), until: Infinity };
    found.blocked.then(
      ({ length }) => found.until = now() + (length > 0 ? BLOCKED_BELIEVED_MS : BELIEVED_MS),
      () => found.until = 0,
    );
    this.#found = found;
    return found.blocked;
  }

  /** What keeps connections from an endpoint, as a dial has shown; undefined where that is not known. */
  async blockedBy(endpoint: CapturedEndpoint): Promise<BlockingRule | undefined> {
    return (await this.#trace(endpoint, () => true)).by;
  }

  /** Looks again the next time: the machine's network has changed, or a connection has just failed. */
  forget(): void {
    this.#found = undefined;
  }

  async #look(): Promise<readonly BlockedConnection[]> {
    const tried = await Promise.all(
      this.#parts.endpoints().map(async (endpoint) => ({
        endpoint,
        became: await this.#dial(endpoint, DIAL_MS),
      })),
    );
    const blocked: BlockedConnection[] = [];
    for (const { endpoint, became } of tried) {
      if (became === "reached" || !this.#isThere(endpoint)) continue; // it may have been released meanwhile
      const traced = await this.#trace(endpoint);
      blocked.push(became === "elsewhere" ? { ...traced, isLedElsewhere: true } : traced);
    }
    return blocked;
  }

  #dial(endpoint: CapturedEndpoint, timeoutMs: number): Promise<Dialled> {
    return this.#parts.dial(endpoint, timeoutMs, this.#parts.connected);
  }

  #isThere({ address, port }: CapturedEndpoint): boolean {
    return this.#parts.endpoints().some((one) => one.address === address && one.port === port);
  }

  async #trace(
    endpoint: CapturedEndpoint,
    isThere = () => this.#isThere(endpoint),
  ): Promise<BlockedConnection> {
    const ended = new AbortController();
    const traced = this.#parts.trace(endpoint.address, endpoint.port).catch(() => undefined)
      .finally(() => ended.abort());
    while (!ended.signal.aborted && isThere()) {
      await this.#dial(endpoint, PAUSE_MS);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    const by = await traced;
    return { to: formatEndpoint(endpoint.address, endpoint.port), ...by && { by } };
  }
}

async function dial(
  { address, port }: CapturedEndpoint,
  timeoutMs: number,
  connected: (from: string) => void,
): Promise<Dialled> {
  try {
    using conn = await Deno.connect({ hostname: address, port, signal: AbortSignal.timeout(timeoutMs) });
    if (isLedElsewhere(conn)) return "elsewhere";
    connected(formatEndpoint(conn.localAddr.hostname, conn.localAddr.port));
    return "reached";
  } catch {
    return "dropped";
  }
}

/** A cluster, as far as its Services and their ports go. */
type KnownCluster = Pick<LaptopCluster, "id"> & {
  readonly index: Pick<LaptopCluster["index"], "addresses" | "services" | "isAnsweredHere">;
};

/**
 * One endpoint that answers of each range: firewalls treat ranges differently. A Service that a program of this laptop answers
 * is left out, since that program would get the connection.
 */
export function endpointsToTry(
  clusters: Iterable<KnownCluster>,
  reachedAt: (cluster: string, address: string) => string | undefined,
): CapturedEndpoint[] {
  const found = new Map<string, CapturedEndpoint>();
  for (const { id, index } of clusters) {
    for (const [service, { addresses, ports, headless, endpoints = [] }] of index.services) {
      if (index.isAnsweredHere(service)) continue;
      const groups = [
        ...headless ? [] : [{ addresses, ports }],
        ...endpoints.map((group) => ({
          addresses: group.endpoints.flatMap((endpoint) => endpoint.addresses),
          ports: group.ports,
        })),
      ];
      for (const { addresses, ports } of groups) {
        const own = addresses.find((one) => reachedAt(id, one) !== undefined);
        const address = own && reachedAt(id, own);
        const port = ports.find((one) => one.protocol === "TCP" && one.port !== undefined)?.port;
        if (
          own === undefined || address === undefined || port === undefined ||
          !answers(index.addresses.get(own), port)
        ) {
          continue;
        }
        const range = rangeOf(address);
        if (!found.has(range)) found.set(range, { address, port });
        if (found.size === MOST_RANGES) return [...found.values()];
      }
    }
  }
  return [...found.values()];
}

function answers(ports: ReturnType<LaptopCluster["index"]["addresses"]["get"]>, port: number): boolean {
  return ports === "any" ||
    (ports?.some((one) => one.protocol === "tcp" && one.port === port && one.served) ?? false);
}

/** The first 10 bits of an IPv4 address, the first 32 of an IPv6 one. */
function rangeOf(text: string): string {
  const address = parseAddress(text);
  if (!address) return text;
  const bytes = address.family === 4 ? address.bytes.subarray(12, 14) : address.bytes.subarray(0, 4);
  return [...bytes].map((byte, i) => address.family === 4 && i === 1 ? byte & 0xc0 : byte).join(".");
}
