/**
 * The addresses of a network namespace, from its /proc/PID/net: for the host's, which pods see as the source of the
 * kubelet's probes and of NodePort traffic alike.
 */

/** IPv4 addresses in /proc/PID/net/fib_trie: the leaves that are "/32 host LOCAL", loopback apart. */
export function addressesOfTrie(text: string): string[] {
  const found = new Set<string>();
  let leaf = "";
  for (const line of text.split("\n")) {
    const address = /^\s*\|-- ([0-9.]+)$/.exec(line)?.[1];
    if (address) leaf = address;
    else if (/^\s*\/32 host LOCAL$/.test(line) && leaf && !leaf.startsWith("127.")) found.add(leaf);
  }
  return [...found];
}

/** IPv6 addresses in /proc/PID/net/if_inet6, loopback apart; each as 32 hex digits at a line's beginning. */
export function addressesOfInet6(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const hex = /^([0-9a-f]{32}) /.exec(line)?.[1];
    if (!hex || /^0{31}1$/.test(hex)) return [];
    return [(hex.match(/.{4}/g) ?? []).join(":")];
  });
}
