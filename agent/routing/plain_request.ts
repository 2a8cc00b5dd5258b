import type { PlainHead } from "../../http/plain_head.ts";
import { FieldIndex, hostName, type MatchableRequest } from "./matchable_request.ts";

/**
 * A plain request as matchers see it, good until its head's next read. Hot path: what no matcher asks for is never made.
 */
export class PlainRequest implements MatchableRequest {
  readonly #head: PlainHead;

  constructor(head: PlainHead) {
    this.#head = head;
  }

  get method(): string {
    return this.#head.method;
  }

  get host(): string | undefined {
    return hostName(this.#head.values("host")[0] ?? "");
  }

  get path(): string {
    return /^[^?#]*/.exec(this.#head.target)?.[0] ?? "";
  }

  header(name: string): readonly string[] {
    return this.#head.values(name);
  }

  cookie(name: string): readonly string[] {
    return this.#linesOf("cookie").cookie(name);
  }

  baggage(name: string): readonly string[] {
    return this.#linesOf("baggage").baggage(name);
  }

  #linesOf(name: string): FieldIndex {
    return new FieldIndex(this.#head.values(name).map((value) => ({ name, value })));
  }
}
