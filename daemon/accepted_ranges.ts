import { addressOf } from "../net/address.ts";
import { contains, parseRange } from "../net/range.ts";
import { specialRanges } from "../net/special_ranges.ts";
import { type AcceptedRange, acceptedRange, controlFiles } from "../wire/control.ts";
import { Failure } from "./failure.ts";
import { SavedEntries } from "./saved_entries.ts";

/** Accepted ranges at most, of all contexts: each is an argument of the root helper. */
const MOST = 100;

/** What is to change for a context, in CIDR notation. */
export interface AcceptedChange {
  readonly ranges?: readonly string[] | undefined;
  readonly forgetRanges?: readonly string[] | undefined;
}

/**
 * Ranges that the user lets pmz capture for a cluster although they are public, or this machine has a route to them: by context, in a
 * file of the state folder, until they are taken back.
 */
export class AcceptedRanges {
  readonly #saved: SavedEntries<AcceptedRange>;

  private constructor(saved: SavedEntries<AcceptedRange>) {
    this.#saved = saved;
  }

  /** @throws {Failure} when the file is not valid; it is not overwritten. */
  static async open(stateFolder: string): Promise<AcceptedRanges> {
    const saved = await SavedEntries.open({
      path: `${stateFolder}/${controlFiles.ranges}`,
      what: "accepted ranges",
      schema: acceptedRange,
      most: MOST,
      keyOf,
      hint: "take some back: pmz up --forget-range RANGE",
    });
    return new AcceptedRanges(saved);
  }

  /** Those of a context. */
  of(context: string): string[] {
    return this.#saved.all().flatMap((one) => one.context === context ? [one.range] : []);
  }

  /**
   * Those of all contexts, as they will be after a change: the helper is granted all of them, so that a second cluster needs no
   * other helper.
   * @throws {Failure} `usage` for a range that can't be accepted, `not-found` for one that can't be taken back
   */
  after(context: string, { ranges = [], forgetRanges = [] }: AcceptedChange): string[] {
    const forgotten = forgetRanges.map((text) => this.#known(context, text));
    const kept = this.#saved.all().filter((one) => one.context !== context || !forgotten.includes(one.range));
    return [...new Set([...kept.map(({ range }) => range), ...ranges.map(acceptable)])];
  }

  /** @throws {Failure} as `after`; at the limit, or when the file can't be written */
  async change(context: string, change: AcceptedChange): Promise<void> {
    this.after(context, change);
    for (const text of change.forgetRanges ?? []) await this.#saved.remove(keyOf({ context, range: text }));
    for (const text of change.ranges ?? []) await this.#saved.add({ context, range: acceptable(text) });
  }

  /** Comes back to what there was for a context. @throws {Failure} when the file can't be written */
  async restore(context: string, ranges: readonly string[]): Promise<void> {
    const now = this.of(context);
    await this.change(context, {
      ranges: ranges.filter((range) => !now.includes(range)),
      forgetRanges: now.filter((range) => !ranges.includes(range)),
    });
  }

  #known(context: string, text: string): string {
    const there = this.of(context);
    const range = parse(text);
    if (there.includes(range)) return range;
    throw new Failure("not-found", `the range ${text} was not accepted for ${context}`, {
      hint: there.length > 0 ? `accepted: ${there.join(", ")}` : "to see what was accepted: pmz status",
    });
  }
}

const keyOf = ({ context, range }: AcceptedRange): string => `${parseRange(range)?.text ?? range} ${context}`;

/** A range as it is remembered. @throws {Failure} `usage` */
function acceptable(text: string): string {
  const range = parse(text);
  const parsed = parseRange(range);
  const special = parsed &&
    specialRanges.find(({ range: special, except }) =>
      except.helper === undefined && special.bits <= parsed.bits && contains(special, addressOf(parsed.first))
    );
  if (!special) return range;
  throw new Failure("usage", `the range ${text} can't be accepted: no cluster may have it (${special.why})`, {
    hint: "give the cluster's Services another range",
  });
}

/** In canonical form. @throws {Failure} `usage` */
function parse(text: string): string {
  const range = parseRange(text);
  if (range) return range.text;
  throw new Failure(
    "usage",
    `${text} is not a valid range of addresses: expected one such as 10.96.0.0/12`,
  );
}
