import { parseAddress } from "../../net/address.ts";

/** Which addresses a set of objects has: two objects may have the same one (a pod that ended, and its successor). */
export class KnownAddresses {
  readonly #ofObject = new Map<string, readonly string[]>();
  readonly #objects = new Map<string, number>();

  /** Sets all addresses of an object; those that are no addresses are left out. */
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

  /** How many different addresses there are. */
  get size(): number {
    return this.#objects.size;
  }
}
