import { parseAddress } from "../../net/address.ts";

/** The addresses of a set of objects. Two objects may have the same one, as a pod that ended and its successor. */
export class KnownAddresses {
  readonly #ofObject = new Map<string, readonly string[]>();
  readonly #objects = new Map<string, number>();

  /** Replaces the addresses of an object; texts that are not valid addresses are left out. */
  set(object: string, addresses: readonly string[]): void {
    const parsed = [...new Set(addresses.flatMap((text) => parseAddress(text)?.text ?? []))];
    this.delete(object);
    if (parsed.length === 0) return;
    this.#ofObject.set(object, parsed);
    for (const address of parsed) this.#objects.set(address, (this.#objects.get(address) ?? 0) + 1);
  }

  delete(object: string): void {
    for (const address of this.#ofObject.get(object) ?? []) {
      const left = (this.#objects.get(address) ?? 0) - 1;
      if (left > 0) this.#objects.set(address, left);
      else this.#objects.delete(address);
    }
    this.#ofObject.delete(object);
  }

  has(address: string): boolean {
    return this.#objects.has(address);
  }

  /** The number of different addresses. */
  get size(): number {
    return this.#objects.size;
  }
}
