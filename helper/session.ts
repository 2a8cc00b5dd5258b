import { SystemCallError } from "../ffi/libc.ts";
import { allAddresses } from "../ffi/netlink/link.ts";
import { addLocalRoutes, deleteLocalRoutes } from "../ffi/netlink/route.ts";
import { SockDiag } from "../ffi/netlink/sock_diag.ts";
import { closeDescriptor } from "../ffi/sockets/socket.ts";
import { makeTransparent } from "../ffi/sockets/transparent.ts";
import { formatEndpoint, type IpAddress } from "../net/address.ts";
import { agree, type Hello, HelloMismatch, helloOf } from "../wire/hello.ts";
import { type HelperAnswer, type HelperErrorCode, type HelperGrant } from "../wire/helper.ts";
import { ADDRESSES, KNOCK_PORT, WORKERS } from "./capture.ts";
import { listenerRefusal, standInRefusal } from "./descriptors.ts";
import { devicesOfPmz } from "./device.ts";
import { Guard } from "./guard.ts";
import type { Laptop } from "./laptop.ts";
import { type Machine, readMachine } from "./machine.ts";
import { rangeOf } from "../net/range.ts";
import { isLinkLocal } from "../net/special_ranges.ts";
import { BadRequest, type ParsedRequest, parseRequest } from "./requests.ts";

/** How long what was read of the machine is good for, in milliseconds. */
const MACHINE_TTL = 1000;

/** A request that is understood and not granted. */
class Refusal extends Error {
  readonly code: HelperErrorCode;
  constructor(code: HelperErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** An answer, and the descriptors that go beside it; they stay the helper's. */
export interface Reply {
  readonly answer: HelperAnswer;
  readonly fds: readonly number[];
}

/** What one daemon asks of the helper, and what is done about it. No request is able to throw. */
export class Session {
  readonly #laptop: Laptop;
  readonly #grant: HelperGrant;
  readonly #guard: Guard;
  #greeted = false;
  #machine: { readonly facts: Machine; readonly until: number } | undefined;

  constructor(laptop: Laptop, grant: HelperGrant) {
    this.#laptop = laptop;
    this.#grant = grant;
    const { own4, own6 } = laptop.device;
    this.#guard = new Guard(grant, [rangeOf(own4, 24), ...(own6 ? [rangeOf(own6, 112)] : [])]);
  }

  /** Does what a message asks. The descriptors beside it are this session's to close, whatever it answers. */
  answer(message: unknown, fds: readonly number[]): Reply {
    const kept = new Set<number>();
    try {
      const request = parseRequest(message);
      if (!this.#greeted && request.ask !== "hello") throw new BadRequest("a hello comes first");
      if (fds.length > 0 && request.ask !== "listeners" && request.ask !== "names") {
        throw new BadRequest(`no descriptors belong to ${request.ask}`);
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
      case "listeners":
        this.#listeners(request.family, fds);
        return { answer: { ok: true }, fds: [] };
      case "capture":
        return { answer: { ok: true, refused: this.#capture(request.add) }, fds: [] };
      case "release":
        this.#release(request.addresses);
        return { answer: { ok: true }, fds: [] };
      case "names":
        this.#names(request.standIns, fds, kept);
        return { answer: { ok: true, beat: true }, fds: [this.#laptop.names.beatFd] };
    }
  }

  #hello(theirs: Hello): HelperAnswer {
    const ours = helloOf("helper");
    agree(ours, theirs);
    this.#greeted = true;
    const { own4, name, table } = this.#laptop.device;
    return { ok: true, hello: ours, address: own4.text, device: name, table };
  }

  #listeners(family: 4 | 6, fds: readonly number[]): void {
    if (fds.length < 1 || fds.length > WORKERS) {
      throw new BadRequest(`${fds.length} listeners: 1 to ${WORKERS}, one for each data worker`);
    }
    if (family === 6 && !this.#laptop.device.own6) {
      throw new Refusal("unsupported", "this machine has no IPv6");
    }
    for (const fd of fds) {
      const why = listenerRefusal(fd, family, this.#owner);
      if (why !== undefined) throw new Refusal("refused", `a listener ${why}`);
    }
    for (const fd of fds) makeTransparent(fd, family, this.#laptop.device.name);
    // The helper's copies are closed after this: should the daemon be killed, nobody accepts any more.
    this.#laptop.capture.steerTo(family, fds);
  }

  #capture(add: (ParsedRequest & { ask: "capture" })["add"]): { address: string; why: string }[] {
    const { capture, netlink } = this.#laptop;
    const cap = Math.min(this.#grant.cap, ADDRESSES);
    const refused: { address: string; why: string }[] = [];
    const fresh = new Map<string, IpAddress>();
    try {
      this.#begin(add, cap, fresh, refused);
      const routes = [...fresh.values()];
      addLocalRoutes(netlink, this.#routes, routes).forEach((errno, i) => {
        const address = routes[i];
        if (errno === 0 || !address) return;
        capture.remove(address);
        const { message } = new SystemCallError("the kernel refuses a route", errno);
        refused.push({ address: address.text, why: message });
      });
    } catch (error) {
      // What is known is never given a route again: nothing of it may stay half done.
      try {
        deleteLocalRoutes(netlink, this.#routes, [...fresh.values()]);
      } finally {
        for (const address of fresh.values()) capture.remove(address);
      }
      throw error;
    }
    return refused;
  }

  #begin(
    add: (ParsedRequest & { ask: "capture" })["add"],
    cap: number,
    fresh: Map<string, IpAddress>,
    refused: { address: string; why: string }[],
  ): void {
    const { capture, device } = this.#laptop;
    for (const { address, ports } of add) {
      const known = capture.has(address);
      const why = known
        ? undefined
        : address.family === 6 && !device.own6
        ? "this machine has no IPv6"
        : capture.addresses >= cap
        ? `${cap} addresses are captured already: the limit`
        : this.#guard.why(address, this.#now());
      if (why === undefined && capture.set(address, ports)) {
        if (!known) fresh.set(address.text, address);
      } else refused.push({ address: address.text, why: why ?? "too many ports of Services: the limit" });
    }
  }

  #release(addresses: readonly IpAddress[]): void {
    const { capture, device, netlink } = this.#laptop;
    const captured = addresses.filter((address) => capture.has(address));
    if (captured.length === 0) return;
    deleteLocalRoutes(netlink, this.#routes, captured);
    for (const address of captured) capture.remove(address);
    // What is open would go on outside, with an address that is nobody's there.
    const gone = new Set(captured.map(({ text }) => text));
    const own = new Set([device.own4.text, device.own6?.text]);
    using diag = new SockDiag();
    diag.destroy(
      diag.connectionsTo(0).filter(({ local, remote }) =>
        own.has(local.address.text) && gone.has(remote.address.text)
      ),
    );
  }

  #names(
    standIns: (ParsedRequest & { ask: "names" })["standIns"],
    fds: readonly number[],
    kept: Set<number>,
  ): void {
    if (fds.length !== 2 * standIns.length) {
      throw new BadRequest(
        `${fds.length} descriptors for ${standIns.length} stand-ins: a UDP and a TCP one for each`,
      );
    }
    const seen = new Set<string>();
    standIns.forEach(({ nameserver, standIn }, i) => {
      const place = formatEndpoint(standIn.address.text, standIn.port);
      if (seen.has(nameserver.text) || seen.has(place)) throw new BadRequest("a stand-in comes twice");
      seen.add(nameserver.text).add(place);
      if (nameserver.family !== standIn.address.family) {
        throw new Refusal("refused", `${place} is of another address family than ${nameserver.text}`);
      }
      if (isLinkLocal(nameserver)) {
        throw new Refusal(
          "refused",
          `${nameserver.text} is link-local: which one it is depends on the device`,
        );
      }
      for (const [j, protocol] of (["udp", "tcp"] as const).entries()) {
        const fd = fds[2 * i + j];
        const why = fd === undefined ? "is missing" : standInRefusal(fd, standIn, protocol, this.#owner);
        if (why !== undefined) throw new Refusal("refused", `the ${protocol} socket of ${place} ${why}`);
      }
    });
    // The machine has come to use what a cluster has too (another Wi-Fi, a VPN): whom it asks is never captured.
    this.#release(standIns.map(({ nameserver }) => nameserver));
    if (standIns.length > 0) this.#meetDaemon();
    this.#laptop.names.set(standIns, fds);
    for (const fd of fds) kept.add(fd);
  }

  /** From here on the daemon's own queries pass. */
  #meetDaemon(): void {
    const { capture, device, settings } = this.#laptop;
    if (settings.now.daemon !== 0) return;
    const knock = capture.knock("daemon");
    if (!knock || knock.netns !== settings.now.netns) {
      const place = formatEndpoint(device.own4.text, KNOCK_PORT);
      throw new BadRequest(
        `connect to ${place} first (it fails): else your own queries would come back to you`,
      );
    }
    settings.set({ daemon: knock.process });
  }

  get #owner() {
    return { uid: this.#grant.uid, netns: this.#laptop.netns };
  }

  get #routes() {
    const { index, table, own4, own6 } = this.#laptop.device;
    return { device: index, table, source4: own4, source6: own6 };
  }

  #now(): Machine {
    if (!this.#machine || this.#machine.until < performance.now()) {
      const ours = devicesOfPmz(this.#laptop.netlink);
      // Other users' captured connections are no more the machine's own than this user's.
      const sources = new Set(
        allAddresses(this.#laptop.netlink).filter(({ device }) => ours.has(device)).map(({ address }) =>
          address.text
        ),
      );
      const facts = readMachine(this.#laptop.netlink, {
        isDevice: (index) => ours.has(index),
        isSource: (address) => sources.has(address),
      });
      this.#machine = { facts, until: performance.now() + MACHINE_TTL };
    }
    return this.#machine.facts;
  }
}

/** What a request that failed is answered with. */
export function refusalOf(error: unknown): HelperAnswer {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Refusal
    ? error.code
    : error instanceof BadRequest || error instanceof HelloMismatch || error instanceof TypeError
    ? "bad-request"
    : "internal";
  return { ok: false, code, error: message };
}
