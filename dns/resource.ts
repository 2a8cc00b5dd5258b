/** Resource records that pmz writes. TTL and negative TTL are 1 s, since addresses change with the cluster. */
import { addressOf, type IpAddress, parseAddress } from "../net/address.ts";
import { nameBytes } from "./domain_name.ts";
import { IN, type Resource, types } from "./message.ts";

const TTL = 1;

/** An A or AAAA record, by the address's family. */
export function addressResource(name: string, address: IpAddress): Resource {
  return address.family === 4
    ? { name, type: types.A, class: IN, ttl: TTL, data: address.bytes.slice(12) }
    : { name, type: types.AAAA, class: IN, ttl: TTL, data: address.bytes.slice() };
}

/** The address in an A or AAAA record; undefined for other records, and for data of the wrong length. */
export function addressIn(resource: Resource): IpAddress | undefined {
  const { type, data } = resource;
  if (resource.class !== IN) return undefined;
  if (type === types.AAAA && data.length === 16) return addressOf(data);
  if (type !== types.A || data.length !== 4) return undefined;
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff], 10);
  mapped.set(data, 12);
  return addressOf(mapped);
}

/** @throws {FormatError} when `target` isn't a valid name */
export function aliasResource(name: string, target: string): Resource {
  return { name, type: types.CNAME, class: IN, ttl: TTL, data: nameBytes(target) };
}

/** @throws {FormatError} when `target` isn't a valid name */
export function pointerResource(name: string, target: string): Resource {
  return { name, type: types.PTR, class: IN, ttl: TTL, data: nameBytes(target) };
}

/** SRV (RFC 2782). @throws {FormatError} when `target` isn't a valid name */
export function serviceResource(name: string, port: number, weight: number, target: string): Resource {
  const rest = nameBytes(target);
  const data = new Uint8Array(6 + rest.length);
  const view = new DataView(data.buffer);
  view.setUint16(2, weight);
  view.setUint16(4, port);
  data.set(rest, 6);
  return { name, type: types.SRV, class: IN, ttl: TTL, data };
}

/** TXT with one string of 255 octets at most (RFC 1035 §3.3.14). */
export function textResource(name: string, text: string): Resource {
  const bytes = new TextEncoder().encode(text).subarray(0, 255);
  return { name, type: types.TXT, class: IN, ttl: TTL, data: Uint8Array.of(bytes.length, ...bytes) };
}

/** The SOA of a negative answer, by which it is cached for one second (RFC 2308 §5). */
export function negativeResource(zone: string): Resource {
  const [primary, person] = [nameBytes("dns.pmz.invalid"), nameBytes("hostmaster.pmz.invalid")];
  const data = new Uint8Array(primary.length + person.length + 20);
  data.set(primary);
  data.set(person, primary.length);
  const view = new DataView(data.buffer, primary.length + person.length);
  // Serial, refresh, retry, expire, minimum: resolvers use the last one only.
  [1, 60, 60, 60, 1].forEach((value, i) => view.setUint32(4 * i, value));
  return { name: zone, type: types.SOA, class: IN, ttl: TTL, data };
}

/**
 * The address of a name under in-addr.arpa (RFC 1035 §3.5) or ip6.arpa (RFC 3596 §2.5).
 * @param labels of the name, in lower case
 */
export function reversedAddress(labels: readonly string[]): IpAddress | undefined {
  const kind = labels.slice(-2).join(".");
  const parts = labels.slice(0, -2).reverse();
  if (kind === "in-addr.arpa") {
    const address = parseAddress(parts.join("."));
    return address?.family === 4 ? address : undefined;
  }
  if (kind !== "ip6.arpa" || parts.length !== 32 || !parts.every((part) => /^[0-9a-f]$/.test(part))) {
    return undefined;
  }
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = parseInt(`${parts[2 * i]}${parts[2 * i + 1]}`, 16);
  return addressOf(bytes);
}
