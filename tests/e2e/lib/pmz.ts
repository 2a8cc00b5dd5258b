import type { Status } from "../../../wire/control.ts";
import { CommandError, type Ended, type RunOptions } from "./command.ts";
import type { Laptop, Person } from "./laptop.ts";

/** What sudo has to be told on standard input. */
const passwords: Record<Person, string> = { alice: "alice\n", bob: "", root: "" };

/** The installed program, in one person's hands. */
export class Pmz {
  constructor(readonly laptop: Laptop, readonly person: Person) {}

  /** Runs a command of pmz to its end, whatever its exit status; standard input has the password for sudo. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return this.laptop.run(this.person, ["pmz", ...args], { stdin: passwords[this.person], ...options });
  }

  /**
   * Runs a command of pmz that has to succeed.
   *
   * @throws {CommandError} with its own words
   */
  async done(args: readonly string[], options?: RunOptions): Promise<Ended> {
    const ended = await this.run(args, options);
    if (ended.code !== 0) throw new CommandError(ended);
    return ended;
  }

  /** What a command says with `-o json`; its `kind` is the caller's to check. */
  async json<Answer>(args: readonly string[]): Promise<Answer> {
    return JSON.parse((await this.done([...args, "-o", "json"])).stdout) as Answer;
  }

  /** `pmz up` with a yes to whatever it has to install. */
  up(...args: string[]): Promise<Ended> {
    return this.done(["up", "--yes", ...args], { timeout: 60_000 });
  }

  /** Runs any other program as this person, which has to succeed; answers its standard output. */
  shell(script: string, options?: RunOptions): Promise<string> {
    return this.laptop.output(this.person, ["bash", "-c", script], options);
  }

  /** The process id of the daemon. */
  async daemon(): Promise<number> {
    return (await this.json<Status>(["status"])).pid;
  }

  /** The process id of the root helper. */
  async helper(): Promise<number> {
    const uid = (await this.shell("id -u")).trim();
    const state = await this.laptop.output("root", ["cat", `/run/pmz/${uid}/helper.json`]);
    return (JSON.parse(state) as { pid: number }).pid;
  }
}
