import { libc, must, SOCK_CLOEXEC, SystemCallError } from "../libc.ts";
import { attributesOf, Netlink, NETLINK_NETFILTER } from "../netlink/netlink.ts";
import { type Entrance, type Redirect, redirectOf, type Rule } from "./chains.ts";
import { chainAt, legacyChains } from "./legacy_tables.ts";
import { nftRule, number, text } from "./nft_rules.ts";

const NFNL_SUBSYS_NFTABLES = 10 << 8;
const NFT_MSG_GETCHAIN = NFNL_SUBSYS_NFTABLES | 4;
const NFT_MSG_GETRULE = NFNL_SUBSYS_NFTABLES | 7;
/** struct nfgenmsg for all families. */
const ALL_FAMILIES = new Uint8Array(4);
const NF_INET_PRE_ROUTING = 0;
/** Families of nftables that see IP packets at prerouting: NFPROTO_INET, IPV4, IPV6. */
const FAMILIES: readonly number[] = [1, 2, 10];
const EINVAL = 22;
const ENOENT = 2;
const SO_GET_INFO = 64;
const SO_GET_ENTRIES = 65;
const families = { 4: { domain: 2, level: 0 }, 6: { domain: 10, level: 41 } } as const;
const SOCK_DGRAM = 2;
/** Tables of iptables-legacy that may lead a connection elsewhere at prerouting. */
const TABLES = ["mangle", "nat"];
/** struct ipt_getinfo and the head of struct ipt_get_entries. */
const INFO = { length: 84, prerouting: 36, size: 80 };
const ENTRIES = 40;
const LARGEST = 16 << 20;

/**
 * The packet filter of the network namespace that this was made in: nftables, which iptables-nft writes to, and the tables of
 * iptables-legacy. Needs NET_ADMIN there. Nothing is changed, and no table is made.
 */
export class Redirects implements Disposable {
  readonly #netlink: Netlink;
  readonly #sockets: ReadonlyMap<4 | 6, number>;
  /** The names of iptables-legacy's tables: asking for one that isn't there would make it. */
  readonly #legacyTables: (family: 4 | 6) => readonly string[];

  /**
   * @param legacyTables reads /proc/PID/net/ip_tables_names or ip6_tables_names of the namespace
   * @throws {SystemCallError}
   */
  constructor(legacyTables: (family: 4 | 6) => readonly string[]) {
    this.#legacyTables = legacyTables;
    this.#netlink = new Netlink(NETLINK_NETFILTER);
    this.#sockets = new Map(([4, 6] as const).flatMap((family) => {
      const fd = libc.socket(families[family].domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      return fd < 0 ? [] : [[family, fd] as const];
    }));
  }

  /**
   * Reads the rules as they are now.
   * @returns where new connections from outside to a port are led, if that is elsewhere
   * @throws {SystemCallError}
   */
  read(): (port: number) => Redirect | undefined {
    const entrances = [...this.#nftables(), ...this.#legacy()];
    return (port) =>
      entrances.map((entrance) => redirectOf(entrance, port)).find((found) => found !== undefined);
  }

  [Symbol.dispose](): void {
    this.#netlink[Symbol.dispose]();
    for (const fd of this.#sockets.values()) libc.close(fd);
  }

  /** The chains of each table that begin at prerouting. */
  #nftables(): Entrance[] {
    const bases = this.#dump("chains of nftables", NFT_MSG_GETCHAIN).flatMap((body) => {
      const chain = attributesOf(body, 4);
      const hook = chain.get(4);
      const isFirst = hook && FAMILIES.includes(body[0] ?? 0) &&
        number(attributesOf(hook, 0).get(1)) === NF_INET_PRE_ROUTING;
      return isFirst ? [{ table: tableOf(body[0], chain), first: text(chain.get(3)) }] : [];
    });
    if (bases.length === 0) return [];
    const tables = new Map<string, Map<string, Rule[]>>();
    for (const body of this.#dump("rules of nftables", NFT_MSG_GETRULE)) {
      const rule = attributesOf(body, 4);
      const name = tableOf(body[0], rule);
      const chains = tables.get(name) ?? new Map<string, Rule[]>();
      tables.set(name, chains);
      const chain = text(rule.get(2));
      const rules = chains.get(chain) ?? [];
      chains.set(chain, rules);
      rules.push(nftRule(rule.get(4) ?? new Uint8Array(0)));
    }
    return bases.map(({ table, first }) => ({ chains: tables.get(table) ?? new Map(), first }));
  }

  /** A kernel without nftables has no rules of it. */
  #dump(what: string, type: number): Uint8Array<ArrayBuffer>[] {
    try {
      return this.#netlink.dump(what, type, ALL_FAMILIES);
    } catch (error) {
      if (error instanceof SystemCallError && (error.errno === EINVAL || error.errno === ENOENT)) return [];
      throw error;
    }
  }

  #legacy(): Entrance[] {
    return [...this.#sockets].flatMap(([family, fd]) =>
      TABLES.filter((name) => this.#legacyTables(family).includes(name)).flatMap((name) =>
        legacyTable(family, fd, name)
      )
    );
  }
}

function tableOf(family: number | undefined, of: ReadonlyMap<number, Uint8Array<ArrayBuffer>>): string {
  return `${family} ${text(of.get(1))}`;
}

function legacyTable(family: 4 | 6, fd: number, name: string): Entrance[] {
  const info = asked(family, fd, SO_GET_INFO, name, new Uint8Array(INFO.length));
  const view = new DataView(info.buffer);
  const hasPrerouting = (view.getUint32(32, true) & 1 << NF_INET_PRE_ROUTING) !== 0;
  const size = view.getUint32(INFO.size, true);
  if (!hasPrerouting || size > LARGEST) return [];
  const into = new Uint8Array(ENTRIES + size);
  new DataView(into.buffer).setUint32(32, size, true);
  const entries = asked(family, fd, SO_GET_ENTRIES, name, into).subarray(ENTRIES);
  const start = view.getUint32(INFO.prerouting, true);
  return [{ chains: legacyChains(family, entries, [start]), first: chainAt(start) }];
}

function asked(
  family: 4 | 6,
  fd: number,
  option: number,
  table: string,
  into: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  into.set(new TextEncoder().encode(table));
  const length = new Uint8Array(new Uint32Array([into.length]).buffer);
  must(
    `reading iptables' table ${table}`,
    libc.getsockopt(fd, families[family].level, option, into, length),
  );
  return into;
}
