import { uidsOf } from "../../ffi/proc/subuids.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import type { StandIn } from "../../wire/helper.ts";
import type { NamesCalls, NoCalls } from "../../names/protocol.ts";
import { canStandIn, type ResolvConf, watchResolvConf } from "./resolv_conf.ts";
import type { NameServerStats } from "../../names/server/stats.ts";
import type { CustomDomain, ZoneChange, ZoneData } from "../../names/zone/zone_data.ts";
import type { Log } from "../process/log.ts";
import { openWorker, type StartWorker } from "../../threads/worker.ts";
import type { Channel } from "../../threads/channel.ts";

/** The helper, as far as names go: sends the user's queries to these stand-ins; the beat map's descriptor is the answer. */
export interface NamesHelper {
  names(standIns: readonly StandIn[], fds: readonly number[]): Promise<number | undefined>;
}

/** What NameCapture needs. */
export interface NameCaptureParts {
  readonly helper: NamesHelper;
  readonly startWorker: StartWorker;
  readonly log: Log;
  /** The worker died: names don't answer any more, and queries go where they would without pmz. */
  readonly failed: () => void;
  /** Where the nameservers are configured, and how often it's looked at besides; /etc/resolv.conf without it. */
  readonly resolvConf?: { readonly path: string; readonly everyMs: number };
}

/**
 * The user's DNS: the names worker, its stand-ins in the helper's hands, and the nameservers of resolv.conf, followed.
 * Disposing gives the queries back first, then ends the stand-ins. Should the worker die, its heart stops, and the
 * queries go where they would without pmz.
 */
export class NameCapture implements AsyncDisposable {
  readonly #worker: Disposable & { channel: Channel<NoCalls, NamesCalls> };
  readonly #helper: NamesHelper;
  readonly #log: Log;
  readonly #ending = new AbortController();
  #following: Promise<void> = Promise.resolve();

  private constructor({ helper, startWorker, log, failed }: NameCaptureParts) {
    this.#worker = openWorker<NoCalls, NamesCalls>(startWorker, "names", {}, (error) => {
      log("warn", "names don't answer any more", { error });
      failed();
    });
    this.#helper = helper;
    this.#log = log;
  }

  /** Opens the stand-ins; settles when the user's queries go to them. */
  static async start(parts: NameCaptureParts): Promise<NameCapture> {
    const names = new NameCapture(parts);
    const { signal } = names.#ending;
    const confs = watchResolvConf({ signal, ...parts.resolvConf });
    try {
      const first = await confs.next();
      if (!first.done) await names.#use(first.value);
      names.#following = names.#follow(confs).catch((error) =>
        parts.log("warn", "the nameservers aren't followed any more", { error })
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

  async setCustom(domains: readonly CustomDomain[]): Promise<void> {
    await this.#worker.channel.call("custom", domains);
  }

  async stats(): Promise<NameServerStats> {
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

  /** Opens stand-ins for these nameservers, and has the helper send the user's queries there. */
  async #use(conf: ResolvConf): Promise<void> {
    const { channel } = this.#worker;
    const uid = Deno.uid() ?? -1;
    await channel.call("surroundings", { hostname: Deno.hostname(), searchDomains: conf.search });
    const open = await channel.call("standIns", {
      uid,
      accounts: uidsOf(uid),
      nameservers: conf.nameservers.filter(canStandIn),
    });
    for (const { nameserver, why } of open.failed) this.#log("warn", `no stand-in for ${nameserver}: ${why}`);
    const beat = await this.#helper.names(
      open.standIns.map(({ nameserver, standIn }) => ({ nameserver, standIn })),
      open.standIns.flatMap(({ udpFd, tcpFd }) => [udpFd, tcpFd]),
    );
    if (beat === undefined) return;
    try {
      await channel.call("beat", beat);
    } finally {
      closeDescriptor(beat);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#following;
    await this.#helper.names([], []).catch(() => {}); // a helper that is gone has let go already
    this.#worker[Symbol.dispose]();
  }
}
