import { parseAddress } from "./address.ts";
import { ownInterfaces } from "./own_interfaces.ts";

/** Tells this machine's own addresses from others, as they are now. */
export function ownAddresses(): (address: string) => boolean {
  const interfaces = new Set(
    ownInterfaces().map(({ address }) => parseAddress(address)?.text ?? address),
  );
  return (address) => address.startsWith("127.") || address === "::1" || interfaces.has(address);
}
