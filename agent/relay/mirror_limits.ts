import { NestedPlaces } from "./nested_places.ts";
import { Places } from "./places.ts";

/** Whose copies they are. */
export interface CopyOwner {
  /** Of the pod, and so of the rule. */
  readonly namespace: string;
  /** The rule's UID. */
  readonly rule: string;
}

/**
 * What the copies of one relay may take altogether, so that laptops that are slow cost pods nothing but a little memory. It is
 * shared by namespaces, and in each by its rules: neither a laptop that hangs nor a namespace with many of them takes what others
 * need.
 */
export class MirrorLimits {
  readonly #mostOfRule: number;
  readonly #copiesOfRules = new Map<string, number>();
  readonly #copies: Places;
  /** That wait. */
  readonly #bytes: NestedPlaces;

  /**
   * @param mostBytes that wait to be sent, of all copies
   * @param mostOfRule copies that one rule has open
   * @param mostCopies that all rules have open
   */
  constructor(
    mostBytes: number = MOST_BYTES,
    mostOfRule: number = MOST_OF_RULE,
    mostCopies: number = MOST_COPIES,
  ) {
    this.#bytes = new NestedPlaces(mostBytes);
    this.#mostOfRule = mostOfRule;
    this.#copies = new Places(mostCopies);
  }

  /** Whether a rule may have another copy; if so, `leave` is called at its end. */
  enter({ namespace, rule }: CopyOwner): boolean {
    const copies = this.#copiesOfRules.get(rule) ?? 0;
    if (copies >= this.#mostOfRule || !this.#copies.enter(namespace)) return false;
    this.#copiesOfRules.set(rule, copies + 1);
    return true;
  }

  leave({ namespace, rule }: CopyOwner): void {
    const left = (this.#copiesOfRules.get(rule) ?? 1) - 1;
    if (left > 0) this.#copiesOfRules.set(rule, left);
    else this.#copiesOfRules.delete(rule);
    this.#copies.leave(namespace);
  }

  /** Whether so many more bytes of a rule's copies may wait; if so, `give` is called with as many. */
  take({ namespace, rule }: CopyOwner, bytes: number): boolean {
    return this.#bytes.enter(namespace, rule, bytes);
  }

  give({ namespace, rule }: CopyOwner, bytes: number): void {
    this.#bytes.leave(namespace, rule, bytes);
  }
}

const MOST_BYTES = 32 * 1024 * 1024;
const MOST_OF_RULE = 128;
const MOST_COPIES = 4_096;
