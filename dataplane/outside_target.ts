/** A connection to what an ExternalName leads to outside of its cluster: this laptop resolves the name and dials, as it does where programs are captured. */
import { lookup } from "node:dns/promises";
import type { IpAddress } from "../net/address.ts";
import { formatEndpoint, parseAddress } from "../net/address.ts";
import { dialTcp } from "../ffi/sockets/tcp_connection.ts";
import { withTimeout } from "../async/timeout.ts";
import { writeAll } from "../http/byte_reader.ts";
import { LocalTransport } from "./local_transport.ts";
import { ProxyTargetError } from "./proxy/target.ts";

/** For the laptop's nameservers to answer, and for each address to be dialled, in milliseconds. */
const LOOKUP_MS = 10_000;
const DIAL_MS = 10_000;
/** Addresses of one name that are tried. */
const MOST_ADDRESSES = 4;

/** The laptop, as far as names outside are resolved and dialled by it. */
export interface Outside {
  /** The addresses that programs of this laptop get for a name. */
  resolve(name: string): Promise<readonly string[]>;
  /** Why no cluster's name may lead to an address; undefined when one may. */
  why(address: IpAddress): string | undefined;
}

/** By the C library, as most programs do. */
export async function resolveHere(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** Where a host leads: `name` is in no cluster. */
export interface OutsideTarget {
  readonly host: string;
  readonly name: string;
  readonly port: number;
}

/**
 * The addresses of a name outside, as a cluster's name may lead to them.
 * @throws {ProxyTargetError} when there are none
 */
export async function addressesOutside(
  { host, name }: Pick<OutsideTarget, "host" | "name">,
  { resolve, why }: Outside,
): Promise<readonly IpAddress[]> {
  const leads = `${host} leads to ${name}, which is in no connected cluster`;
  if (parseAddress(name)) {
    throw new ProxyTargetError(
      "destination_not_found",
      `${leads}: it looks like an address, and DNS has no such name`,
    );
  }
  const found = await withTimeout(resolve(name), LOOKUP_MS).catch((cause) => {
    throw new ProxyTargetError(
      "destination_not_found",
      `${leads}: this machine's nameservers have no address for it`,
      { cause },
    );
  });
  const addresses = found.flatMap((text) => parseAddress(text) ?? []);
  const allowed = addresses.filter((address) => why(address) === undefined);
  const [first] = addresses;
  if (allowed.length > 0 || first === undefined) return allowed.slice(0, MOST_ADDRESSES);
  throw new ProxyTargetError(
    "destination_ip_prohibited",
    `${leads}: its address ${first.text} is ${why(first)}, and no cluster's name leads there`,
  );
}

/** Dials a name's addresses, one after the other. @throws {ProxyTargetError} when none takes the connection */
export async function dialOutside(
  { host, name, port }: OutsideTarget,
  addresses: readonly IpAddress[],
  first: Uint8Array | undefined,
): Promise<LocalTransport> {
  let last: unknown;
  for (const { text } of addresses) {
    try {
      const dialled = await dialTcp(text, port, { timeoutMs: DIAL_MS });
      const connection = new LocalTransport(dialled, `${name} at ${formatEndpoint(text, port)}`);
      if (first) await writeAll(connection, first);
      return connection;
    } catch (error) {
      last = error;
    }
  }
  const places = addresses.map(({ text }) => formatEndpoint(text, port)).join(", ");
  const code = last instanceof Error && "code" in last ? last.code : undefined;
  const [kind, saw] = code === "ECONNREFUSED"
    ? ["connection_refused", "refuses the connection"] as const
    : code === "ETIMEDOUT"
    ? ["connection_timeout", "doesn't answer"] as const
    : ["destination_ip_unroutable", "can't be reached from this machine"] as const;
  throw new ProxyTargetError(
    kind,
    `${host} leads to ${name} outside of the cluster, which ${saw}: ${places || "it has no address"}`,
    { cause: last },
  );
}
