import { type CliParts, runCli } from "../cli.ts";
import { checkResults } from "./check_results.ts";
import { FakeSetup } from "./fake_setup.ts";
import { smallReport } from "./small_report.ts";
import { logNews } from "./log_news.ts";
import { type Answers, FakeDaemon } from "./fake_daemon.ts";

/** What a command line did. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a test wants its world. */
export interface WorldOptions {
  /** Whether a daemon runs from the beginning; else `startDaemon` starts it. */
  readonly running?: boolean;
  readonly answers?: Partial<Answers>;
  /** What is typed; undefined where stdin is not a terminal. */
  readonly typed?: readonly string[];
  /** Whether stdout and stderr are terminals. */
  readonly terminal?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly parts?: Partial<CliParts>;
}

/** A state folder of its own, a fake daemon in it, and a command line. */
export class World implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "pmz-cli-" });
  readonly #options: WorldOptions;
  #daemon: FakeDaemon | undefined;
  started = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    if (options.running ?? true) this.#daemon = new FakeDaemon(this.folder, options.answers);
  }

  /** The daemon that runs, or ran. */
  get daemon(): FakeDaemon {
    if (!this.#daemon) throw new Error("no daemon was started");
    return this.#daemon;
  }

  /** Runs `pmz` with these arguments, as a shell without quotes would split them. */
  async pmz(line: string, parts: Partial<CliParts> = {}): Promise<Ran> {
    const said = { stdout: "", stderr: "" };
    const words = line.split(" ").filter((word) => word !== "");
    const code = await runCli(words, { ...this.parts((to, text) => void (said[to] += text)), ...parts });
    return { code, ...said };
  }

  /** What a command line in it is made of. */
  parts(write: (to: "stdout" | "stderr", text: string) => void = () => {}): CliParts {
    const { typed, terminal = false, env = {} } = this.#options;
    const answers = [...typed ?? []];
    const output = (to: "stdout" | "stderr") => ({
      isTerminal: terminal,
      columns: () => terminal ? 80 : undefined,
      write: (text: string) => write(to, text),
    });
    return {
      release: "0.1.0",
      stateFolder: this.folder,
      env: { get: (name) => env[name] },
      environment: () => ({ variables: env, folder: "/work" }),
      pluginCredential: () => Promise.resolve(undefined),
      stdin: { isTerminal: typed !== undefined, readLine: () => Promise.resolve(answers.shift() ?? null) },
      stdout: output("stdout"),
      stderr: output("stderr"),
      startDaemon: () => {
        this.started++;
        this.#daemon = new FakeDaemon(this.folder, this.#options.answers);
        return Promise.resolve();
      },
      helperCommand: () => ["true"],
      selfCommand: (args) => ["true", ...args],
      setup: () => Promise.resolve(new FakeSetup()),
      manifests: (components, options) => `# ${components.join(" ")} ${JSON.stringify(options)}`,
      leftovers: () => Promise.resolve([]),
      shellWarnings: () => Promise.resolve([]),
      lookup: () => Promise.resolve(["10.96.25.30"]),
      contexts: () => ["dev", "staging"],
      report: (request) => Promise.resolve(smallReport(request)),
      logs: () => logNews(),
      doctor: () => Promise.resolve(checkResults),
      servePage: () =>
        Promise.resolve({ url: "http://127.0.0.1:4600/TOKEN/", ended: Promise.resolve("down" as const) }),
      openBrowser: () => Promise.resolve(true),
      now: () => Date.parse("2026-01-01T12:00:00Z"),
      uid: 1000,
      interrupted: new AbortController().signal,
      ...this.#options.parts,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}
