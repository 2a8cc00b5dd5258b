import { isDeepStrictEqual } from "node:util";
import { SystemCallError } from "../ffi/libc.ts";
import { type DiagSocket, SockDiag } from "../ffi/netlink/sock_diag.ts";
import { closeDescriptor, socketCookie } from "../ffi/sockets/socket.ts";
import { makeTransparent } from "../ffi/sockets/transparent.ts";
import { formatEndpoint, type IpAddress, parseAddress } from "../net/address.ts";
import { agree, type Hello, helloOf } from "../wire/hello.ts";
import { type HelperAnswer, type HelperGrant, LIMIT_REACHED, type NetworkDamage } from "../wire/helper.ts";
import { ADDRESSES, IDENTIFY_PORT, WORKERS } from "./capture_hooks.ts";
import { callerRefusal, listenerRefusal, stubRefusal } from "./descriptors.ts";
import { traceDrop } from "./firewall_trace.ts";
import { Guard } from "./guard.ts";
import type { HostResources } from "./host_resources.ts";
import { type Machine, readNameservers, readPeers } from "./machine.ts";
import { type Networks, readNetworks } from "./networks.ts";
import { rangeOf } from "../net/range.ts";
import { BadRequest, Refusal, refusalOf } from "./request_error.ts";
import { type RefusalListener, RefusalReporter } from "./refusals.ts";
import { type Parsed, type ParsedRequest, parseRequest } from "./requests.ts";
import { UdpCapture } from "./udp_capture.ts";

/** What was read of nameservers and open connections is used for this long, in milliseconds: nothing tells of a change. */
const MACHINE_TTL_MS = 1_000;
const TAKES_DESCRIPTORS: readonly string[] = [
  "identify",
  "listeners",
  "names",
  "udp",
  "udp-destination",
] satisfies ParsedRequest["ask"][];

/** An answer, and the descriptors that are sent with it; they stay the helper's. */
export interface Reply {
  /** A promise of one that takes a while; it never rejects. */
  readonly answer: HelperAnswer | Promise<HelperAnswer>;
  readonly fds: readonly number[];
}

/** Does what one daemon asks of the helper. No request makes it throw. */
export class HelperSession implements AsyncDisposable {
  readonly #host: HostResources;
  readonly #grant: HelperGrant;
  readonly #guard: Guard;
  readonly #listener: RefusalListener;
  readonly #repair: () => readonly NetworkDamage[];
  readonly #readLog: () => string;
  readonly #udp: UdpCapture;
  #reporter: RefusalReporter | undefined;
  #greeted = false;
  /** Captured addresses that lie in ranges which were accepted for their cluster. */
  readonly #accepted = new Set<string>();
  /** Addresses that are captured, and whose route a release that failed may have deleted. */
  readonly #unsure = new Set<string>();
  /** Nameservers that were released by a request that failed afterwards, so that no answer has named them. */
  readonly #unreported: string[] = [];
  /** As of the last change of the machine's network. */
  #networks: Networks | undefined;
  #machine: { readonly facts: Machine; readonly until: number } | undefined;

  /**
   * @param listener hears what the hooks refuse, once the daemon has asked for it
   * @param repair puts right what others have changed of pmz's own network, and says what
   * @param readLog reads the end of the helper's log
   */
  constructor(
    host: HostResources,
    grant: HelperGrant,
    listener: RefusalListener,
    repair: () => readonly NetworkDamage[],
    readLog: () => string,
  ) {
    this.#host = host;
    this.#grant = grant;
    this.#listener = listener;
    this.#repair = repair;
    this.#readLog = readLog;
    this.#udp = new UdpCapture(host, this.#owner);
    const { own4, own6 } = host.device;
    this.#guard = new Guard(grant, [rangeOf(own4, 24), ...(own6 ? [rangeOf(own6, 112)] : [])]);
  }

  /**
   * Judges all that is captured again, since the machine's network has changed: what the machine uses itself now is released. Open
   * connections to it are no objection: they aren't captured ones, and are as they were.
   * @returns what was released, and why; undefined when the networks are the same as before
   * @throws {SystemCallError}
   */
  review(): { address: string; why: string }[] | undefined {
    const { capture, device, netlink } = this.#host;
    const networks = readNetworks(netlink, device.index);
    if (isDeepStrictEqual(networks, this.#networks)) return undefined;
    const machine: Machine = { ...networks, nameservers: readNameservers(), peers: new Set() };
    const refused = capture.all.flatMap((text) => {
      const address = parseAddress(text);
      const why = address && this.#guard.why(address, machine, this.#accepted.has(text));
      return address && why !== undefined ? [{ address, why }] : [];
    });
    this.#release(refused.map(({ address }) => address));
    // Last: where something failed, all is judged again.
    this.#networks = networks;
    this.#machine = undefined;
    return refused.map(({ address, why }) => ({ address: address.text, why }));
  }

  /** Does what a message asks. It closes the descriptors that came with it, whatever it answers. */
  answer(message: unknown, fds: readonly number[]): Reply {
    const kept = new Set<number>();
    try {
      const request = parseRequest(message);
      if (!this.#greeted && request.ask !== "hello") {
        throw new BadRequest("the first request has to be a hello");
      }
      if (fds.length > 0 && !TAKES_DESCRIPTORS.includes(request.ask)) {
        throw new BadRequest(`the request "${request.ask}" takes no descriptors`);
      }
      return this.#do(request, fds, kept);
    } catch (error) {
      return { answer: refusalOf(error), fds: [] };
    } finally {
      for (const fd of fds) if (!kept.has(fd)) closeDescriptor(fd);
    }
  }

  #do(request: ParsedRequest, fds: readonly number[], kept: Set<number>): Reply {
    switch (request.ask) {
      case "hello":
        return { answer: this.#hello(request.hello), fds: [] };
      case "identify":
        this.#expectDaemon(fds);
        return { answer: { ok: true }, fds: [] };
      case "listeners":
        this.#listeners(request.family, fds);
        return { answer: { ok: true }, fds: [] };
      case "udp":
        return { answer: { ok: true, own: this.#udp.carry(request.family, fds) }, fds: [] };
      case "udp-destination":
        this.#udp.open(request, fds);
        return { answer: { ok: true }, fds: [] };
      case "udp-unreachable":
        this.#udp.refuse(request.callers);
        return { answer: { ok: true }, fds: [] };
      case "capture":
        return { answer: { ok: true, refused: this.#capture(request.add) }, fds: [] };
      case "release":
        this.#release(request.addresses);
        return { answer: { ok: true }, fds: [] };
      case "trace":
        return { answer: this.#trace(request).catch(refusalOf), fds: [] };
      case "names":
        return {
          answer: { ok: true, beat: true, released: this.#names(request.stubs, fds, kept) },
          fds: [this.#host.names.beatFd],
        };
      case "repair":
        return { answer: { ok: true, damage: this.#repair() }, fds: [] };
      case "log":
        return { answer: { ok: true, log: this.#readLog() }, fds: [] };
      case "refusals":
        this.#reporter ??= new RefusalReporter(this.#host.capture.refusals(), this.#listener);
        return { answer: { ok: true, daemon: this.#host.capture.identity("daemon")?.process ?? 0 }, fds: [] };
    }
  }

  async #trace({ address, port }: Parsed<"trace">): Promise<HelperAnswer> {
    const { capture, device, janitor } = this.#host;
    const own = address.family === 4 ? device.own4 : device.own6;
    if (!own || !capture.has(address)) throw new Refusal("refused", `${address.text} is not captured`);
    await janitor.tracing();
    const dropped = await traceDrop(device.table, own, { address, port });
    return { ok: true, traced: true, ...dropped && { dropped } };
  }

  #hello(theirs: Hello): HelperAnswer {
    const ours = helloOf("helper");
    agree(ours, theirs);
    this.#greeted = true;
    const { own4, name, table } = this.#host.device;
    const { ranges, never } = this.#grant;
    const { also } = this.#host;
    return { ok: true, hello: ours, address: own4.text, device: name, table, ranges, never, also };
  }

  /** The daemon makes itself known by this socket: one that others dial with doesn't count. */
  #expectDaemon(fds: readonly number[]): void {
    const [fd, ...more] = fds;
    if (fd === undefined || more.length > 0) {
      throw new BadRequest(`${fds.length} is not a valid number of descriptors to be known by: expected 1`);
    }
    const why = callerRefusal(fd, this.#owner);
    if (why !== undefined) throw new Refusal("refused", `the socket to be known by ${why}`);
    this.#host.capture.expect("daemon", socketCookie(fd));
  }

  #listeners(family: 4 | 6, fds: readonly number[]): void {
    if (fds.length < 1 || fds.length > WORKERS) {
      throw new BadRequest(`${fds.length} is not a valid number of listeners: expected 1 to ${WORKERS}`);
    }
    if (family === 6 && !this.#host.device.own6) {
      throw new Refusal("unsupported", "this machine has no IPv6");
    }
    for (const fd of fds) {
      const why = listenerRefusal(fd, family, this.#owner);
      if (why !== undefined) throw new Refusal("refused", `a listener ${why}`);
    }
    for (const fd of fds) makeTransparent(fd, family, this.#host.device.name);
    // The helper's copies are closed after this, so that nothing accepts any longer when the daemon is killed.
    this.#host.capture.steerTo(family, fds);
  }

  #capture(add: Parsed<"capture">["add"]): { address: string; why: string }[] {
    const { capture, routes } = this.#host;
    const cap = Math.min(this.#grant.cap, ADDRESSES);
    const refused: { address: string; why: string }[] = [];
    const fresh = new Map<string, IpAddress>();
    try {
      this.#begin(add, cap, fresh, refused);
      const added = [...fresh.values()];
      routes.add(added).forEach((errno, i) => {
        const address = added[i];
        if (errno === 0 || !address) return;
        capture.remove(address);
        const { message } = new SystemCallError("the kernel refuses a route", errno);
        refused.push({ address: address.text, why: message });
      });
    } catch (error) {
      // A request gives no captured address a route again, so none may stay without one.
      try {
        routes.delete([...fresh.values()]);
      } finally {
        for (const address of fresh.values()) capture.remove(address);
      }
      throw error;
    }
    for (const { address } of add) this.#unsure.delete(address.text);
    return refused;
  }

  #begin(
    add: Parsed<"capture">["add"],
    cap: number,
    fresh: Map<string, IpAddress>,
    refused: { address: string; why: string }[],
  ): void {
    const { capture, device } = this.#host;
    for (const { address, ports, accepted } of add) {
      const known = capture.has(address) && !this.#unsure.has(address.text);
      const why = known
        ? undefined
        : address.family === 6 && !device.own6
        ? "this machine has no IPv6"
        : capture.addresses >= cap
        ? `${cap} ${LIMIT_REACHED}`
        : this.#guard.why(address, this.#now(), accepted);
      if (why === undefined && capture.set(address, ports)) {
        if (accepted) this.#accepted.add(address.text);
        if (!known) fresh.set(address.text, address);
      } else refused.push({ address: address.text, why: why ?? "too many ports of Services: the limit" });
    }
  }

  /**
   * Releases what is captured of these addresses. Each step may be repeated, and an address counts as captured until the last
   * one: where one fails, the next release begins again, and the next capture gives it its route back.
   * @returns those that were captured
   */
  #release(addresses: readonly IpAddress[]): string[] {
    const { capture, device, routes } = this.#host;
    const captured = addresses.filter((address) => capture.has(address));
    if (captured.length === 0) return [];
    const gone = new Set(captured.map(({ text }) => text));
    for (const text of gone) this.#unsure.add(text);
    routes.delete(captured);
    // An open connection would continue outside, with a source address that means nothing there. Without a route, neither end
    // hears the other's reset, so both are closed: the program's first.
    const own = new Set([device.own4.text, device.own6?.text]);
    using diag = new SockDiag();
    const isBetween = (from: DiagSocket["local"], to: DiagSocket["local"]) =>
      own.has(from.address.text) && gone.has(to.address.text);
    diag.destroyAll(({ local, remote }) => isBetween(local, remote));
    diag.destroyAll(({ local, remote }) => isBetween(remote, local));
    this.#udp.release(captured);
    for (const address of captured) {
      capture.remove(address);
      this.#accepted.delete(address.text);
      this.#unsure.delete(address.text);
    }
    return [...gone];
  }

  /** @returns the nameservers that were captured, and aren't any longer, since an answer named them last */
  #names(
    stubs: Parsed<"names">["stubs"],
    fds: readonly number[],
    kept: Set<number>,
  ): string[] {
    if (fds.length !== 2 * stubs.length) {
      throw new BadRequest(
        `${fds.length} is not a valid number of descriptors for ${stubs.length} stubs: expected a UDP and a TCP socket for each`,
      );
    }
    const seen = new Set<string>();
    stubs.forEach(({ nameserver, stub }, i) => {
      const place = formatEndpoint(stub.address.text, stub.port);
      if (seen.has(nameserver.text) || seen.has(place)) {
        throw new BadRequest(`the nameserver ${nameserver.text} or the stub ${place} comes twice`);
      }
      seen.add(nameserver.text).add(place);
      if (nameserver.family !== stub.address.family) {
        throw new Refusal("refused", `${place} is of another address family than ${nameserver.text}`);
      }
      for (const [j, protocol] of (["udp", "tcp"] as const).entries()) {
        const fd = fds[2 * i + j];
        const why = fd === undefined ? "is missing" : stubRefusal(fd, stub, protocol, this.#owner);
        if (why !== undefined) throw new Refusal("refused", `the ${protocol} socket of ${place} ${why}`);
      }
    });
    // On another Wi-Fi or VPN the machine may use an address that a cluster has: its nameservers are never captured.
    this.#unreported.push(...this.#release(stubs.map(({ nameserver }) => nameserver)));
    if (stubs.length > 0) this.#recognizeDaemon();
    this.#host.names.set(stubs, fds);
    for (const fd of fds) kept.add(fd);
    return this.#unreported.splice(0);
  }

  /** Lets the daemon's own queries pass from now on. */
  #recognizeDaemon(): void {
    const { capture, device, settings } = this.#host;
    if (settings.now.daemon !== 0) return;
    const identity = capture.identity("daemon");
    if (!identity || identity.netns !== settings.now.netns) {
      const place = formatEndpoint(device.own4.text, IDENTIFY_PORT);
      throw new BadRequest(
        `the daemon has not identified itself: connect to ${place} first, by the socket of the request "identify"; it fails`,
      );
    }
    settings.set({ daemon: identity.process });
  }

  get #owner() {
    return { uid: this.#grant.uid, netns: this.#host.netns };
  }

  #now(): Machine {
    const { device, netlink } = this.#host;
    this.#networks ??= readNetworks(netlink, device.index);
    if (!this.#machine || this.#machine.until < performance.now()) {
      const facts = { ...this.#networks, nameservers: readNameservers(), peers: readPeers(netlink) };
      this.#machine = { facts, until: performance.now() + MACHINE_TTL_MS };
    }
    return this.#machine.facts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp[Symbol.dispose]();
    await this.#reporter?.[Symbol.asyncDispose]();
  }
}
