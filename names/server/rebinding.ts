/**
 * Protection from DNS rebinding: a page of the internet that has its own name lead to a captured address would speak to a cluster by
 * the user's browser, as its own origin. So no name of the internet leads there, except under domains that the user allows.
 */
import { canonical, FormatError } from "../../dns/domain_name.ts";
import { type Message, parseMessage, type Resource } from "../../dns/message.ts";
import { writeMessage } from "../../dns/message_writer.ts";
import { addressesIn } from "../../dns/service_binding.ts";

/** Names that are kept, the newest last. */
const MOST_NAMES = 8;
/** Octets of the shortest limit of an answer (RFC 1035 §4.2.1). */
const SHORTEST_LIMIT = 512;

export class RebindingFilter {
  readonly #isCaptured: (address: string) => boolean;
  #allowed: readonly string[] = [];
  readonly #names = new Set<string>();

  constructor(isCaptured: (address: string) => boolean) {
    this.#isCaptured = isCaptured;
  }

  /** Names whose answers had an address taken away, the newest last. */
  get names(): string[] {
    return [...this.#names];
  }

  /** Replaces the domains whose names, and those below them, may lead to captured addresses. */
  allow(domains: readonly string[]): void {
    this.#allowed = domains.map(canonical);
    for (const name of this.#names) if (this.#isAllowed(name)) this.#names.delete(name);
  }

  /**
   * A nameserver's answer without records that lead to captured addresses; unchanged where it has none. Undefined for one that
   * isn't a valid message, as it can't be told where that leads.
   */
  filter(answer: Uint8Array): Uint8Array | undefined {
    let message: Message;
    try {
      message = parseMessage(answer);
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
    const name = canonical(message.questions[0]?.name ?? "");
    if (this.#isAllowed(name)) return answer;
    const { answers, authorities, additionals } = message;
    const kept = {
      answers: answers.filter(this.#isHarmless),
      authorities: authorities.filter(this.#isHarmless),
      additionals: additionals.filter(this.#isHarmless),
    };
    const count = kept.answers.length + kept.authorities.length + kept.additionals.length;
    if (count === answers.length + authorities.length + additionals.length) return answer;
    this.#note(name);
    const limit = Math.max(SHORTEST_LIMIT, answer.length);
    return writeMessage({ ...message, ...kept, authenticData: false }, limit);
  }

  readonly #isHarmless = (resource: Resource): boolean => {
    try {
      return addressesIn(resource).every(({ text }) => !this.#isCaptured(text));
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  };

  #isAllowed(name: string): boolean {
    return this.#allowed.some((domain) => name === domain || name.endsWith(`.${domain}`));
  }

  #note(name: string): void {
    this.#names.delete(name);
    this.#names.add(name);
    const [oldest] = this.#names;
    if (oldest !== undefined && this.#names.size > MOST_NAMES) this.#names.delete(oldest);
  }
}
