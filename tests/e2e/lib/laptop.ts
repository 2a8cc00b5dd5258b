import { type Ended, output, run, type RunOptions } from "./command.ts";
import { Running } from "./running.ts";
import { Snapshot } from "./snapshot.ts";

/** Who is on each laptop. `sudo` asks alice for her password, "alice"; it asks bob nothing. */
export type Person = "alice" | "bob" | "root";

/** The test cluster's own command. */
export const cluster = new URL("../../cluster/cluster", import.meta.url).pathname;

/** One of the two laptops: a machine that reaches API servers, and no address of a cluster. */
export class Laptop {
  constructor(readonly number: 1 | 2) {}

  /** Runs a command as a person who has logged in, to its end. */
  run(person: Person, command: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return run(this.#as(person, command, options.env), { ...options, env: undefined });
  }

  /** Runs a command that has to succeed; answers its standard output. */
  output(person: Person, command: readonly string[], options: RunOptions = {}): Promise<string> {
    return output(this.#as(person, command, options.env), { ...options, env: undefined });
  }

  /** Starts a command that goes on while the test does other things. Use it with `await using`. */
  spawn(person: Person, command: readonly string[], env?: Record<string, string>): Running {
    return new Running(this.#as(person, command, env));
  }

  /**
   * Starts a command on a terminal of its own, as a person would: for what asks questions, or for passwords. Answer with
   * `await it.says(/password for alice/)` and then `it.write("alice\n")`.
   */
  terminal(person: Person, command: readonly string[], env?: Record<string, string>): Running {
    const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    return new Running(
      this.#as(person, ["script", "-qefc", `exec ${quoted}`, "/dev/null"], { TERM: "xterm", ...env }),
    );
  }

  /** Puts a program into /usr/local/bin, for everyone there. What runs of an older one goes on. */
  async install(file: string): Promise<void> {
    await output([cluster, "install", file, "--laptop", String(this.number)]);
  }

  /** How far the laptop is from all else: round-trip time in milliseconds, Mbit/s each way; what isn't given is none. */
  async distance({ rtt, rate }: { rtt?: number; rate?: number }): Promise<void> {
    const set = [
      ...rtt === undefined ? [] : ["--rtt", String(rtt)],
      ...rate === undefined ? [] : ["--rate", String(rate)],
    ];
    await output([cluster, "distance", "--laptop", String(this.number), ...set.length > 0 ? set : ["off"]]);
  }

  /** Pulls the laptop's cable: open connections hang. */
  async cut(): Promise<void> {
    await output([cluster, "cut", "--laptop", String(this.number)]);
  }

  /** Plugs the cable in again. */
  async restore(): Promise<void> {
    await output([cluster, "restore", "--laptop", String(this.number)]);
  }

  /** What is there now of network, processes and files. */
  async snapshot(): Promise<Snapshot> {
    return Snapshot.parse(await this.output("root", ["sh", "-c", Snapshot.script]));
  }

  /**
   * Waits until the laptop is as it was.
   *
   * @param within in milliseconds
   * @param apart lines that may differ
   * @returns after how many milliseconds it was, as far as can be seen: a snapshot takes about 200 itself
   * @throws {Error} with what differs
   */
  async settles(before: Snapshot, within: number, apart?: RegExp): Promise<number> {
    const begun = performance.now();
    while (true) {
      const asked = performance.now() - begun;
      const difference = before.diff(await this.snapshot(), apart);
      if (difference === "") return asked;
      if (performance.now() - begun > within) {
        throw new Error(`laptop ${this.number} is not as it was, ${within} ms later:\n${difference}`);
      }
    }
  }

  #as(person: Person, command: readonly string[], env: Record<string, string> = {}): string[] {
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return [
      cluster,
      "--user",
      person,
      "--laptop",
      String(this.number),
      "dev",
      "env",
      ...settings,
      ...command,
    ];
  }
}
