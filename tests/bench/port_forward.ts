import type { Laptop, Person } from "../e2e/lib/laptop.ts";
import { Running } from "../e2e/lib/running.ts";

/** Milliseconds until kubectl listens. */
const STARTED = 20_000;
/** What is added to a pod's port on the laptop: where nobody else listens there. */
const OFFSET = 10_000;

/** `kubectl port-forward`, started again where it has ended: as a person would. */
export class PortForward implements AsyncDisposable {
  readonly #start: () => Running;
  readonly #ports: readonly number[];
  #running: Running | undefined;
  #ended = true;

  constructor(laptop: Laptop, person: Person, to: readonly string[], ports: readonly number[]) {
    this.#ports = ports;
    const pairs = ports.map((port) => `${port + OFFSET}:${port}`);
    this.#start = () => laptop.spawn(person, ["kubectl", "port-forward", ...to, ...pairs]);
  }

  /** Where it listens, in the order of its ports. */
  get addresses(): string[] {
    return this.#ports.map((port) => `127.0.0.1:${port + OFFSET}`);
  }

  /** Starts it where it doesn't run. */
  async ready(): Promise<void> {
    if (!this.#ended) return;
    await this.#running?.[Symbol.asyncDispose]();
    const running = this.#start();
    this.#running = running;
    this.#ended = false;
    running.status().then(() => this.#ended = true);
    for (const port of this.#ports) {
      await running.says(new RegExp(`Forwarding from 127.0.0.1:${port + OFFSET} `), STARTED);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]();
  }
}
