/**
 * The numbers of this process's own sockets. Deno doesn't tell them, and the helper is given duplicates of the stand-ins
 * (SCM_RIGHTS), so they are looked up: address and port -> inode (/proc/self/net) -> number (/proc/self/fd).
 */
import { parseAddress } from "../../wire/address.ts";
import { LISTENING, type Protocol, readTables, rowsOfPort, type SocketEnd } from "../peer/socket_table.ts";

/** An own socket that could not be found. */
export class NoDescriptor extends Error {
  override name = "NoDescriptor";
}

/**
 * The file descriptor of this process's UDP socket, or listening TCP socket, that is bound to `end`.
 * @throws {NoDescriptor} when this process has none.
 */
export async function descriptorOf(protocol: Protocol, end: SocketEnd): Promise<number> {
  const address = parseAddress(end.address)?.text;
  const inodes = rowsOfPort(await readTables(protocol), end.port)
    .filter((row) => row.local.text === address && row.remotePort === 0)
    .filter((row) => protocol === "udp" || row.state === LISTENING)
    .map((row) => `socket:[${row.inode}]`);
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    if (inodes.includes(targetOf(name))) return Number(name);
  }
  throw new NoDescriptor(`no ${protocol} socket of this process is bound to ${end.address} port ${end.port}`);
}

/** Descriptors come and go while they are listed. */
function targetOf(descriptor: string): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}
