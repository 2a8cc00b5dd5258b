import { whyReserved } from "../names/zone/reserved_names.ts";
import type { ZoneData } from "../names/zone/zone_data.ts";
import { list } from "../wire/schema.ts";
import { type CustomName, customName } from "../wire/control.ts";
import { Failure } from "./failure.ts";
import { whyShadowing } from "./shadowed_names.ts";

/** Custom domains at most: each is looked at for every query. */
const MOST = 1_000;

/** The user's own domains, in a file of the state folder: they stay after `pmz down`. */
export class CustomNames {
  readonly #path: string;
  readonly #names: Map<string, CustomName>;
  /** One change after the other: each writes the whole file. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(path: string, names: Map<string, CustomName>) {
    this.#path = path;
    this.#names = names;
  }

  /** @throws {Failure} when the file is not valid; it is not overwritten. */
  static async open(path: string): Promise<CustomNames> {
    const names = new Map<string, CustomName>();
    try {
      const saved = list(customName, MOST).parse(JSON.parse(await Deno.readTextFile(path)), "names");
      for (const name of saved) names.set(name.domain, name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Failure("usage", `your domains in ${path} can't be read: ${why}`, {
          hint: "correct the file, or move it away",
          cause: error,
        });
      }
    }
    return new CustomNames(path, names);
  }

  all(): CustomName[] {
    return [...this.#names.values()];
  }

  /** Adds or replaces. @throws {Failure} at the limit, or when the file can't be written; then nothing has changed. */
  add(name: CustomName): Promise<void> {
    return this.#inTurn(() => this.#add(name));
  }

  /** @throws {Failure} `not-found` when there's no such domain. */
  remove(domain: string): Promise<CustomName> {
    return this.#inTurn(() => this.#remove(domain));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #add(name: CustomName): Promise<void> {
    if (!this.#names.has(name.domain) && this.#names.size >= MOST) {
      throw new Failure("usage", `there are ${MOST} domains of yours already, which is the limit`, {
        hint: "remove some: pmz dns remove DOMAIN",
      });
    }
    await this.#change((names) => names.set(name.domain, name));
  }

  async #remove(domain: string): Promise<CustomName> {
    const name = this.#names.get(domain);
    if (!name) {
      throw new Failure("not-found", `${domain} is not a domain of yours`, {
        hint: "to see them: pmz dns list",
      });
    }
    await this.#change((names) => names.delete(domain));
    return name;
  }

  async #change(change: (names: Map<string, CustomName>) => void): Promise<void> {
    const next = new Map(this.#names);
    change(next);
    const draft = `${this.#path}.new`;
    try {
      await Deno.writeTextFile(draft, `${JSON.stringify([...next.values()], null, 2)}\n`, { mode: 0o600 });
      await Deno.rename(draft, this.#path);
    } catch (error) {
      throw new Failure("internal", `your domains can't be saved in ${this.#path}`, {
        hint: "is the disk full?",
        cause: error,
      });
    }
    change(this.#names);
  }
}

/** @throws {Failure} `usage` for a domain that would never answer, or would hide names of Services */
export function refuseReserved(
  { domain }: CustomName,
  zones: readonly ZoneData[],
  hostname: string = Deno.hostname(),
): void {
  const why = whyReserved(domain, hostname.toLowerCase()) ?? whyShadowing(domain, zones);
  if (why === undefined) return;
  throw new Failure("usage", `${domain} is not a valid domain of yours: ${why}`, {
    hint: "choose another one, such as shop.example",
  });
}
