/** SVCB and HTTPS records (RFC 9460), as far as the addresses in them go. */
import { addressOf, type IpAddress } from "../net/address.ts";
import { FormatError, readName } from "./domain_name.ts";
import { IN, type Resource, types } from "./message.ts";
import { addressIn } from "./resource.ts";

/** Keys of parameters that hold addresses, and the octets of one (RFC 9460 §7.3). */
const HINTS = new Map([[4, 4], [6, 16]]);

/**
 * The addresses that a client may take from a record: of A and AAAA, and the hints of SVCB and HTTPS.
 * @throws {FormatError} when the data of an SVCB or HTTPS record isn't valid
 */
export function addressesIn(resource: Resource): IpAddress[] {
  const { type, data } = resource;
  if (type !== types.HTTPS && type !== types.SVCB) return [addressIn(resource) ?? []].flat();
  if (resource.class !== IN) return [];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 2) throw new FormatError("a service binding has no priority");
  const addresses: IpAddress[] = [];
  for (let at = readName(data, 2).end; at < data.length;) {
    const start = at + 4;
    if (start > data.length) throw new FormatError("a service binding's parameter runs past its end");
    const end = start + view.getUint16(at + 2);
    if (end > data.length) throw new FormatError("a service binding's parameter runs past its end");
    const size = HINTS.get(view.getUint16(at));
    if (size !== undefined) {
      if ((end - start) % size !== 0) throw new FormatError("a service binding's addresses are cut");
      for (let i = start; i < end; i += size) addresses.push(addressFrom(data.subarray(i, i + size)));
    }
    at = end;
  }
  return addresses;
}

function addressFrom(bytes: Uint8Array): IpAddress {
  if (bytes.length === 16) return addressOf(bytes);
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff], 10);
  mapped.set(bytes, 12);
  return addressOf(mapped);
}
