import { isDeepStrictEqual } from "node:util";
import type { NetworkNews, RulePrecedence } from "../wire/helper.ts";
import type { NetworkWatch } from "./network_watch.ts";
import type { HelperSession } from "./session.ts";

/** Released addresses in one message. */
const BATCH = 1_000;

/** Tells one daemon what has become of its captured addresses, and of pmz's rules, when the machine's network changes. */
export class NetworkReporter {
  readonly #session: Pick<HelperSession, "review">;
  readonly #watch: Pick<NetworkWatch, "precedence">;
  readonly #send: (news: NetworkNews) => void;
  #told: RulePrecedence | undefined;

  /** @param send throws when the daemon doesn't read */
  constructor(
    session: Pick<HelperSession, "review">,
    watch: Pick<NetworkWatch, "precedence">,
    send: (news: NetworkNews) => void,
  ) {
    this.#session = session;
    this.#watch = watch;
    this.#send = send;
  }

  /** Judges all again. @throws {SystemCallError} */
  changed(): void {
    const released = this.#session.review();
    if (released === undefined) return this.precedence();
    for (let at = 0; at === 0 || at < released.length; at += BATCH) {
      this.#tell(released.slice(at, at + BATCH));
    }
  }

  /** Tells which rule comes before pmz's, unless the daemon knows. @throws {SystemCallError} */
  precedence(): void {
    if (!isDeepStrictEqual(this.#watch.precedence, this.#told)) this.#tell([]);
  }

  #tell(released: NetworkNews["network"]["released"]): void {
    const { precedence } = this.#watch;
    this.#send({ network: { released, ...precedence && { precedence } } });
    this.#told = precedence;
  }
}
