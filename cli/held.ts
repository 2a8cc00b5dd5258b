import type { HeldEnd, Hold } from "../wire/control.ts";
import type { ControlClient } from "./control_client.ts";
import type { Cli } from "./session.ts";
import type { Terminal } from "./terminal.ts";

/** How `pmz run` intercepts: what is said doesn't go to stdout, and it lasts as long as it is held. */
export interface HeldTerms {
  readonly terminal: Terminal;
  readonly hold: () => Promise<string>;
}

const reasons: Readonly<Record<HeldEnd, string>> = {
  time: "its time is up",
  left: "it was ended by another command",
};

/** What lasts as long as this process: the daemon ends it when this is disposed of, and however this process ends. */
export class Held implements AsyncDisposable {
  readonly #cli: Cli;
  #held: { readonly daemon: ControlClient; readonly hold: string } | undefined;
  #isEnding = false;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  /** The hold, for requests. The daemon that tells it has to be the one that is asked. */
  async hold(): Promise<string> {
    if (this.#held) return this.#held.hold;
    const daemon = await this.#cli.startedDaemon();
    const told = daemon.stream("hold", {});
    const { value } = await told.next();
    if (!value || !("hold" in value)) throw new Error("the daemon tells no hold");
    this.#held = { daemon, hold: value.hold };
    void this.#sayWhatEnds(told);
    return value.hold;
  }

  async #sayWhatEnds(told: AsyncGenerator<Hold>): Promise<void> {
    const say = (text: string) => {
      if (!this.#isEnding && !this.#cli.signal.aborted) this.#cli.terminal.warn(text);
    };
    try {
      for await (const news of told) {
        if ("ended" in news) {
          say(`${news.ended} is intercepted no longer, since ${reasons[news.why]}; the program still runs`);
        }
      }
    } catch {
      // The daemon was killed.
    }
    say("the intercept has ended, since pmz went down; the program still runs");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    if (!this.#held) return;
    const { daemon, hold } = this.#held;
    await this.#cli.follow(daemon, "release", { hold }).catch(() => {}); // it ends with our connection, too
  }
}
