import type { FlowEvent, InterceptEntry, NameEntry, ServiceEntry, Status } from "../wire/control.ts";
import type { Flow } from "../wire/flow.ts";
import { ControlClient } from "../cli/control_client.ts";
import { asFailure, failure } from "../cli/failure.ts";
import { readSettings } from "../cli/settings/settings.ts";
import type { CliParts } from "../cli/parts.ts";
import type { NoticeView } from "./views.ts";

/** What is asked often. */
export interface Snapshot {
  readonly status: Status;
  readonly intercepts: readonly InterceptEntry[];
  readonly flows: readonly Flow[];
  /** The patterns of contexts that the settings protect. */
  readonly protect: readonly string[];
}

/** What is asked seldom, for it costs more: the daemon asks the cluster for the rules of all users. */
export interface Directory {
  readonly services: readonly ServiceEntry[];
  readonly names: readonly NameEntry[];
}

/** Where the page's content is from. Each call fails with a NoticeView's words. */
export interface Source {
  snapshot(): Promise<Snapshot>;
  directory(): Promise<Directory>;
  flows(): AsyncIterable<FlowEvent>;
}

/** The user's daemon, by its control API: any that runs at the moment, so the page outlives one that was killed. */
export class DaemonSource implements Source {
  readonly #parts: CliParts;
  readonly #signal: AbortSignal;
  #client: Promise<ControlClient> | undefined;
  /** Whether a tunnel wasn't up the last time, so that it's worth asking why. */
  #isConnecting = false;

  constructor(parts: CliParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  async snapshot(): Promise<Snapshot> {
    const [status, flows, protect] = await Promise.all([
      this.#ask((daemon) => daemon.ask(this.#isConnecting ? "look" : "status")),
      this.#ask((daemon) => daemon.ask("flows")),
      this.#protect(),
    ]);
    this.#isConnecting = status.clusters.some(({ mode, tunnel }) =>
      mode !== "intercept" && tunnel.state === "connecting"
    );
    return { status, intercepts: status.intercepts, flows, protect };
  }

  async directory(): Promise<Directory> {
    const [services, names] = await Promise.all([
      this.#ask((daemon) => daemon.ask("services")),
      this.#ask((daemon) => daemon.ask("names")),
    ]);
    return { services, names };
  }

  async *flows(): AsyncGenerator<FlowEvent> {
    yield* (await this.#daemon()).stream("followFlows");
  }

  async #ask<T>(question: (daemon: ControlClient) => Promise<T>): Promise<T> {
    try {
      return await question(await this.#daemon());
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  #daemon(): Promise<ControlClient> {
    const { stateFolder, release } = this.#parts;
    return this.#client ??= ControlClient.connect({ stateFolder, release, signal: this.#signal }).then(
      (client) => {
        if (client) return client;
        throw failure("not-up", "pmz is not up", "run: pmz up");
      },
    );
  }

  /** Settings that aren't valid are told by the command that reads them, and by no answer here. */
  async #protect(): Promise<readonly string[]> {
    return (await readSettings(this.#parts).catch(() => undefined))?.protect ?? [];
  }
}

/** An error of a source, for the page. */
export function noticeOf(error: unknown): NoticeView {
  const { message, hint } = asFailure(error);
  return hint === undefined ? { message } : { message, hint };
}
