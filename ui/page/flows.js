import { ageOf } from "./clusters.js";
import { explainWords, written } from "./command_line.js";
import { commandLine, make, show } from "./dom.js";
import { counted, duration } from "./format.js";

/** Flows that are shown. */
const MOST = 100;

/** The connections of the page: those that are open, and the last ones that ended. */
export class Flows {
  /** @type {import("../views.ts").FlowsView} */
  #now = { open: [], failed: [], counts: { open: 0, failed: 0 } };
  /** @type {Map<string, import("../views.ts").FlowView>} */
  #ended = new Map();
  #missed = 0;
  /** @type {"all" | "open" | "failed"} */
  shown = "all";

  /** @param {import("../views.ts").FlowsView} flows */
  set(flows) {
    this.#now = flows;
    for (const flow of flows.failed) this.#add(flow);
  }

  /** @param {import("../views.ts").EndedView} ended */
  add({ flows, missed }) {
    this.#missed += missed;
    for (const flow of flows) this.#add(flow);
  }

  /** @param {import("../views.ts").FlowView} flow */
  #add(flow) {
    this.#ended.delete(flow.id);
    this.#ended.set(flow.id, flow);
    for (const [id] of this.#ended) {
      if (this.#ended.size <= 2 * MOST) break;
      this.#ended.delete(id);
    }
  }

  /**
   * @param {Element} parent
   * @param {Element} count
   */
  show(parent, count) {
    const open = this.#now.open.filter(({ id }) => !this.#ended.has(id)).toReversed();
    const ended = [...this.#ended.values()].toSorted((a, b) => (b.ended ?? 0) - (a.ended ?? 0));
    const items = this.shown === "open"
      ? open
      : this.shown === "failed"
      ? ended.filter(({ state }) => state === "failed")
      : [...open, ...ended];
    const missed = this.#missed === 0 ? "" : `; ${this.#missed} ended faster than they are shown`;
    const { counts } = this.#now;
    const text = items.length === 0
      ? ""
      : `${counted(counts.open, "open connection")}, ${counts.failed} failed lately${missed}`;
    if (count.textContent !== text) count.textContent = text;
    if (items.length === 0) {
      if (parent.getAttribute("data-empty") === this.shown) return;
      parent.setAttribute("data-empty", this.shown);
      return parent.replaceChildren(make(
        "div.empty",
        {},
        make("p", {}, this.shown === "failed" ? "No connection has failed." : "No connections yet."),
        this.shown !== "failed" &&
          make(
            "p.quiet",
            {},
            "Each connection that pmz carries appears here as it opens and ends, a failed one with its reason.",
          ),
      ));
    }
    if (parent.hasAttribute("data-empty")) parent.replaceChildren();
    parent.removeAttribute("data-empty");
    show(parent, items.slice(0, MOST), ({ id }) => id, row);
  }
}

/** @param {import("../views.ts").FlowView} flow */
function row({ state, started, ended, from, to, outcome, bytes, times, explain }) {
  const took = state === "done" && ended !== undefined ? ` in ${duration(ended - started)}` : "";
  return make(
    `div.row.flow.${state}`,
    {},
    make("span.when.quiet", {}, ageOf(ended ?? started)),
    make(
      "div.what",
      {},
      make(
        "span.name",
        {},
        from,
        ...to.split(" -> ").flatMap((one) => [make("span.arrow", { "aria-label": "to" }, " → "), one]),
      ),
      make(
        "span.outcome",
        {},
        make(`span.dot.${state}`, { "aria-hidden": "true" }),
        `${outcome}${took}${times === undefined ? "" : ` (${times} times)`}`,
        bytes !== undefined && make("span.quiet", {}, ` ${bytes}`),
      ),
      state === "failed" && explain !== undefined &&
        make("details", {}, make("summary", {}, "Find out why"), commandLine(written(explainWords(explain)))),
    ),
  );
}
