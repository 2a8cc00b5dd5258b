import type { Pmz } from "../e2e/lib/pmz.ts";
import { Running } from "../e2e/lib/running.ts";
import type { Failed } from "./disturbances.ts";

const program = await Deno.readTextFile(new URL("./ask.py", import.meta.url));

/** What a person's programs ask for, as ask.py says. */
export interface Order {
  readonly host: string;
  readonly http: number;
  readonly tcp: number;
  readonly names: readonly string[];
  readonly short: number;
  readonly lookups: number;
  readonly sizes: number;
  readonly held: number;
}

/** How often something was tried, by its kind, and what failed. */
export interface Account {
  readonly totals: Readonly<Record<string, number>>;
  readonly failures: readonly Failed[];
}

/** Programs of a person that ask all the time, until they are ended. */
export class Asking implements AsyncDisposable {
  readonly #running: Running;

  private constructor(running: Running) {
    this.#running = running;
  }

  static async start({ laptop, person }: Pmz, order: Order): Promise<Asking> {
    const asking = new Asking(laptop.spawn(person, ["python3", "-c", program, JSON.stringify(order)]));
    await asking.#running.says(/^asking$/m);
    return asking;
  }

  /** Lets them end what they have begun. @throws {Error} where they said something else than they should */
  async end(): Promise<Account> {
    await this.#running.closeStdin();
    await this.#running.says(/^\{"totals": .*\}$/m, 60_000);
    await this.#running.status();
    return accountOf(this.#running.said);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
  }
}

/** What ask.py printed. @throws {Error} where that is something else */
export function accountOf(said: string): Account {
  const failures: Failed[] = [];
  let totals: Record<string, number> = {};
  for (const line of said.split("\n")) {
    if (line === "" || line === "asking") continue;
    if (!line.startsWith("{")) throw new Error(`the asking programs said: ${line}`);
    const { totals: all, ...failure }: Partial<Failed> & { totals?: Record<string, number> } = JSON.parse(
      line,
    );
    if (all !== undefined) totals = all;
    else failures.push(failure as Failed);
  }
  return { totals, failures };
}
