import type { EndedView, FlowView } from "./views.ts";

/** Flows that are kept for tabs that haven't been told of them yet, and of one event. */
const KEPT = 256;
const MOST_TOLD = 50;

/** The last flows that ended, in a ring: a tab remembers how far it has read, and what was overwritten meanwhile it has missed. */
export class EndedFlows {
  readonly #ring: FlowView[] = [];
  /** The number of the next flow. */
  #next = 0;

  get next(): number {
    return this.#next;
  }

  add(flow: FlowView): void {
    this.#ring[this.#next % KEPT] = flow;
    this.#next++;
  }

  /** Counts flows that nothing is known of. */
  miss(count: number): void {
    this.#next += count;
    for (let place = 0; place < Math.min(count, KEPT); place++) {
      delete this.#ring[(this.#next - 1 - place) % KEPT];
    }
  }

  /** The newest flows from this number on, and how many others there were. */
  since(number: number): { readonly view: EndedView; readonly upTo: number } {
    const flows: FlowView[] = [];
    for (let at = Math.max(number, this.#next - MOST_TOLD); at < this.#next; at++) {
      const flow = this.#ring[at % KEPT];
      if (flow) flows.push(flow);
    }
    return { view: { flows, missed: this.#next - number - flows.length }, upTo: this.#next };
  }
}
