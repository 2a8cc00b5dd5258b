import { Places } from "./places.ts";

/** Places of each port, as many for each, shared by owners; nothing is kept of a port that has none taken. */
export class PortPlaces {
  readonly #most: number;
  readonly #ports = new Map<number, Places>();

  /** @param most how many each port has */
  constructor(most: number) {
    this.#most = most;
  }

  /** Ports that have places taken. */
  get ports(): number {
    return this.#ports.size;
  }

  /** Takes one of a port's, unless the owner has its share already; `leave` gives it back. */
  enter(port: number, owner: string): boolean {
    const places = this.#ports.get(port) ?? new Places(this.#most);
    if (!places.enter(owner)) return false;
    this.#ports.set(port, places);
    return true;
  }

  leave(port: number, owner: string): void {
    const places = this.#ports.get(port);
    places?.leave(owner);
    if (places?.taken === 0) this.#ports.delete(port);
  }
}
