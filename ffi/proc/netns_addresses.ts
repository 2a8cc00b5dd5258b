import { isGone, readProcFile } from "./proc_file.ts";
import { parseAddress } from "../../net/address.ts";

/**
 * The addresses of a process's network namespace, loopback apart, in canonical text.
 * @param net Its /proc/PID/net.
 * @throws when the process is gone.
 */
export function addressesOf(net: string): string[] {
  const four = addressesOfTrie(readProcFile(`${net}/fib_trie`));
  let six: string[] = [];
  try {
    six = addressesOfInet6(readProcFile(`${net}/if_inet6`));
  } catch (error) {
    if (!isGone(error)) throw error; // a kernel without IPv6
  }
  return [...four, ...six];
}

/** IPv4 addresses in fib_trie: the leaves that are "/32 host LOCAL". */
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

/** IPv6 addresses in if_inet6: each 32 hex digits at a line's beginning. */
export function addressesOfInet6(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const hex = /^([0-9a-f]{32}) /.exec(line)?.[1];
    const address = hex && parseAddress((hex.match(/.{4}/g) ?? []).join(":"))?.text;
    return address && address !== "::1" ? [address] : [];
  });
}
