/** All DNS stubs of a user: one NameServer for each nameserver of the laptop. */
import { boundDescriptorOf } from "../../ffi/sockets/own_socket.ts";
import { formatEndpoint, parseAddress } from "../../net/address.ts";
import { type Accounts, SocketOwners } from "../../ffi/proc/socket_owner.ts";
import { senderOf } from "./sender.ts";
import { type Nameserver, UdpForwarder } from "./forward.ts";
import type { OwnNetworks } from "../own_networks.ts";
import { leftOutBy } from "./left_out.ts";
import type { LeftOut, OpenStub, OpenStubs, WantedStubs } from "../protocol.ts";
import type { RebindingFilter } from "./rebinding.ts";
import { NameServer } from "./server.ts";
import { type NameServerStats, zeroStats } from "./stats.ts";
import { stubAddress } from "./stub_listener.ts";
import type { Zone } from "../zone/zone.ts";

/** What all stubs share. */
export interface StubParts {
  readonly zone: Pick<Zone, "answer" | "isCompleted">;
  readonly networks: OwnNetworks;
  readonly rebinding: Pick<RebindingFilter, "filter">;
  /** Of the nameservers; 53 except in tests. */
  readonly port?: number;
}

export class StubListeners implements AsyncDisposable {
  readonly #parts: StubParts;
  readonly #owners = new SocketOwners();
  readonly #forwarder = new UdpForwarder();
  readonly #port: number;
  #accounts: Accounts = [];
  #last: Promise<unknown> = Promise.resolve();
  /** By nameserver. */
  readonly #servers = new Map<string, { readonly index: number; readonly server: NameServer }>();

  constructor(parts: StubParts) {
    this.#parts = parts;
    this.#port = parts.port ?? 53;
  }

  /** Opens and closes stubs, so that these nameservers have one each; stubs that stay keep their sockets. Calls run one at a time. */
  set(wanted: WantedStubs): Promise<OpenStubs> {
    const done = this.#last.then(() => this.#set(wanted));
    this.#last = done.catch(() => {});
    return done;
  }

  async #set(wanted: WantedStubs): Promise<OpenStubs> {
    this.#accounts = wanted.accounts;
    for (const [nameserver, { server }] of this.#servers) {
      if (wanted.nameservers.includes(nameserver)) continue;
      this.#servers.delete(nameserver);
      await server[Symbol.asyncDispose]();
    }
    const failed: { nameserver: string; why: string }[] = [];
    const attempt = async (nameserver: string, open: () => Promise<void> | void) => {
      try {
        await open();
      } catch (error) {
        failed.push({ nameserver, why: error instanceof Error ? error.message : String(error) });
      }
    };
    for (const nameserver of wanted.nameservers) {
      if (!this.#servers.has(nameserver)) await attempt(nameserver, () => this.#open(nameserver, wanted.uid));
    }
    const stubs: OpenStub[] = [];
    for (const nameserver of wanted.nameservers) {
      const server = this.#servers.get(nameserver)?.server;
      if (server) {
        await attempt(nameserver, () => void stubs.push(described(nameserver, server)));
      }
    }
    return { stubs, failed };
  }

  get #nameservers(): Nameserver[] {
    return [...this.#servers.keys()].map((address) => ({ address, port: this.#port }));
  }

  get stats(): NameServerStats {
    const sum = zeroStats();
    for (const { server: { stats } } of this.#servers.values()) {
      for (const key of Object.keys(sum) as (keyof NameServerStats)[]) sum[key] += stats[key];
    }
    return sum;
  }

  /** What the names of ExternalNames would lead to and don't, as the first nameserver has it now. */
  async leftOut(names: readonly string[]): Promise<LeftOut[]> {
    const [nameserver] = this.#nameservers;
    if (!nameserver) return [];
    const { zone, networks } = this.#parts;
    const ask = leftOutBy(zone, (address) => networks.why(address), nameserver, this.#forwarder);
    return (await Promise.all(names.map(ask))).filter(({ addresses, isUnknown }) =>
      addresses.length > 0 || isUnknown
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.set({ uid: 0, accounts: [], nameservers: [] });
  }

  async #open(nameserver: string, uid: number): Promise<void> {
    const address = parseAddress(nameserver.replace(/%.*/, ""));
    if (!address) throw new TypeError(`"${nameserver}" is not a valid address of a nameserver`);
    const taken = new Set([...this.#servers.values()].map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index++;
    const server = await NameServer.open({
      zone: this.#parts.zone,
      address: stubAddress(address.family, uid, index),
      nameserver: { address: nameserver, port: this.#port },
      others: () => this.#nameservers.filter((one) => one.address !== nameserver),
      senderOf: (arrival) => senderOf(this.#owners, arrival, this.#accounts),
      forbidden: (one) => this.#parts.networks.forbids(one),
      filter: (answer) => this.#parts.rebinding.filter(answer),
      forwarder: this.#forwarder,
    });
    this.#servers.set(nameserver, { index, server });
  }
}

function described(nameserver: string, { end: { address, port } }: NameServer): OpenStub {
  const [udpFd, tcpFd] = [boundDescriptorOf("udp", address, port), boundDescriptorOf("tcp", address, port)];
  return { nameserver, stub: formatEndpoint(address, port), udpFd, tcpFd };
}
