import { controlFiles } from "../wire/control.ts";
import type {
  AgentRequest,
  ClusterChoice,
  CustomName,
  DownRequest,
  DownResult,
  InterceptEntry,
  InterceptRequest,
  NameEntry,
  Plan,
  PlanRequest,
  ServiceEntry,
  Status,
  UpRequest,
  UpResult,
} from "../wire/control.ts";
import type { AgentComponent } from "../wire/installer.ts";
import { RELEASE } from "../wire/version.ts";
import { installAgent, removeAgent } from "./agents.ts";
import type { Controlled } from "./control/app.ts";
import type { Reporter } from "./control/progress.ts";
import { Clusters } from "./clusters.ts";
import { CustomNames } from "./custom_names.ts";
import { Failure } from "./failure.ts";
import { intercept, leave } from "./intercepts/commands.ts";
import { plan } from "./plan.ts";
import { up } from "./up.ts";
import type { DaemonParts } from "./parts.ts";
import { ClusterConnection } from "./cluster/connection.ts";

/** A daemon with nothing connected ends by itself after this, in milliseconds. */
const IDLE_MS = 60_000;

/** One user's daemon: what the control API can ask for, over the clusters that are connected. */
export class Daemon implements Controlled, AsyncDisposable {
  readonly #parts: DaemonParts;
  readonly #clusters: Clusters;
  readonly #custom: CustomNames;
  readonly #since = new Date().toISOString();
  #idle: ReturnType<typeof setTimeout> | undefined;
  /** One change after the other: two `up`s at once would do everything twice. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(parts: DaemonParts, custom: CustomNames) {
    this.#parts = parts;
    this.#custom = custom;
    this.#clusters = new Clusters(parts, () => custom.all());
    this.#rest();
  }

  static async start(parts: DaemonParts): Promise<Daemon> {
    return new Daemon(parts, await CustomNames.open(`${parts.stateFolder}/${controlFiles.names}`));
  }

  async plan(request: PlanRequest): Promise<Plan> {
    return await this.#busy(() => plan(request, this.#clusters, this.#parts));
  }

  up(request: UpRequest, report: Reporter, signal: AbortSignal): Promise<UpResult> {
    return this.#inTurn(() => up(request, this.#clusters, this.#parts, report, signal));
  }

  down(request: DownRequest, report: Reporter): Promise<DownResult> {
    return this.#inTurn(async () => {
      const { context } = request;
      const wasUp = this.#clusters.all.length > 0;
      const left = context === undefined
        ? await this.#clusters.removeAll(report)
        : await this.#clusters.remove(this.#clusters.get(context).id, report);
      if (this.#clusters.all.length === 0) this.stop();
      return { wasUp, left };
    });
  }

  async status(): Promise<Status> {
    return {
      release: RELEASE,
      pid: Deno.pid,
      since: this.#since,
      ...await this.#clusters.status(),
    };
  }

  services(): ServiceEntry[] {
    return this.#clusters.services();
  }

  names(): NameEntry[] {
    return this.#clusters.names();
  }

  async addName(name: CustomName): Promise<NameEntry> {
    this.#clusters.find(name); // says what there is, when it isn't there
    await this.#custom.add(name);
    await this.#clusters.publishCustom();
    return this.#entry(name);
  }

  async removeName(domain: string): Promise<NameEntry> {
    const name = this.#custom.all().find((one) => one.domain === domain);
    const before = name && this.#entry(name);
    const removed = await this.#custom.remove(domain);
    await this.#clusters.publishCustom();
    return before ??
      {
        name: removed.domain,
        addresses: [],
        custom: true,
        target: `${removed.service}.${removed.namespace}`,
        cluster: "",
      };
  }

  #entry(name: CustomName): NameEntry {
    const entry = this.#clusters.names().find((one) => one.custom && one.name === name.domain);
    if (!entry) throw new Failure("internal", `${name.domain} was not taken`);
    return entry;
  }

  intercepts(): Promise<InterceptEntry[]> {
    return this.#clusters.intercepts();
  }

  intercept(request: InterceptRequest, report: Reporter, signal: AbortSignal): Promise<InterceptEntry> {
    return this.#inTurn(() => intercept(request, this.#clusters, this.#parts, report, signal));
  }

  leave(id: string, report: Reporter): Promise<InterceptEntry> {
    return this.#inTurn(() => leave(id, this.#clusters, report));
  }

  async agent(choice: ClusterChoice): Promise<AgentComponent[]> {
    await using connection = await ClusterConnection.open(choice, this.#parts.log);
    return await this.#parts.installer.status(connection.api, ["gateway", "node"]);
  }

  async installAgent(
    request: AgentRequest,
    report: Reporter,
    signal: AbortSignal,
  ): Promise<AgentComponent[]> {
    return await this.#busy(() => installAgent(request, this.#parts, report, signal));
  }

  async removeAgent(request: AgentRequest, report: Reporter, signal: AbortSignal): Promise<AgentComponent[]> {
    return await this.#busy(() => removeAgent(request, this.#parts, report, signal));
  }

  /** Ends the daemon soon: the answer that goes on is still sent. */
  stop(): void {
    setTimeout(() => this.#parts.ended(), 50);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(() => this.#busy(work));
    this.#turn = done.catch(() => {});
    return done;
  }

  async #busy<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    try {
      return await work();
    } finally {
      this.#rest();
    }
  }

  #rest(): void {
    clearTimeout(this.#idle);
    if (this.#clusters.all.length === 0) this.#idle = setTimeout(() => this.#parts.ended(), IDLE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#idle);
    await this.#clusters[Symbol.asyncDispose]();
  }
}
