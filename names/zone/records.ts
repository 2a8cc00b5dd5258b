/** The records of a name that pmz owns, as the cluster's own DNS gives them. */
import type { IpAddress } from "../../net/address.ts";
import { isName } from "../../dns/domain_name.ts";
import { type Resource, types } from "../../dns/message.ts";
import { addressResource, negativeResource, serviceResource } from "../../dns/resource.ts";
import type { Place } from "./service_part.ts";

/** An answer to a question for a name of pmz. */
export interface Answer {
  /** The name doesn't exist, and pmz knows that. */
  readonly isAbsent?: true;
  /** Empty when the name exists without a record of this type; then `authorities` has the SOA that says for how long. */
  readonly answers: readonly Resource[];
  readonly authorities: readonly Resource[];
  readonly additionals: readonly Resource[];
  /** The name outside the cluster to which the last answer, a CNAME, leads; the laptop's own nameserver resolves it. */
  readonly outside?: string;
}

/** Records of one answer; a headless Service may have more endpoints than fit into a message. */
const MOST_ANSWERS = 1_000;

export function found(name: string, answers: readonly Resource[]): Answer {
  return { answers, authorities: answers.length > 0 ? [] : [negativeResource(name)], additionals: [] };
}

export function absent(name: string): Answer {
  return { ...found(name, []), isAbsent: true };
}

/** A and AAAA records, each address once. */
export function addressRecords(name: string, type: number, addresses: readonly IpAddress[]): Resource[] {
  const records = new Map<string, Resource>();
  for (const address of addresses) {
    if (records.size === MOST_ANSWERS) break;
    if (type !== (address.family === 4 ? types.A : types.AAAA)) continue;
    records.set(address.text, addressResource(name, address));
  }
  return [...records.values()];
}

/**
 * SRV records (RFC 2782), and the addresses of their targets as additional ones. CoreDNS divides the weight among all addresses
 * and ports, before it leaves out what would be there twice.
 * @param full the Service's full name, which the targets end with
 */
export function serviceRecords(name: string, full: string, places: readonly Place[]): Answer {
  const weight = Math.max(1, Math.floor(100 / Math.max(1, places.length)));
  const answers = new Map<string, Resource>();
  const additionals = new Map<string, Resource>();
  for (const { address, port, endpoint } of places) {
    if (port === undefined || answers.size === MOST_ANSWERS) continue;
    const target = endpoint === undefined ? full : `${endpoint}.${full}`;
    if (!isName(target)) continue;
    answers.set(`${port} ${target}`, serviceResource(name, port, weight, target));
    additionals.set(`${address.text} ${target}`, addressResource(target, address));
  }
  return { ...found(name, [...answers.values()]), additionals: [...additionals.values()] };
}
