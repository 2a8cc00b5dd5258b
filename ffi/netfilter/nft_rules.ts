/**
 * Rules of nftables (linux/netfilter/nf_tables.h) as nfnetlink gives them: each is a sequence of expressions that load something into
 * a register, compare a register, or decide.
 */
import { attributesOf } from "../netlink/netlink.ts";
import type { Action, Applies, Condition, Rule } from "./chains.ts";
import { isLoopback, MARK_MATCH, xtMatch, xtTarget } from "./xt_extensions.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a register holds: something of the packet, or a value of the rule's own. */
type Held =
  | { readonly kind: "port" | "protocol" | "device" }
  | { readonly kind: "value"; readonly value: Bytes }
  | undefined;

const TCP = 6;
const VERDICT_REGISTER = 0;
const TRANSPORT = 2; // NFT_PAYLOAD_TRANSPORT_HEADER
const META_L4PROTO = 16;
const META_MARK = 3;
const META_IIFNAME = 6;
const verdicts = { jump: -3, goto: -4, return: -5 } as const;
const operators: readonly ((order: number) => boolean)[] = [
  (order) => order === 0,
  (order) => order !== 0,
  (order) => order < 0,
  (order) => order <= 0,
  (order) => order > 0,
  (order) => order >= 0,
];

/** Expressions that say nothing about where a packet goes. */
const NEUTRAL = new Set(["counter", "log", "notrack", "last", "quota", "masq"]);

/** A rule by its expressions (NFTA_RULE_EXPRESSIONS). */
export function nftRule(expressions: Bytes): Rule {
  const conditions: Condition[] = [];
  const registers = new Map<number, Held>();
  let action: Action = { kind: "none" };
  let asksMark = false;
  for (const element of elements(expressions)) {
    const expression = attributesOf(element, 0);
    const name = text(expression.get(1));
    const data = attributesOf(expression.get(2) ?? new Uint8Array(0), 0);
    switch (name) {
      case "payload":
        registers.set(number(data.get(1)), payload(data));
        break;
      case "meta":
        if (!data.has(1)) break; // it is set
        asksMark ||= number(data.get(2)) === META_MARK;
        registers.set(number(data.get(1)), meta(number(data.get(2))));
        break;
      case "cmp": {
        const value = attributesOf(data.get(3) ?? new Uint8Array(0), 0).get(1);
        conditions.push(compared(registers.get(number(data.get(1))), number(data.get(2)), value));
        break;
      }
      case "range":
        conditions.push(ranged(registers.get(number(data.get(1))), data));
        break;
      case "immediate": {
        const given = attributesOf(data.get(2) ?? new Uint8Array(0), 0);
        const register = number(data.get(1));
        const value = given.get(1);
        if (register === VERDICT_REGISTER) {
          if (action.kind !== "redirect") action = verdict(given.get(2)); // `tproxy` goes before `accept`
        } else registers.set(register, value && { kind: "value", value });
        break;
      }
      case "match": {
        const match = text(data.get(1));
        asksMark ||= match === MARK_MATCH;
        const condition = xtMatch(match, number(data.get(2)), data.get(3) ?? new Uint8Array(0));
        if (condition) conditions.push(condition);
        break;
      }
      case "target":
        action = xtTarget(text(data.get(1)), number(data.get(2)), data.get(3) ?? new Uint8Array(0));
        break;
      case "redir":
        action = to("REDIRECT", registers, { port: data.get(1) });
        break;
      case "nat":
        action = number(data.get(1)) === 1
          ? to("DNAT", registers, { address: data.get(3), port: data.get(5) })
          : { kind: "end" };
        break;
      case "tproxy":
        action = to("TPROXY", registers, { port: data.get(3) });
        break;
      default:
        if (!NEUTRAL.has(name)) conditions.push(() => "maybe");
    }
  }
  return { conditions, action, asksMark };
}

/** The elements of a list (NFTA_LIST_ELEM). */
function* elements(list: Bytes): Generator<Bytes> {
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
  for (let at = 0; at + 4 <= list.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > list.length) return;
    yield list.subarray(at + 4, at + length);
    at += (length + 3) & ~3;
  }
}

function payload(data: ReadonlyMap<number, Bytes>): Held {
  const [base, offset, length] = [number(data.get(2)), number(data.get(3)), number(data.get(4))];
  return base === TRANSPORT && offset === 2 && length === 2 ? { kind: "port" } : undefined;
}

function meta(key: number): Held {
  if (key === META_L4PROTO) return { kind: "protocol" };
  return key === META_IIFNAME ? { kind: "device" } : undefined;
}

function compared(held: Held, operator: number, value: Bytes | undefined): Condition {
  const holds = operators[operator];
  if (!held || !value || !holds) return () => "maybe";
  const match = (order: number): Applies => holds(order) ? "yes" : "no";
  if (held.kind === "port" && value.length === 2) {
    const wanted = number16(value);
    return (port) => match(port - wanted);
  }
  if (held.kind === "protocol" && value.length === 1) return () => match(TCP - (value[0] ?? 0));
  if (held.kind === "device" && text(value) === "lo") return () => match(1); // packets from outside come by another one
  return () => "maybe";
}

function ranged(held: Held, data: ReadonlyMap<number, Bytes>): Condition {
  const [from, to] = [3, 4].map((type) => attributesOf(data.get(type) ?? new Uint8Array(0), 0).get(1));
  if (held?.kind !== "port" || from?.length !== 2 || to?.length !== 2) return () => "maybe";
  const [low, high, isOutside] = [number16(from), number16(to), number(data.get(2)) === 1];
  return (port) => (port >= low && port <= high) === isOutside ? "no" : "yes";
}

function verdict(of: Bytes | undefined): Action {
  const data = attributesOf(of ?? new Uint8Array(0), 0);
  const code = number(data.get(1)) | 0;
  if (code === verdicts.jump) return { kind: "jump", chain: text(data.get(2)) };
  if (code === verdicts.goto) return { kind: "goto", chain: text(data.get(2)) };
  if (code === verdicts.return) return { kind: "return" };
  return { kind: code >= 0 ? "end" : "none" };
}

function to(
  how: "REDIRECT" | "DNAT" | "TPROXY",
  registers: ReadonlyMap<number, Held>,
  where: { readonly address?: Bytes | undefined; readonly port: Bytes | undefined },
): Action {
  const valueOf = (register: Bytes | undefined) => {
    const held = register && registers.get(number(register));
    return held?.kind === "value" ? held.value : undefined;
  };
  const [address, port] = [valueOf(where.address), valueOf(where.port)];
  const isElsewhere = address !== undefined && !isLoopback(address);
  return {
    kind: "redirect",
    redirect: { how, port: port && port.length >= 2 ? number16(port) : 0, isElsewhere },
  };
}

/** A number of nfnetlink: 32 bits in network order. 0 when it isn't there. */
export function number(bytes: Bytes | undefined): number {
  if (!bytes || bytes.length < 4) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

function number16(bytes: Bytes): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(0);
}

/** A name, without what follows its first zero byte. "" when it isn't there. */
export function text(bytes: Bytes | undefined): string {
  const end = bytes?.indexOf(0) ?? -1;
  return bytes ? new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)) : "";
}
