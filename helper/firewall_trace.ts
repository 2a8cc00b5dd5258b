import { sleep } from "../async/sleep.ts";
import type { Endpoint, IpAddress } from "../net/address.ts";
import type { BlockingRule } from "../wire/helper.ts";
import { findProgram, programPath } from "./programs.ts";

/** How long packets are traced, in milliseconds: the daemon dials meanwhile. */
const TRACE_MS = 1_500;
/** nft has this long for one script, in milliseconds: the daemon's other requests wait. */
const NFT_MS = 3_000;
/** The monitor ends at once, unless its shell was killed; then it is left to itself after this, in milliseconds. */
const END_MS = 1_000;
/** Packets that are traced a second: a few of them tell all. */
const MOST_PACKETS = 20;
/** Before all that other programs do in these hooks (NF_IP_PRI_RAW is -300), and after it. */
const FIRST = -400;
const LAST = 400;
/** Characters of a rule that are told. */
const LONGEST_RULE = 300;
/** Characters of nftables' trace that are read: other programs may have more packets traced meanwhile. */
const LONGEST_TRACE = 1 << 20;

/** The nftables table of a user's traces; the janitor deletes it, should the helper be killed meanwhile. */
export const traceTable = (table: number): string => `pmz_trace_${table}`;

/**
 * Finds the rule of this machine's firewall that drops what the user sends to a captured address, or the answer, or that leads it
 * elsewhere: by nftables' own trace of these packets, which iptables-nft's rules are in, too. Somebody has to dial meanwhile.
 * @param own pmz's address, the source of captured connections
 * @returns undefined when nothing is dropped, or not by nftables, or `nft` isn't installed
 */
export async function traceDrop(
  table: number,
  own: IpAddress,
  to: Endpoint,
): Promise<BlockingRule | undefined> {
  const nft = findProgram("nft");
  if (nft === undefined) return undefined;
  const monitor = startMonitor(nft);
  const ending = new AbortController();
  const text = readText(monitor.stdout, ending.signal);
  try {
    await run(nft, rulesFor(traceTable(table), own, to));
    await sleep(TRACE_MS);
  } finally {
    await run(nft, `delete table inet ${traceTable(table)}`)
      .finally(() => monitor.stdin.close().catch(() => {}));
  }
  const late = setTimeout(() => ending.abort(), END_MS);
  return parseTrace(await text.finally(() => clearTimeout(late)), traceTable(table));
}

/** Starts nftables' monitor, which ends with the pipe from this process: also when the helper is killed, whose locks it holds too. */
function startMonitor(nft: string) {
  return new Deno.Command(programPath("sh"), {
    args: ["-c", `${nft} monitor trace & while read -r line; do :; done; kill $!`],
    clearEnv: true,
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

/** What is written until the end, the limit, or the signal. */
async function readText(from: ReadableStream<Uint8Array<ArrayBuffer>>, signal: AbortSignal): Promise<string> {
  let text = "";
  try {
    for await (const part of from.pipeThrough(new TextDecoderStream(), { signal })) {
      text += part;
      if (text.length > LONGEST_TRACE) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return text;
}

function rulesFor(table: string, own: IpAddress, { address, port }: Endpoint): string {
  const ip = address.family === 4 ? "ip" : "ip6";
  const trace = `limit rate ${MOST_PACKETS}/second meta nftrace set 1`;
  const rules = [
    `${ip} saddr ${own.text} ${ip} daddr ${address.text} tcp dport ${port} ${trace}`,
    `${ip} saddr ${address.text} ${ip} daddr ${own.text} tcp sport ${port} ${trace}`,
  ];
  const chains = ["output", "prerouting"].map((hook) =>
    [`chain ${hook} {`, `type filter hook ${hook} priority ${FIRST}`, ...rules, "}"].join("\n")
  );
  // Without rules: the monitor tells a traced packet's destination in each chain.
  const last = `chain postrouting {\ntype filter hook postrouting priority ${LAST}\n}`;
  return `table inet ${table} {\n${chains.join("\n")}\n${last}\n}`;
}

/** @throws nothing: a table that can't be made traces nothing */
async function run(nft: string, script: string): Promise<void> {
  const child = new Deno.Command(nft, {
    args: ["-f", "-"],
    signal: AbortSignal.timeout(NFT_MS),
    clearEnv: true,
    cwd: "/",
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(script)).then(() => input.close(), () => {});
  await child.status;
}

/** Where a packet is from and for. */
interface Ends {
  /** "198.18.255.254" */
  readonly from: string;
  /** "10.96.0.7:80" */
  readonly to: string;
}

/** What is known of a packet so far. */
interface TracedPacket {
  /** By one of pmz's rules: the monitor also tells of packets that others have traced. */
  isOurs: boolean;
  /** As its first chain sees it. */
  readonly ends: Ends | undefined;
  /** The rule of a NAT that took it. */
  nat?: Pick<BlockingRule, "chain" | "rule">;
  /** Where that leads it, or from where it seems to come since. */
  changed?: Pick<BlockingRule, "leadsTo" | "seemsFrom">;
  /** The rule that handed it to a program; undefined once it has come back. */
  queued?: BlockingRule | undefined;
}

/** NAT that changes a packet's destination, as `nft` writes it, and any NAT. */
const DESTINATION_NAT = /\b(?:dnat|redirect|redir)\b/i;
const NAT = /\b(?:dnat|redirect|redir|snat|masquerade)\b/i;
/** A rule that `nft` doesn't show. */
const HIDDEN = { chain: "nat", rule: "one that nft doesn't list (see: sudo iptables-legacy -t nat -S)" };

/**
 * The first rule, or policy of a chain, that dropped a packet which the rules of `table` have traced, or that led it elsewhere; else
 * one that gave it another source, by which pmz doesn't know it, or that handed it to a program which hasn't given it back.
 */
export function parseTrace(text: string, table: string): BlockingRule | undefined {
  const packets = new Map<string, TracedPacket>();
  for (const line of text.split("\n")) {
    const [, id, place = "", what = ""] = /^trace id (\S+) (\S+ \S+) (.*)$/.exec(line) ?? [];
    if (id === undefined) continue;
    const ends = endsIn(what);
    const packet: TracedPacket = packets.get(id) ?? { isOurs: false, ends };
    packets.set(id, packet);
    if (place === `inet ${table}` && / rule /.test(what)) packet.isOurs = true;
    if (!packet.isOurs) continue;
    packet.queued = undefined;
    if (ends && packet.ends) {
      if (ends.to !== packet.ends.to) return { ...packet.nat ?? HIDDEN, leadsTo: ends.to };
      if (ends.from !== packet.ends.from) packet.changed = { seemsFrom: ends.from };
    }
    const [, chain, taken, verdict] =
      /^trace id \S+ (\S+ \S+ \S+) rule (.+) \(verdict (drop|accept|queue)\)\s*$/.exec(line) ??
        /^trace id \S+ (\S+ \S+ \S+) (policy (drop)) ?\s*$/.exec(line) ?? [];
    if (chain === undefined || taken === undefined) continue;
    const rule = taken.replace(/counter packets \d+ bytes \d+ /, "").slice(0, LONGEST_RULE);
    if (verdict === "drop") {
      return packet.changed?.leadsTo === undefined
        ? { chain, rule }
        : { ...packet.nat ?? HIDDEN, ...packet.changed };
    }
    if (verdict === "queue") packet.queued = { chain, rule };
    if (verdict === "accept" && NAT.test(rule)) packet.nat ??= { chain, rule };
    if (verdict === "accept" && DESTINATION_NAT.test(rule)) packet.changed = { leadsTo: leadsTo(rule) };
  }
  const last = packets.values().find(({ changed, queued }) => changed ?? queued);
  return last?.changed ? { ...last.nat ?? HIDDEN, ...last.changed } : last?.queued;
}

/** Of a line that tells a packet. */
function endsIn(line: string): Ends | undefined {
  const [, from, address, port] =
    / packet: .*\bip6? saddr (\S+) ip6? daddr (\S+) .*\btcp dport (\d+)/.exec(` ${line}`) ?? [];
  if (from === undefined || address === undefined || port === undefined) return undefined;
  return { from, to: address.includes(":") ? `[${address}]:${port}` : `${address}:${port}` };
}

/** Where a rule says that it leads to; for a packet that isn't seen any more. */
function leadsTo(rule: string): string {
  return /\bto (\S+)/.exec(rule)?.[1] ?? "another place";
}
