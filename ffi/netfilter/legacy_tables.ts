/**
 * The tables of iptables-legacy (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h), as the kernel gives them: one
 * piece of memory for all chains of a table, in which a jump is an offset.
 */
import type { Action, Chains, Condition, Rule } from "./chains.ts";
import { MARK_MATCH, xtMatch, xtTarget } from "./xt_extensions.ts";

/** Offsets in struct ipt_entry and struct ip6t_entry. */
interface Layout {
  /** The name of the device that packets come by, and where its mask is. */
  readonly device: number;
  readonly deviceMask: number;
  readonly protocol: number;
  readonly inversions: number;
  readonly targetOffset: number;
  /** Of the first match. */
  readonly matches: number;
  /** Addresses and their masks: whatever is set there is a condition. */
  readonly addresses: number;
}

const layouts: Readonly<Record<4 | 6, Layout>> = {
  4: {
    addresses: 16,
    device: 16,
    deviceMask: 48,
    protocol: 80,
    inversions: 83,
    targetOffset: 88,
    matches: 112,
  },
  6: {
    addresses: 64,
    device: 64,
    deviceMask: 96,
    protocol: 128,
    inversions: 132,
    targetOffset: 140,
    matches: 168,
  },
};

const TCP = 6;
const INV_VIA_IN = 0x01;
const INV_PROTO = 0x40;
/** Of struct xt_entry_match and xt_entry_target: a size, a name, a revision. */
const EXTENSION = 32;
const XT_RETURN = -5;
const MOST_ENTRIES = 20_000;

/** The chain that a hook begins with, of the names that `legacyChains` gives. */
export const chainAt = (offset: number): string => String(offset);

/**
 * The rules of a table. A chain is named by the offset of its first rule, and goes up to the next unconditional end.
 * @throws {RangeError} when it isn't one
 */
export function legacyChains(family: 4 | 6, bytes: Uint8Array, starts: readonly number[]): Chains {
  const chains = new Map<string, Rule[]>();
  const pending = [...starts];
  for (let start = pending.pop(); start !== undefined; start = pending.pop()) {
    const name = chainAt(start);
    if (chains.has(name)) continue;
    const rules: Rule[] = [];
    chains.set(name, rules);
    for (let at = start; at < bytes.length && rules.length < MOST_ENTRIES;) {
      const { rule, next, isLast } = entryAt(family, bytes, at);
      rules.push(rule);
      if (rule.action.kind === "jump") pending.push(Number(rule.action.chain));
      if (isLast) break;
      at = next;
    }
  }
  return chains;
}

function entryAt(family: 4 | 6, bytes: Uint8Array, at: number) {
  const layout = layouts[family];
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.byteLength - at);
  const targetAt = view.getUint16(layout.targetOffset, true);
  const length = view.getUint16(layout.targetOffset + 2, true);
  if (length < layout.matches || targetAt > length) throw new RangeError("an entry of iptables is cut");
  const entry = bytes.subarray(at, at + length);
  const matches = matchesOf(entry, layout, targetAt);
  const conditions = [...ofHead(entry, layout), ...matches.flatMap(({ condition }) => condition ?? [])];
  const asksMark = matches.some(({ name }) => name === MARK_MATCH);
  const { size, name, revision, info } = extension(entry, targetAt);
  if (size === 0) throw new RangeError("an entry of iptables has no target");
  const action = name === "" ? verdict(info) : xtTarget(name, revision, info);
  const isLast = name === "ERROR" ||
    conditions.length === 0 && (action.kind === "end" || action.kind === "return");
  return { rule: { conditions, action, asksMark } satisfies Rule, next: at + length, isLast };
}

function ofHead(entry: Uint8Array, layout: Layout): Condition[] {
  const found: Condition[] = [];
  const inversions = entry[layout.inversions] ?? 0;
  if (entry.subarray(0, layout.addresses).some((byte) => byte !== 0)) found.push(() => "maybe");
  if ((entry[layout.deviceMask] ?? 0) !== 0) {
    const device = text(entry.subarray(layout.device, layout.device + 16));
    const isInverted = (inversions & INV_VIA_IN) !== 0;
    found.push(() => device !== "lo" ? "maybe" : isInverted ? "yes" : "no");
  }
  const protocol = entry[layout.protocol] ?? 0;
  const isOther = protocol !== 0 && (protocol === TCP) === ((inversions & INV_PROTO) !== 0);
  if (isOther) found.push(() => "no");
  return found;
}

function matchesOf(entry: Uint8Array, layout: Layout, end: number) {
  const found: { readonly name: string; readonly condition: Condition | undefined }[] = [];
  for (let at = layout.matches; at + EXTENSION <= end;) {
    const { size, name, revision, info } = extension(entry, at);
    if (size < EXTENSION) break;
    found.push({ name, condition: xtMatch(name, revision, info) });
    at += size;
  }
  return found;
}

function extension(entry: Uint8Array, at: number) {
  const size = (entry[at] ?? 0) | (entry[at + 1] ?? 0) << 8;
  return {
    size,
    name: text(entry.subarray(at + 2, at + 31)),
    revision: entry[at + 31] ?? 0,
    info: entry.slice(at + EXTENSION, at + size),
  };
}

/** The standard target: an offset to jump to, or a verdict. */
function verdict(info: Uint8Array): Action {
  const code = new DataView(info.buffer, info.byteOffset).getInt32(0, true);
  if (code >= 0) return { kind: "jump", chain: chainAt(code) };
  return { kind: code === XT_RETURN ? "return" : "end" };
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
