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
  /** Released, and not told yet: the daemon didn't read. */
  #untold: NetworkNews["network"]["released"] = [];

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
    this.#untold = [...this.#untold, ...released];
    if (this.#untold.length === 0) this.#tell();
    this.precedence();
  }

  /** Tells which rule comes before pmz's, unless the daemon knows, and what couldn't be told before. @throws {SystemCallError} */
  precedence(): void {
    while (this.#untold.length > 0) this.#tell();
    if (!isDeepStrictEqual(this.#watch.precedence, this.#told)) this.#tell();
  }

  #tell(): void {
    const { precedence } = this.#watch;
    this.#send({ network: { released: this.#untold.slice(0, BATCH), ...precedence && { precedence } } });
    this.#untold = this.#untold.slice(BATCH);
    this.#told = precedence;
  }
}
