/**
 * Matches and targets of iptables (linux/netfilter/x_tables.h, xt_tcpudp.h, xt_multiport.h, nf_nat.h, xt_TPROXY.h): those that
 * decide where a connection goes. iptables-legacy has them in its tables, iptables-nft in the expressions of nftables.
 */
import type { Action, Applies, Condition } from "./chains.ts";

const NF_NAT_RANGE_MAP_IPS = 1;
const NF_NAT_RANGE_PROTO_SPECIFIED = 2;
const XT_TCP_INV_DSTPT = 2;
/** The match that is about a packet's mark. */
export const MARK_MATCH = "mark";

/** A match of iptables, with what it was told; undefined for one without effect here. */
export function xtMatch(name: string, revision: number, info: Uint8Array): Condition | undefined {
  if (name === "tcp" && info.length >= 12) return tcp(info);
  if (name === "multiport" && revision === 1 && info.length >= 48) return multiport(info);
  if (name === "comment") return undefined;
  return () => "maybe";
}

/** A target of iptables, with what it was told; iptables-legacy's verdicts apart. */
export function xtTarget(name: string, revision: number, info: Uint8Array): Action {
  const view = new DataView(info.buffer, info.byteOffset, info.byteLength);
  const to = (how: "REDIRECT" | "DNAT" | "TPROXY", at: number, isElsewhere = false): Action => ({
    kind: "redirect",
    redirect: { how, port: info.length < at + 2 ? 0 : view.getUint16(at), isElsewhere },
  });
  if ((name === "REDIRECT" || name === "DNAT") && info.length >= 20) {
    // struct nf_nat_ipv4_multi_range_compat, and struct nf_nat_range(2) for IPv6 and for DNAT's second revision
    const isCompat = info.length < 40;
    const flags = view.getUint32(isCompat ? 4 : 0, true);
    const address = isCompat ? info.subarray(8, 12) : info.subarray(4, 20);
    const isElsewhere = (flags & NF_NAT_RANGE_MAP_IPS) !== 0 && !isLoopback(address);
    const port = flags & NF_NAT_RANGE_PROTO_SPECIFIED ? isCompat ? 16 : 36 : Infinity;
    return to(name, port, name === "DNAT" && isElsewhere);
  }
  if (name === "TPROXY") return to("TPROXY", revision === 0 ? 12 : 24);
  return { kind: "none" };
}

/** Whether an address leads to the network namespace itself: 127/8, ::1; IPv4 may have zeros behind it. */
export function isLoopback(address: Uint8Array): boolean {
  return address[0] === 127 || address.length === 16 && address.every((byte, i) => byte === Number(i === 15));
}

/** struct xt_tcp: source ports, destination ports, option, two bytes of flags, inversions. */
function tcp(info: Uint8Array): Condition {
  const ports = new Uint16Array(info.slice(0, 8).buffer);
  const [, , from = 0, to = 65_535] = ports;
  const isInverted = ((info[11] ?? 0) & XT_TCP_INV_DSTPT) !== 0;
  const hasOthers = ports[0] !== 0 || ports[1] !== 65_535 || info[8] !== 0 || info[9] !== 0;
  return (port) => {
    if ((port >= from && port <= to) === isInverted) return "no";
    return hasOthers ? "maybe" : "yes";
  };
}

/** struct xt_multiport_v1: which end, how many, 15 ports, 15 marks of a range's first, inversion. */
function multiport(info: Uint8Array): Condition {
  const [which = 0, count = 0] = info;
  const ports = new Uint16Array(info.slice(2, 32).buffer);
  const isInverted = info[47] !== 0;
  if (which === 0) return () => "maybe"; // source ports
  return (port): Applies => {
    let found = false;
    for (let i = 0; i < Math.min(count, 15); i++) {
      const from = ports[i] ?? 0;
      const to = info[32 + i] ? ports[++i] ?? from : from;
      found ||= port >= from && port <= to;
    }
    if (which === 2 && !found) return "maybe"; // or the source port
    return found === isInverted ? "no" : "yes";
  };
}
