import { parseAddress } from "./address.ts";

/** Tells this machine's own addresses from others, as they are now. */
export function ownAddresses(): (address: string) => boolean {
  const interfaces = new Set(
    Deno.networkInterfaces().map(({ address }) => parseAddress(address)?.text ?? address),
  );
  return (address) => address.startsWith("127.") || address === "::1" || interfaces.has(address);
}
