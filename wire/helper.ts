/**
 * What a user's daemon may ask of its root helper, over a SOCK_SEQPACKET unix socket: one JSON message a request, at most 256 KiB,
 * with descriptors by SCM_RIGHTS; one answer each, in order. Everything ends with the socket.
 *
 * What the helper may do was fixed when it was started with sudo (HelperGrant); no request widens it.
 */
import type { Hello } from "./hello.ts";

/** The helper's folder for a user: root's, 0711; the socket in it 0600 and the user's. */
export const helperFolder = (uid: number): string => `/run/pmz/${uid}`;
export const helperSocket = (uid: number): string => `${helperFolder(uid)}/helper.sock`;
/** The routing table of the first user on a machine; each further one has the next. */
export const FIRST_TABLE = 726_900;
/** Users at a time: each has a device, an address and a table. */
export const SLOTS = 100;
/** Whether a routing table is one of pmz's. */
export const isTableOfPmz = (table: number): boolean => table >= FIRST_TABLE && table < FIRST_TABLE + SLOTS;
/** How the reason of a refusal ends where as many addresses are captured as may be. */
export const LIMIT_REACHED = "addresses are captured already: the limit";
/** Accounts that may be inside besides the user. */
export const MOST_ACCOUNTS = 8;
/** Bytes of a request or answer. */
export const LONGEST_MESSAGE = 256 * 1024;

/** Fixed when the helper starts: on its command line, behind sudo. */
export interface HelperGrant {
  /** The user whose sockets are touched, and no others but those of the accounts in `also`. */
  readonly uid: number;
  /** Names of other accounts that are inside as well, or their uids: "root", "www-data". */
  readonly also: readonly string[];
  /**
   * Ranges that may be captured besides RFC 1918, 100.64/10 and ULA, in CIDR notation: those that the user has accepted for any
   * cluster. Which of them count for an address is said when it is captured.
   */
  readonly ranges: readonly string[];
  /** Addresses and ranges that are never captured, whatever the daemon says. */
  readonly never: readonly string[];
  /** Routes at most. */
  readonly cap: number;
}

/** A grant as arguments, so that sudo shows and logs what is granted. Nothing in it is secret. */
export function grantArguments(grant: HelperGrant): string[] {
  return [
    `--uid=${grant.uid}`,
    `--cap=${grant.cap}`,
    ...(grant.also.length ? [`--also=${grant.also.join(",")}`] : []),
    ...(grant.ranges.length ? [`--ranges=${grant.ranges.join(",")}`] : []),
    ...(grant.never.length ? [`--never=${grant.never.join(",")}`] : []),
  ];
}

/** Whether a text can be the name of an account, or a uid: it stands in a list on a command line. */
export const isAccountName = (text: string): boolean => /^[^\s,:/-][^\s,:/]{0,63}$/u.test(text);

/** An account of this machine. */
export interface Account {
  /** As it was named. */
  readonly name: string;
  readonly uid: number;
}

/** The first and only line that a helper, and `pmz helper start`, say to who started them. */
export type HelperReady =
  | { readonly ready: true; readonly pid: number; readonly socket: string; readonly address: string }
  | { readonly ready: false; readonly error: string };

/** What a captured address answers: a pod's takes any port, a Service's only those that a ready endpoint serves. */
export type CapturedPorts = "any" | readonly ServedPort[];
export interface ServedPort {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** Whether a ready endpoint serves it now; if not, the connect is refused at once. */
  readonly served: boolean;
}

export interface AddressToCapture {
  readonly address: string;
  readonly ports: CapturedPorts;
  /** Whether it lies in a range that was accepted for its cluster: elsewhere the grant's ranges don't count for it. */
  readonly accepted?: boolean;
}

/** A nameserver of the laptop, and the daemon's DNS stub that gets the user's queries for it. */
export interface DnsStub {
  /** As in resolv.conf: "10.77.255.254", "127.0.0.53". */
  readonly nameserver: string;
  /** A loopback address and port that the daemon listens on (UDP and TCP): "127.77.0.1:40053". */
  readonly stub: string;
}

export type HelperRequest =
  | { readonly ask: "hello"; readonly hello: Hello }
  /**
   * Its descriptor: an unconnected TCP socket of IPv4 by which the daemon then makes itself known, in a connect to port 1 of the
   * user's pmz address, which fails.
   */
  | { readonly ask: "identify" }
  /** Its descriptors: listening TCP sockets of the daemon on loopback, one for each data worker, all of `family`. */
  | { readonly ask: "listeners"; readonly family: 4 | 6 }
  /** Adds or changes captured addresses; an address that is there gets the new ports. */
  | { readonly ask: "capture"; readonly add: readonly AddressToCapture[] }
  | { readonly ask: "release"; readonly addresses: readonly string[] }
  /** Traces for a second and a half what becomes of connections to a captured address; the daemon has to dial it meanwhile. */
  | { readonly ask: "trace"; readonly address: string; readonly port: number }
  /** Replaces the stubs; without any, queries pass. Its descriptors: for each stub its UDP and its TCP socket, in order. */
  | { readonly ask: "names"; readonly stubs: readonly DnsStub[] }
  /** Has the helper send RefusalNews from now on. */
  | { readonly ask: "refusals" }
  /** Puts right what other programs have changed of pmz's own network, however often they have before. */
  | { readonly ask: "repair" }
  /** Asks for the end of the helper's log, which only root can read. */
  | { readonly ask: "log" }
  /**
   * Has UDP of a family carried. Its descriptor: the daemon's catch-all socket, an unconnected UDP socket on loopback; it gets the
   * datagrams whose destination has no socket. Refused as "unsupported" where UDP can't be carried.
   */
  | { readonly ask: "udp"; readonly family: 4 | 6 }
  /**
   * Opens a captured address and port for UDP. Its descriptor: an unconnected UDP socket of the daemon on loopback, which is bound
   * there instead; it gets all datagrams for that place, and answers come from it.
   */
  | { readonly ask: "udp-destination"; readonly address: string; readonly port: number }
  /** Tells callers on this laptop, by their ports, that a captured address and port is unreachable (ICMP); too many are left out. */
  | { readonly ask: "udp-unreachable"; readonly callers: readonly UnreachableFor[] };

/** A captured address and port, and the port of the program's socket that has sent a datagram there. */
export interface UnreachableFor {
  readonly address: string;
  readonly port: number;
  readonly caller: number;
}

/** An answer says what was done; where one address is refused, the request as a whole succeeds. */
export type HelperAnswer =
  | {
    readonly ok: true;
    readonly hello: Hello;
    /** The user's own pmz address, the source of all captured connections: "198.18.255.254". */
    readonly address: string;
    readonly device: string;
    /** The routing table of the user. */
    readonly table: number;
    /** Ranges that were accepted when it was started, as in the grant. */
    readonly ranges: readonly string[];
    /** What is never captured, as in the grant; absent in an older helper's answer. */
    readonly never?: readonly string[];
    /** The accounts that are inside besides the user; absent in an older helper's answer. */
    readonly also?: readonly Account[];
  }
  | { readonly ok: true; readonly refused: readonly { readonly address: string; readonly why: string }[] }
  /**
   * To "names": with it comes one descriptor, the beat map (BPF_F_MMAPABLE array, one u64: CLOCK_MONOTONIC in ns). `released`
   * are captured addresses that are not captured any longer, since they are nameservers of this machine now.
   */
  | { readonly ok: true; readonly beat: boolean; readonly released: readonly string[] }
  /** To "refusals": the daemon's process id as the hooks see it; 0 while the daemon hasn't identified itself. */
  | { readonly ok: true; readonly daemon: number }
  /** To "udp": pmz's own address of that family, the source of all captured datagrams. */
  | { readonly ok: true; readonly own: string }
  /** To "repair": what others have changed so far. */
  | { readonly ok: true; readonly damage: readonly NetworkDamage[] }
  /** To "log": its last lines, one JSON object each. */
  | { readonly ok: true; readonly log: string }
  /** To "trace": what drops them, or leads them elsewhere; absent where that isn't known. */
  | { readonly ok: true; readonly traced: true; readonly dropped?: BlockingRule }
  | { readonly ok: true }
  | { readonly ok: false; readonly code: HelperErrorCode; readonly error: string };

/** A rule of this machine's firewall that drops packets, or changes where they are for, or from. */
export interface BlockingRule {
  /** As nftables has it: "ip filter INPUT". */
  readonly chain: string;
  /** Its text, or "policy drop". */
  readonly rule: string;
  /** Where it leads packets, by another destination: "127.0.0.1:8080"; absent where it drops them. */
  readonly leadsTo?: string;
  /** The source that it gives packets, by which pmz doesn't know them. */
  readonly seemsFrom?: string;
}

/** What the helper says without being asked, between its answers: the machine's network has changed. */
export interface NetworkNews {
  readonly network: {
    /** Captured addresses that the machine uses itself now, so that they are captured no longer. */
    readonly released: readonly { readonly address: string; readonly why: string }[];
    /** Absent where pmz's rules come first, as they have to. */
    readonly precedence?: RulePrecedence;
    /** What others have changed of pmz's own network, of all parts; absent where they never have. */
    readonly damage?: readonly NetworkDamage[];
  };
}

/** A part of what pmz makes on the machine's network: its device, that one's addresses, the routes and rules that lead there. */
export type NetworkPart = "device" | "addresses" | "routes" | "rules";

/** The parts, as people know them. */
export const networkPartNames: Readonly<Record<NetworkPart, string>> = {
  device: "network device",
  addresses: "device's addresses",
  routes: "routes",
  rules: "routing rules",
};

/** What other programs have done to a part of pmz's own network. */
export interface NetworkDamage {
  readonly part: NetworkPart;
  /** How often it was put right since the helper's start. */
  readonly repaired: number;
  /** When it was found changed for the last time, in milliseconds since the epoch. */
  readonly last: number;
  /** Why it isn't right now; absent where it is. */
  readonly problem?: string;
}

/** Another program's ip rule that comes before pmz's: captured connections may go its way. */
export interface RulePrecedence {
  readonly family: 4 | 6;
  readonly priority: number;
  /** The table that it leads to. */
  readonly table: number;
  /** Whether the other program puts it there again and again, so that pmz has given up for a minute; else there is no room before it. */
  readonly contested: boolean;
}

/** What the helper says without being asked each time, between its answers: what the hooks have refused. */
export interface RefusalNews {
  readonly refusals: readonly HookRefusal[];
  /** How many more there were that are not told: too many in a short time. */
  readonly omitted: number;
}

/** A connect, or with UDP a send, of one of the user's programs that the hooks have refused. Equal ones are counted. */
export interface HookRefusal {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  /** The process id as the hooks see it, which is another one where pid namespaces are. */
  readonly process: number;
  /** The name of the thread that connected, as the kernel keeps it: at most 15 bytes. */
  readonly program: string;
  readonly count: number;
  /** Milliseconds since the first of them, and since the last. */
  readonly sinceFirst: number;
  readonly sinceLast: number;
}

export type HelperErrorCode = "bad-request" | "refused" | "limit" | "unsupported" | "internal";
