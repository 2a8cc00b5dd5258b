import { isReceivedOn } from "../../ffi/proc/listening_sockets.ts";
import { formatEndpoint, type IpAddress, parseAddress } from "../../net/address.ts";
import { hostAddresses } from "../../net/host_addresses.ts";
import { ownAddresses } from "../../net/own_addresses.ts";
import { LocalRefusal } from "../local_target.ts";

/** How the program is found; the machine's own when absent. */
export interface FindParts {
  readonly addresses?: (host: string) => Promise<readonly string[]>;
  readonly isOwn?: (address: string) => boolean;
  readonly isReceivedOn?: (address: string, port: number) => Promise<boolean>;
}

/**
 * The address at which a program gets datagrams: of this machine's own addresses the first one that has a socket for them, so that
 * a program that isn't there is known before anything is sent; of another machine or a container its first one.
 * @throws {LocalRefusal}
 */
export async function findUdpProgram(
  host: string,
  port: number,
  { addresses = hostAddresses, isOwn = ownAddresses(), isReceivedOn: receives = isReceivedOn }: FindParts =
    {},
): Promise<IpAddress> {
  const where = `${formatEndpoint(host, port)} on the laptop`;
  let found: readonly string[];
  try {
    found = await addresses(host);
  } catch (error) {
    throw new LocalRefusal(
      "destination_ip_unroutable",
      `${where}: ${error instanceof Error ? error.message : error}`,
    );
  }
  for (const text of found) {
    const address = parseAddress(text);
    if (address === undefined) continue;
    if (!isOwn(address.text) || await receives(address.text, port).catch(() => true)) return address;
  }
  throw new LocalRefusal("connection_refused", `no program gets datagrams at ${where}`);
}
