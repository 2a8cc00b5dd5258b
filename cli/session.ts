import { withTimeout } from "../async/timeout.ts";
import type { AnswerOf, CallOf, ClusterChoice, ClusterName, RequestOf } from "../wire/control.ts";
import type { Interruption } from "./interruption.ts";
import { ControlClient } from "./control_client.ts";
import { failure } from "./failure.ts";
import type { CliParts } from "./parts.ts";
import type { Settings } from "./settings/settings.ts";
import { Steps } from "./steps.ts";
import type { Look } from "./terminal.ts";
import type { ForwardedSignal, Interrupt } from "./interrupt.ts";
import { Terminal } from "./terminal.ts";

/** A daemon has this long to take the request that it may end, in milliseconds. */
const STOP_TIMEOUT_MS = 2_000;
/** Taking back what an interrupted command began may take this long, in milliseconds. */
const UNDO_TIMEOUT_MS = 10_000;
/** How long a root helper that is being started is waited for, in milliseconds, when the command was interrupted meanwhile. */
const HELPER_START_MS = 5_000;

/** Which cluster a command is about. */
interface ChoiceOptions {
  readonly context?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly namespace?: string | undefined;
}

/** What a command works with, for the time it runs. */
export class Cli implements AsyncDisposable {
  readonly parts: CliParts;
  readonly terminal: Terminal;
  /** Aborts with Ctrl-C. */
  readonly signal: AbortSignal;
  #settings: Promise<Settings> | undefined;
  #helperStart: Promise<unknown> | undefined;
  #undo: ((daemon: ControlClient) => Promise<unknown>) | undefined;
  #startedDaemon: ControlClient | undefined;
  #isEndless = false;
  readonly #interrupt: Pick<Interrupt, "handOver"> | undefined;
  /** The program and arguments that stood after "--", for a command that runs one. */
  readonly program: readonly string[];
  /** With what pmz ends when the command doesn't fail. */
  exitCode = 0;
  /** What to say after Ctrl-C from now on, instead of the command's own words. */
  interrupted: Interruption | undefined;

  constructor(
    parts: CliParts,
    { look, program = [] }: { readonly look: Look; readonly program?: readonly string[] },
    signal: AbortSignal,
    interrupt?: Pick<Interrupt, "handOver">,
  ) {
    this.parts = parts;
    this.program = program;
    this.#interrupt = interrupt;
    this.terminal = new Terminal(parts, look);
    this.signal = signal;
  }

  /** What holds where the command line says nothing. @throws {CliFailure} `usage` where a file or variable isn't valid */
  settings(): Promise<Settings> {
    // Loaded by the commands that need them, and no others: it costs time.
    return this.#settings ??= import("./settings/settings.ts").then(({ readSettings }) =>
      readSettings(this.parts)
    );
  }

  /** Whether Ctrl-C is the regular end of the command. */
  get isEndless(): boolean {
    return this.#isEndless;
  }

  /** Declares that the command runs until Ctrl-C, and then ends with exit code 0. */
  untilCtrlC(): void {
    this.#isEndless = true;
  }

  /** Until it's disposed of, signals of this process are told here, and interrupt nothing. */
  handOverSignals(to: (signal: ForwardedSignal) => void): Disposable {
    return this.#interrupt?.handOver(to) ?? { [Symbol.dispose]() {} };
  }

  /** The daemon; undefined when none runs. */
  async runningDaemon(options: { anyVersion?: boolean } = {}): Promise<ControlClient | undefined> {
    const { stateFolder, release } = this.parts;
    return await ControlClient.connect({ stateFolder, release, signal: this.signal, ...options });
  }

  /**
   * The daemon, for what needs a connection.
   * @throws {CliFailure} `not-up` when none runs.
   */
  async daemon(): Promise<ControlClient> {
    const client = await this.runningDaemon();
    if (client) return client;
    throw failure("not-up", "pmz is not up", "run: pmz up");
  }

  /** The daemon, started in the background if none runs. */
  async startedDaemon(): Promise<ControlClient> {
    const running = await this.runningDaemon();
    if (running) return running;
    await this.parts.startDaemon();
    this.signal.throwIfAborted();
    const started = await this.runningDaemon();
    if (!started) {
      throw failure(
        "internal",
        "the daemon was started and doesn't answer",
        `its log: ${this.parts.stateFolder}/daemon.log`,
      );
    }
    this.#startedDaemon = started;
    return started;
  }

  /** Starts the daemon if none runs, and leaves it running without a cluster. */
  async keepDaemon(): Promise<void> {
    await this.startedDaemon();
    this.#startedDaemon = undefined;
  }

  /** Follows long work of the daemon, and shows its steps. */
  async follow<Name extends CallOf<"progress">>(
    client: ControlClient,
    name: Name,
    request: RequestOf<Name>,
  ): Promise<AnswerOf<Name>> {
    using steps = new Steps(this.terminal);
    return await client.follow(name, request, steps.show);
  }

  /**
   * The connected cluster of this context; without a context, the only one.
   * @throws {CliFailure} `not-found` when it isn't connected, `usage` when several are.
   */
  async connected(client: ControlClient, context?: string): Promise<ClusterName> {
    const { clusters } = await client.ask("status");
    const names = clusters.map(({ cluster }) => cluster);
    const meant = context === undefined ? names : names.filter((name) => name.context === context);
    const [only, ...others] = meant;
    if (!only) {
      if (context !== undefined) {
        throw failure(
          "not-found",
          `pmz is not connected to "${context}"`,
          `run: pmz up --context ${context}`,
        );
      }
      throw failure("not-up", "pmz is not connected to any cluster", "run: pmz up");
    }
    if (others.length > 0) {
      throw failure(
        "usage",
        `pmz is connected to ${meant.length} clusters`,
        `choose one: --context ${only.context}`,
      );
    }
    return only;
  }

  /**
   * The cluster as a request names it, with a credential of its user's exec plugin if there is one: the plugin runs here, on this terminal.
   * @throws {CliFailure} `credentials` when the plugin fails
   */
  async chosen(daemon: ControlClient, options: ChoiceOptions): Promise<ClusterChoice> {
    const choice = await this.choice(options);
    const { isNeeded, ...meant } = await daemon.ask("plugin", choice);
    if (!isNeeded) return choice;
    const credential = await this.parts.pluginCredential(meant);
    return credential === undefined ? choice : { ...choice, credential };
  }

  /** The cluster as a request names it. KUBECONFIG is this shell's; the daemon may have been started in another. */
  async choice(options: ChoiceOptions): Promise<ClusterChoice> {
    const settings = await this.settings();
    const { context = settings.context, namespace = settings.namespace } = options;
    const kubeconfig = options.kubeconfig ?? (this.parts.env.get("KUBECONFIG") || undefined);
    const absolute = kubeconfig?.split(":").filter((path) => path !== "").map(absolutePath).join(":");
    return {
      environment: this.parts.environment(),
      ...(context === undefined ? {} : { context }),
      ...(absolute === undefined ? {} : { kubeconfig: absolute }),
      ...(namespace === undefined ? {} : { namespace }),
    };
  }

  /** Says that the root helper is being started: an interrupted command waits for that, since the helper would wait for its daemon. */
  startsHelper(start: Promise<unknown>): void {
    this.#helperStart = start;
  }

  /**
   * Says how to take back what has begun, should the command be interrupted from now on; undefined: nothing has to be. The daemon undoes
   * what it is told to stop, but it may just have finished.
   */
  undoneBy(undo: ((daemon: ControlClient) => Promise<unknown>) | undefined): void {
    this.#undo = undo;
  }

  /** Undoes what was interrupted. Lets the daemon end if this command started it, and the helper with it: it does where it holds no cluster. */
  async [Symbol.asyncDispose](): Promise<void> {
    const undo = this.signal.aborted ? this.#undo : undefined;
    if (undo) await this.#withDaemon(UNDO_TIMEOUT_MS, undo);
    if (!this.#startedDaemon) return;
    if (this.#helperStart) await withTimeout(this.#helperStart, HELPER_START_MS).catch(() => {}); // sudo may still ask
    await this.#withDaemon(STOP_TIMEOUT_MS, (daemon) => daemon.ask("stop"));
  }

  /** Asks the daemon once more, though the command's own signal may have aborted. One that isn't of use ends by itself a little later. */
  async #withDaemon(timeoutMs: number, ask: (daemon: ControlClient) => Promise<unknown>): Promise<void> {
    const { stateFolder, release } = this.parts;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const daemon = await ControlClient.connect({ stateFolder, release, signal });
      if (daemon) await ask(daemon);
    } catch { /* said above */ }
  }
}

function absolutePath(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
}
