import { whyReserved } from "../names/zone/reserved_names.ts";
import type { ZoneData } from "../names/zone/zone_data.ts";
import { type CustomName, customName } from "../wire/control.ts";
import { Failure } from "./failure.ts";
import { readHosts, whyNeverAsked } from "./never_asked.ts";
import { SavedEntries } from "./saved_entries.ts";
import { whyShadowing } from "./shadowed_names.ts";

/** Custom domains at most: each is looked at for every query. */
const MOST = 1_000;

/** The user's own domains, in a file of the state folder: they stay after `pmz down`. */
export class CustomNames {
  readonly #saved: SavedEntries<CustomName>;

  private constructor(saved: SavedEntries<CustomName>) {
    this.#saved = saved;
  }

  /** @throws {Failure} when the file is not valid; it is not overwritten. */
  static async open(path: string): Promise<CustomNames> {
    const saved = await SavedEntries.open({
      path,
      what: "domains",
      schema: customName,
      most: MOST,
      keyOf: ({ domain }) => domain,
      hint: "remove some: pmz dns remove DOMAIN",
    });
    return new CustomNames(saved);
  }

  all(): CustomName[] {
    return this.#saved.all();
  }

  /** Adds or replaces. @throws {Failure} at the limit, or when the file can't be written; then nothing has changed. */
  add(name: CustomName): Promise<void> {
    return this.#saved.add(name);
  }

  /** @throws {Failure} `not-found` when there's no such domain. */
  async remove(domain: string): Promise<CustomName> {
    const name = await this.#saved.remove(domain);
    if (name) return name;
    throw new Failure("not-found", `${domain} is not a domain of yours`, {
      hint: "to see them: pmz dns list",
    });
  }
}

/** @throws {Failure} `usage` for a domain that would never answer, or would hide names of Services */
export function refuseReserved(
  { domain }: CustomName,
  zones: readonly ZoneData[],
  hostname: string = Deno.hostname(),
  hosts: ReadonlySet<string> = readHosts(),
): void {
  const why = whyReserved(domain, hostname.toLowerCase()) ?? whyNeverAsked(domain, hosts) ??
    whyShadowing(domain, zones);
  if (why === undefined) return;
  throw new Failure("usage", `${domain} is not a valid domain of yours: ${why}`, {
    hint: "choose another one, such as shop.example",
  });
}
