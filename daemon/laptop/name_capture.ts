import type { Accounts } from "../../ffi/proc/socket_owner.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import type { DnsStub } from "../../wire/helper.ts";
import type { CapturedChange } from "../../names/captured_addresses.ts";
import type { LeftOut, NamesCalls, NamesReports, NamesStats } from "../../names/protocol.ts";
import { redirectable, type ResolvConf, watchResolvConf } from "./resolv_conf.ts";
import type { CustomDomain, ZoneChange, ZoneData } from "../../names/zone/zone_data.ts";
import { reachesStub } from "../../names/server/probe.ts";
import type { RedirectedNames } from "./helper_client.ts";
import type { Log } from "../process/log.ts";
import { type OpenWorker, openWorker, type StartWorker } from "../../threads/worker.ts";
import type { Clock } from "../../async/clock.ts";
import { Watchdog } from "./watchdog.ts";

/** A stub answers within milliseconds; in milliseconds. */
const STUB_MS = 1_000;

/** The helper, as far as names go. */
export interface NamesHelper {
  /** Sends the user's queries to these stubs. */
  names(stubs: readonly DnsStub[], fds: readonly number[]): Promise<RedirectedNames>;
}

/** What NameCapture needs. */
export interface NameCaptureParts {
  readonly helper: NamesHelper;
  /** The accounts that are inside, as of now. */
  readonly accounts: () => Accounts;
  readonly startWorker: StartWorker;
  readonly log: Log;
  /** The worker died, or hangs: names don't answer any longer, and queries go where they would without pmz. */
  readonly failed: (error: Error) => void;
  /** The helper has released these captured addresses, since they are nameservers of this machine now. */
  readonly released: (addresses: readonly string[]) => void;
  /** Where the nameservers are configured, and how often it's looked at besides; /etc/resolv.conf without it. */
  readonly resolvConf?: { readonly path: string; readonly everyMs: number };
  readonly clock?: Clock;
}

/**
 * The user's DNS: the names worker, its stubs in the helper's hands, and the nameservers of resolv.conf, followed.
 * Disposing gives the queries back first, then ends the stubs. When the worker dies, or hangs, its heartbeat stops, and the
 * queries go where they would without pmz.
 */
export class NameCapture implements AsyncDisposable {
  readonly #worker: OpenWorker<NamesReports, NamesCalls>;
  readonly #watchdog: Watchdog;
  readonly #helper: NamesHelper;
  readonly #accounts: () => Accounts;
  readonly #log: Log;
  readonly #released: NameCaptureParts["released"];
  readonly #ending = new AbortController();
  #stubs: readonly string[] = [];
  #following: Promise<void> = Promise.resolve();

  private constructor({ helper, accounts, startWorker, log, failed, released, clock }: NameCaptureParts) {
    this.#accounts = accounts;
    this.#worker = openWorker<NamesReports, NamesCalls>(startWorker, "names", {
      log: (message) => log("warn", message),
    }, (error) => {
      log("warn", "names don't answer any longer", { error });
      failed(error);
    });
    this.#watchdog = new Watchdog({
      ask: () => this.#worker.channel.call("ping", null),
      hangs: () => this.#worker.fail(new Error("the names worker hangs")),
      ...clock && { clock },
    });
    this.#helper = helper;
    this.#log = log;
    this.#released = released;
  }

  /** Opens the stubs; settles when the user's queries go to them. */
  static async start(parts: NameCaptureParts): Promise<NameCapture> {
    const names = new NameCapture(parts);
    const { signal } = names.#ending;
    const confs = watchResolvConf({ signal, ...parts.resolvConf });
    try {
      const first = await confs.next();
      if (!first.done) await names.#use(first.value);
      names.#following = names.#follow(confs).catch((error) =>
        parts.log("warn", "the nameservers aren't followed any longer", { error })
      );
      return names;
    } catch (error) {
      await confs.return(undefined);
      await names[Symbol.asyncDispose]();
      throw error;
    }
  }

  async setZone(zone: ZoneData): Promise<void> {
    await this.#worker.channel.call("zone", zone);
  }

  async changeZone(change: ZoneChange): Promise<void> {
    await this.#worker.channel.call("change", change);
  }

  async removeZone(cluster: string): Promise<void> {
    await this.#worker.channel.call("gone", cluster);
  }

  async changeCaptured(change: CapturedChange): Promise<void> {
    await this.#worker.channel.call("captured", change);
  }

  /** Replaces the domains of the internet whose names may lead to captured addresses. */
  async allow(domains: readonly string[]): Promise<void> {
    await this.#worker.channel.call("allow", domains);
  }

  async setCustom(domains: readonly CustomDomain[]): Promise<void> {
    await this.#worker.channel.call("custom", domains);
  }

  /** What the names of ExternalNames would lead to and don't. */
  async leftOut(names: readonly string[]): Promise<readonly LeftOut[]> {
    return await this.#worker.channel.call("leftOut", names);
  }

  /** The first stub that what is sent on this machine doesn't get to, "127.77.0.1:40053"; undefined where all are reached. */
  async unreachedStub(): Promise<string | undefined> {
    const reached = await Promise.all(this.#stubs.map((stub) => reachesStub(stub, STUB_MS)));
    return this.#stubs.find((_, i) => !reached[i]);
  }

  async stats(): Promise<NamesStats> {
    return await this.#worker.channel.call("stats", null);
  }

  async #follow(confs: AsyncGenerator<ResolvConf>): Promise<void> {
    for await (const conf of confs) {
      try {
        await this.#use(conf);
      } catch (error) {
        this.#log("warn", "the nameservers have changed, and can't be followed", { error });
      }
    }
  }

  /** Opens stubs for these nameservers, and has the helper send the user's queries there. */
  async #use(conf: ResolvConf): Promise<void> {
    const { channel } = this.#worker;
    await channel.call("surroundings", { hostname: Deno.hostname(), searchDomains: conf.search });
    const open = await channel.call("stubs", {
      uid: Deno.uid() ?? -1,
      accounts: this.#accounts(),
      nameservers: redirectable(conf.nameservers),
    });
    for (const { nameserver, why } of open.failed) {
      this.#log("warn", "a nameserver has no stub: its queries pass", { error: `${nameserver}: ${why}` });
    }
    const { beat, released } = await this.#helper.names(
      // The hooks see no interface.
      open.stubs.map(({ nameserver, stub }) => ({ nameserver: nameserver.replace(/%.*/, ""), stub })),
      open.stubs.flatMap(({ udpFd, tcpFd }) => [udpFd, tcpFd]),
    );
    this.#stubs = open.stubs.map(({ stub }) => stub);
    if (released.length > 0) this.#released(released);
    if (beat === undefined) return;
    try {
      await channel.call("beat", beat);
    } finally {
      closeDescriptor(beat);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watchdog[Symbol.dispose]();
    this.#ending.abort();
    await this.#following;
    await this.#helper.names([], []).catch(() => {}); // a helper that is gone redirects nothing
    this.#worker[Symbol.dispose]();
  }
}
