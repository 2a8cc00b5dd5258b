/** Whether a program of this machine listens where it is about to be dialled: by the kernel's list of sockets. */
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { type DiagSocket, SockDiag } from "../netlink/sock_diag.ts";
import { readTables, rowsOfPort } from "./socket_table.ts";

const LISTEN = 10; // net/tcp_states.h
/** Nobody's port, as the source of the datagram that is asked about. */
const SOME_PORT = 1;
/** Index of the device "lo" in each network namespace: connections to own addresses come by it. */
const LO = 1;

/** What decides whether a listening socket takes a connection to an address. */
export type ListeningSocket =
  & Pick<DiagSocket, "family" | "device" | "isOnlyIpv6">
  & { readonly local: { readonly address: IpAddress } };

/**
 * Whether a connection to one of this machine's own addresses finds a listening socket. Nothing is dialled: a program that
 * takes a single connection keeps it.
 * @throws when neither sock_diag nor /proc can be read
 */
export async function isListenedOn(address: string, port: number): Promise<boolean> {
  const to = parseAddress(address);
  return to !== undefined && (await listeners(port)).some((socket) => takes(socket, to));
}

/**
 * Whether datagrams to one of this machine's own addresses find a socket. Nothing is sent.
 * @throws when neither sock_diag nor /proc can be read
 */
export async function isReceivedOn(address: string, port: number): Promise<boolean> {
  const to = parseAddress(address);
  if (to === undefined) return false;
  try {
    using diag = new SockDiag();
    return diag.udpReceiver({ address: to, port }, { address: to, port: SOME_PORT }) !== undefined;
  } catch {
    return rowsOfPort(await readTables("udp"), port)
      .filter(({ remotePort }) => remotePort === 0)
      .some(({ local }) =>
        takes({ family: local.family, device: 0, isOnlyIpv6: false, local: { address: local } }, to)
      );
  }
}

/** Whether a socket that listens on the port takes connections to this address of the machine. */
export function takes({ family, device, isOnlyIpv6, local }: ListeningSocket, to: IpAddress): boolean {
  if (device !== 0 && device !== LO) return false;
  const { text } = local.address;
  if (text === "::") return to.family === 6 || (family === 6 && !isOnlyIpv6);
  return text === "0.0.0.0" ? to.family === 4 : text === to.text;
}

async function listeners(port: number): Promise<readonly ListeningSocket[]> {
  try {
    using diag = new SockDiag();
    return diag.listenersOn(port);
  } catch {
    const rows = rowsOfPort(await readTables("tcp"), port).filter(({ state }) => state === LISTEN);
    return rows.map(({ local }) => ({
      family: local.family,
      device: 0,
      isOnlyIpv6: false,
      local: { address: local },
    }));
  }
}
