/** What an IPv4 address of a pmz device is called that the daemon's UDP sockets send from: it is the cluster's, and nothing leads there by it. */
export const senderLabel = (device: string): string => `${device}:udp`;

/** The addresses of this machine's interfaces, as they are now, without those that are the cluster's. */
export function ownInterfaces(): Deno.NetworkInterfaceInfo[] {
  return Deno.networkInterfaces().filter(({ name }) => !/^[^:]+:udp$/.test(name));
}
