import { follow } from "../async/abort.ts";
import { controlFiles } from "../wire/control.ts";
import type {
  AgentRequest,
  AllowedDomain,
  ClusterChoice,
  Controlled,
  CustomName,
  DownRequest,
  DownResult,
  EnvironmentRequest,
  ExplainRequest,
  FlowEvent,
  HeldEnd,
  HelperLog,
  Hold,
  InterceptEntry,
  InterceptRequest,
  NameEntry,
  Plan,
  PlanRequest,
  PluginNeed,
  ServiceEntry,
  ServiceEnvironment,
  Status,
  UpRequest,
  UpResult,
} from "../wire/control.ts";
import type { Explanation } from "../wire/explain.ts";
import type { Flow } from "../wire/flow.ts";
import { type Hello, helloOf } from "../wire/hello.ts";
import type { AgentComponent } from "../wire/installer.ts";
import { RELEASE } from "../wire/version.ts";
import { AcceptedRanges } from "./accepted_ranges.ts";
import { openAllowedDomains } from "./allowed_domains.ts";
import type { SavedEntries } from "./saved_entries.ts";
import { installAgent, removeAgent } from "./commands/agents.ts";
import type { Reporter } from "../wire/progress.ts";
import { ClusterRegistry } from "./clusters/registry.ts";
import { CustomNames, refuseReserved } from "./custom_names.ts";
import { Failure } from "./failure.ts";
import { exactId, intercept, leave } from "./commands/intercept.ts";
import { interceptMine } from "./commands/intercept_mine.ts";
import { environment } from "./commands/environment.ts";
import { Holds, isSameIntercept } from "./commands/holds.ts";
import { explain } from "./commands/explain/explain.ts";
import { flows, followFlows } from "./commands/flows.ts";
import * as overview from "./commands/status.ts";
import { plan } from "./commands/plan.ts";
import { pluginNeed } from "./commands/plugin_need.ts";
import { watchPaths } from "./process/network.ts";
import { watchSleep } from "./process/sleep.ts";
import { up } from "./commands/up.ts";
import type { DaemonParts } from "./parts.ts";

const IDLE_MS = 60_000;
/** Between an answer after which the daemon is to end, and its end: the answer is still sent. In milliseconds. */
const SOON_MS = 50;

/** Reports to nobody. */
const silent: Reporter = { step: (_name, work) => work(() => {}), warn: () => {} };

/** One user's daemon: what the control API can ask for, over the clusters that are connected. */
export class Daemon implements Controlled, AsyncDisposable {
  readonly #parts: DaemonParts;
  readonly #clusters: ClusterRegistry;
  readonly #custom: CustomNames;
  readonly #allowed: SavedEntries<AllowedDomain>;
  readonly #since = new Date().toISOString();
  readonly #ending = new AbortController();
  readonly #sleep: Disposable;
  readonly #paths: AsyncDisposable;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #idleMs: number;
  /** Requests that are being worked on. */
  #working = 0;
  /** One change after the other: two `up`s at once would do everything twice. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #holds = new Holds();
  /** Timers of intercepts that end by themselves. */
  readonly #expiring = new Set<ReturnType<typeof setTimeout>>();
  /** Changes that `down` interrupts: the one whose turn it is, and those that wait. */
  readonly #interruptible = new Set<AbortController>();

  private constructor(
    parts: DaemonParts,
    custom: CustomNames,
    allowed: SavedEntries<AllowedDomain>,
    accepted: AcceptedRanges,
  ) {
    this.#parts = parts;
    this.#custom = custom;
    this.#allowed = allowed;
    this.#clusters = new ClusterRegistry(parts, {
      custom: () => this.#customNames(),
      allowed: () => allowed.all().map(({ domain }) => domain),
    }, accepted);
    this.#sleep = watchSleep(() => {
      parts.log("info", "the machine slept");
      this.#clusters.reconnect();
    });
    this.#paths = watchPaths(() => {
      if (this.#clusters.all.length === 0) return;
      parts.log("info", "the ways out of this machine have changed");
      this.#clusters.reconnect();
    }, parts.log);
    this.#idleMs = parts.idleMs ?? IDLE_MS;
    this.#rest();
  }

  static async start(parts: DaemonParts): Promise<Daemon> {
    const { stateFolder } = parts;
    return new Daemon(
      parts,
      await CustomNames.open(`${stateFolder}/${controlFiles.names}`),
      await openAllowedDomains(`${stateFolder}/${controlFiles.allowed}`),
      await AcceptedRanges.open(stateFolder),
    );
  }

  hello(): Hello {
    return helloOf("control");
  }

  plugin(choice: ClusterChoice): PluginNeed {
    return pluginNeed(choice, this.#clusters);
  }

  async plan(request: PlanRequest): Promise<Plan> {
    return await this.#busy(() => plan(request, this.#clusters, this.#parts));
  }

  up(request: UpRequest, report: Reporter, signal: AbortSignal): Promise<UpResult> {
    // Before it's this one's turn: the helper has just been started, and waits for its daemon for seconds only.
    const claim = request.mode === "capture" ? this.#clusters.laptop.claimHelper() : undefined;
    const connected = this.#interruptibly(signal, async (signal) => {
      await claim?.ready;
      return await up(request, this.#clusters, this.#parts, report, signal);
    });
    return connected.finally(() => claim?.[Symbol.dispose]());
  }

  down(request: DownRequest, report: Reporter): Promise<DownResult> {
    const reason = new Failure("interrupted", "interrupted by `pmz down`: what had begun is undone");
    for (const one of this.#interruptible) one.abort(reason);
    return this.#inTurn(async () => {
      const { context } = request;
      const wasUp = this.#clusters.all.length > 0;
      const left = context === undefined
        ? await this.#clusters.removeAll(report)
        : await this.#clusters.remove(this.#clusters.get(context).id, report);
      if (this.#clusters.all.length === 0) this.#idleMs = SOON_MS; // unless a request comes before that
      return { wasUp, left };
    });
  }

  async status(): Promise<Status> {
    return { ...this.#process, ...await overview.status(this.#clusters) };
  }

  async look(): Promise<Status> {
    return { ...this.#process, ...await overview.look(this.#clusters) };
  }

  get #process() {
    return { release: RELEASE, pid: Deno.pid, since: this.#since };
  }

  async explain(request: ExplainRequest): Promise<Explanation> {
    return await this.#busy(() => explain(request, this.#clusters, this.#customNames()));
  }

  services(): Promise<ServiceEntry[]> {
    return overview.services(this.#clusters);
  }

  names(): NameEntry[] {
    return overview.names(this.#clusters, this.#customNames());
  }

  /** The user's domains, and those that intercepts have as long as they last. */
  #customNames(): CustomName[] {
    const own = this.#custom.all();
    const lent = overview.interceptedDomains(this.#clusters);
    return [...own, ...lent.filter(({ domain }) => !own.some((one) => one.domain === domain))];
  }

  async addName(name: CustomName): Promise<NameEntry> {
    refuseReserved(name, overview.zonesOf(this.#clusters));
    overview.clusterOf(this.#clusters, name); // says what there is, when it isn't there
    const replaced = this.#custom.all().find(({ domain }) => domain === name.domain);
    await this.#custom.add(name);
    await this.#clusters.laptop.publishCustom();
    const entry = this.#entry(name);
    const before = replaced && `${replaced.service}.${replaced.namespace}`;
    return before === undefined || before === entry.target ? entry : { ...entry, before };
  }

  async removeName({ domain }: { readonly domain: string }): Promise<NameEntry> {
    const name = this.#custom.all().find((one) => one.domain === domain);
    const before = name && this.#entry(name);
    const removed = await this.#custom.remove(domain);
    await this.#clusters.laptop.publishCustom();
    return before ??
      {
        name: removed.domain,
        addresses: [],
        custom: true,
        target: `${removed.service}.${removed.namespace}`,
        cluster: "",
      };
  }

  allowedDomains(): AllowedDomain[] {
    return this.#allowed.all();
  }

  async allowDomain({ domain }: AllowedDomain): Promise<AllowedDomain> {
    const allowed = { domain: domain.replace(/^\*\./, "") };
    await this.#allowed.add(allowed);
    await this.#clusters.laptop.publishAllowed();
    return allowed;
  }

  async disallowDomain({ domain }: { readonly domain: string }): Promise<AllowedDomain[]> {
    const removed = await this.#allowed.remove(domain.replace(/^\*\./, ""));
    await this.#clusters.laptop.publishAllowed();
    return removed ? [removed] : [];
  }

  #entry(name: CustomName): NameEntry {
    const entry = overview.names(this.#clusters, this.#customNames()).find((one) =>
      one.custom && one.name === name.domain
    );
    if (!entry) throw new Failure("internal", `the domain ${name.domain} was not added`);
    return entry;
  }

  async helperLog(): Promise<HelperLog> {
    const text = await this.#clusters.laptop.hostCapture?.helperLog();
    return text === undefined ? {} : { text };
  }

  flows(): Promise<Flow[]> {
    return flows(this.#clusters);
  }

  followFlows(_request: object, signal: AbortSignal): AsyncGenerator<FlowEvent> {
    return followFlows(this.#clusters, signal);
  }

  intercepts(): Promise<InterceptEntry[]> {
    return overview.intercepts(this.#clusters);
  }

  intercept(request: InterceptRequest, report: Reporter, signal: AbortSignal): Promise<InterceptEntry> {
    return this.#interruptibly(signal, async (signal) => {
      if (request.domain !== undefined) this.#refuseDomain(request.domain, request);
      if (request.hold !== undefined) this.#holds.check(request.hold);
      const before = request.hold === undefined ? [] : await this.intercepts();
      const entry = request.mine
        ? await interceptMine(request, this.#clusters, report)
        : await intercept(request, this.#clusters, this.#parts, report, signal);
      const stood = before.some((one) => isSameIntercept(one, entry) && !this.#holds.has(one));
      if (request.hold === undefined) this.#holds.letGo(entry);
      else if (!stood) await this.#hold(request.hold, entry);
      if (entry.domain !== undefined) await this.#clusters.laptop.publishCustom();
      if (entry.until !== undefined) this.#endAt(entry.until, entry);
      return entry;
    });
  }

  leave({ id }: { readonly id: string }, report: Reporter): Promise<InterceptEntry> {
    return this.#leave(id, report, "left");
  }

  #leave(id: string, report: Reporter, why: HeldEnd): Promise<InterceptEntry> {
    return this.#inTurn(async () => {
      const entry = await leave(id, this.#clusters, report);
      this.#holds.ended(entry, why);
      if (entry.domain !== undefined) await this.#clusters.laptop.publishCustom();
      return entry;
    });
  }

  /** In the turn of the intercept. @throws {Failure} when its holder has gone: it has ended then */
  async #hold(hold: string, entry: InterceptEntry): Promise<void> {
    try {
      this.#holds.add(hold, entry);
    } catch (error) {
      if (!this.#holds.has(entry)) await leave(exactId(entry), this.#clusters, silent);
      throw error;
    }
  }

  hold(_request: object, signal: AbortSignal): AsyncGenerator<Hold> {
    return this.#holds.hold(
      (entry) =>
        this.#endHeld(entry, silent).catch((error) =>
          this.#parts.log("warn", "an intercept can't be ended with its command", {
            intercept: entry.id,
            error,
          })
        ),
      signal,
    );
  }

  release({ hold }: { readonly hold: string }, report: Reporter): Promise<readonly InterceptEntry[]> {
    return this.#holds.release(hold, (entry) => this.#endHeld(entry, report));
  }

  /** Ends an intercept that was held, unless it has ended by now, or is another one. */
  async #endHeld(held: InterceptEntry, report: Reporter): Promise<void> {
    const there = (await this.intercepts()).some((one) => isSameIntercept(one, held));
    if (there) await this.leave({ id: exactId(held) }, report);
  }

  async environment(request: EnvironmentRequest): Promise<ServiceEnvironment> {
    return await this.#busy(() => environment(request, this.#clusters));
  }

  /** @throws {Failure} for a domain that can't be a name here, or is one already */
  #refuseDomain(domain: string, { service, namespace }: InterceptRequest): void {
    const own = this.#custom.all().find((one) => one.domain === domain);
    if (own && (own.service !== service || namespace !== undefined && own.namespace !== namespace)) {
      throw new Failure("conflict", `${domain} is a domain of yours for ${own.service}.${own.namespace}`, {
        hint: `choose another one, or take it back: pmz dns remove ${domain}`,
      });
    }
    refuseReserved({ domain, service, namespace: namespace ?? "default" }, overview.zonesOf(this.#clusters));
  }

  /** Ends an intercept at its time, unless it has another one by then. */
  #endAt(until: string, { id, cluster }: InterceptEntry): void {
    const timer = setTimeout(async () => {
      this.#expiring.delete(timer);
      const there = (await this.intercepts()).find((one) => one.until === until && one.cluster === cluster);
      if (!there) return;
      await this.#leave(there.id, silent, "time").catch((error) =>
        this.#parts.log("warn", "an intercept whose time is up can't be ended", { intercept: id, error })
      );
    }, Math.max(0, Date.parse(until) - Date.now()));
    this.#expiring.add(timer);
  }

  async agent(choice: ClusterChoice): Promise<AgentComponent[]> {
    return await this.#busy(async () => {
      await using looked = await this.#clusters.look(choice);
      return await this.#parts.installer.status(looked.connection.api, ["gateway", "node"]);
    });
  }

  async installAgent(
    request: AgentRequest,
    report: Reporter,
    signal: AbortSignal,
  ): Promise<AgentComponent[]> {
    return await this.#busy(() => installAgent(request, this.#clusters, this.#parts, report, signal));
  }

  async removeAgent(request: AgentRequest, report: Reporter, signal: AbortSignal): Promise<AgentComponent[]> {
    return await this.#busy(() => removeAgent(request, this.#clusters, this.#parts, report, signal));
  }

  /** Ends the daemon as soon as it has nothing to do and no cluster, and a helper that waits for it; the answer to this is still sent. */
  async stop(): Promise<void> {
    await this.#busy(() => this.#clusters.laptop.endUnclaimedHelper());
    this.#idleMs = SOON_MS;
    this.#rest();
  }

  /** In its turn, with a signal that aborts when the asker goes away, at `down`, and when the daemon ends. */
  async #interruptibly<T>(asker: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const interrupt = new AbortController();
    using _asker = follow(asker, interrupt);
    using _ending = follow(this.#ending.signal, interrupt);
    this.#interruptible.add(interrupt);
    try {
      return await this.#inTurn(async () => {
        interrupt.signal.throwIfAborted();
        return await work(interrupt.signal);
      });
    } finally {
      this.#interruptible.delete(interrupt);
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(() => this.#busy(work));
    this.#turn = done.catch(() => {});
    return done;
  }

  async #busy<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    this.#idleMs = this.#parts.idleMs ?? IDLE_MS;
    this.#working++;
    try {
      return await work();
    } finally {
      this.#working--;
      this.#rest();
    }
  }

  #rest(): void {
    clearTimeout(this.#idle);
    if (this.#working > 0 || this.#clusters.all.length > 0 || this.#ending.signal.aborted) return;
    this.#idle = setTimeout(() => this.#parts.ended(), this.#idleMs);
  }

  /** Interrupts the running work, waits until it has undone what it had begun, and undoes the rest. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Failure("interrupted", "the daemon is ending"));
    clearTimeout(this.#idle);
    for (const timer of this.#expiring) clearTimeout(timer);
    this.#sleep[Symbol.dispose]();
    await this.#paths[Symbol.asyncDispose]();
    await this.#turn;
    await this.#clusters[Symbol.asyncDispose]();
  }
}
