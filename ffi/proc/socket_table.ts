/**
 * The kernel's tables of sockets, /proc/self/net/{tcp,udp}{,6} (Documentation/networking/proc_net_tcp.rst in the kernel's
 * sources): searched as text, since they may be long and one line of them is wanted.
 */
import { addressOf, type IpAddress, parseAddress } from "../../net/address.ts";

export type Protocol = "tcp" | "udp";

/** One end of a connection. */
export interface SocketEnd {
  readonly address: string;
  readonly port: number;
}

export interface SocketRow {
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** The kernel's number: 10 is a listening TCP socket. */
  readonly state: number;
  /** The owner, as this process's user namespace counts. */
  readonly uid: number;
  readonly inode: number;
}

/**
 * Both tables of a protocol, IPv4's and IPv6's; a kernel without IPv6 has an empty second one.
 * @throws {Deno.errors.NotFound} when there is no /proc.
 */
export async function readTables(protocol: Protocol, folder = "/proc/self/net"): Promise<readonly string[]> {
  const second = Deno.readTextFile(`${folder}/${protocol}6`).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  return await Promise.all([Deno.readTextFile(`${folder}/${protocol}`), second]);
}

/** The rows whose own port is `port`, of any address. */
export function rowsOfPort(tables: readonly string[], port: number): SocketRow[] {
  const needle = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  const rows: SocketRow[] = [];
  for (const table of tables) {
    for (let at = table.indexOf(needle); at >= 0; at = table.indexOf(needle, at + 1)) {
      const start = table.lastIndexOf("\n", at) + 1;
      const end = table.indexOf("\n", at);
      const fields = table.slice(start, end < 0 ? undefined : end).trim().split(/\s+/);
      // The port may have been found as the peer's.
      const row = fields[1]?.endsWith(needle.trimEnd()) && parseRow(fields);
      if (row && table.indexOf(needle, start) === at) rows.push(row);
    }
  }
  return rows;
}

/** "sl local remote state queues timer retransmits uid timeout inode ...". */
function parseRow(fields: readonly string[]): SocketRow | undefined {
  const [local, remote] = [parseEnd(fields[1]), parseEnd(fields[2])];
  const [state, uid, inode] = [parseInt(fields[3] ?? "", 16), Number(fields[7]), Number(fields[9])];
  if (!local || !remote || ![state, uid, inode].every(Number.isSafeInteger)) return undefined;
  return { local: local.address, remote: remote.address, remotePort: remote.port, state, uid, inode };
}

/** "0100007F:8B77": words of 32 bits in the machine's order, little-endian on all that pmz is built for. */
function parseEnd(text: string | undefined): { address: IpAddress; port: number } | undefined {
  const match = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text ?? "");
  const hex = match?.[1];
  if (!hex) return undefined;
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8) {
    for (let i = 6; i >= 0; i -= 2) bytes.push(parseInt(hex.slice(word + i, word + i + 2), 16));
  }
  const address = bytes.length === 4 ? parseAddress(bytes.join(".")) : addressOf(Uint8Array.from(bytes));
  return address && { address, port: parseInt(match?.[2] ?? "", 16) };
}
