import { isDeepStrictEqual } from "node:util";
import type { NetworkDamage, NetworkNews, RulePrecedence } from "../wire/helper.ts";
import type { NetworkWatch } from "./network_watch.ts";
import type { HelperSession } from "./session.ts";

/** Released addresses in one message. */
const BATCH = 1_000;

/** Tells one daemon what has become of its captured addresses, and of pmz's own network, when the machine's network changes. */
export class NetworkReporter {
  readonly #session: Pick<HelperSession, "review">;
  readonly #watch: Pick<NetworkWatch, "precedence" | "damage">;
  readonly #send: (news: NetworkNews) => void;
  #told: { readonly precedence: RulePrecedence | undefined; readonly damage: readonly NetworkDamage[] } = {
    precedence: undefined,
    damage: [],
  };
  /** Released, and not told yet: the daemon didn't read. */
  #untold: NetworkNews["network"]["released"] = [];

  /** @param send throws when the daemon doesn't read */
  constructor(
    session: Pick<HelperSession, "review">,
    watch: Pick<NetworkWatch, "precedence" | "damage">,
    send: (news: NetworkNews) => void,
  ) {
    this.#session = session;
    this.#watch = watch;
    this.#send = send;
  }

  /** Judges all again. @throws {SystemCallError} */
  changed(): void {
    const released = this.#session.review();
    if (released === undefined) return this.ownNetwork();
    this.#untold = [...this.#untold, ...released];
    if (this.#untold.length === 0) this.#tell();
    this.ownNetwork();
  }

  /**
   * Tells which rule comes before pmz's, and what others have changed of pmz's own network, unless the daemon knows, and what couldn't
   * be told before.
   * @throws {SystemCallError}
   */
  ownNetwork(): void {
    while (this.#untold.length > 0) this.#tell();
    const { precedence, damage } = this.#watch;
    if (!isDeepStrictEqual({ precedence, damage }, this.#told)) this.#tell();
  }

  #tell(): void {
    const { precedence, damage } = this.#watch;
    this.#send({
      network: {
        released: this.#untold.slice(0, BATCH),
        ...precedence && { precedence },
        ...damage.length > 0 && { damage },
      },
    });
    this.#untold = this.#untold.slice(BATCH);
    this.#told = { precedence, damage };
  }
}
