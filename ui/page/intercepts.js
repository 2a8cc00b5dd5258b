import { ageOf } from "./clusters.js";
import { make, noticeBox, show } from "./dom.js";

/**
 * @param {Element} parent
 * @param {import("../views.ts").InterceptsView} intercepts
 * @param {import("../views.ts").DirectoryView | undefined} directory
 * @param {(id: string) => void} leave
 */
export function showIntercepts(parent, { own }, directory, leave) {
  const others = directory?.others ?? [];
  const hidden = (directory?.otherCount ?? 0) - others.length;
  /** @type {({ kind: "own" } & import("../views.ts").InterceptView | { kind: "other" } & import("../views.ts").OtherView | { kind: "empty" } | { kind: "more", count: number })[]} */
  const items = [
    ...own.map((one) => ({ kind: /** @type {const} */ ("own"), ...one })),
    ...(own.length === 0 ? [{ kind: /** @type {const} */ ("empty") }] : []),
    ...others.map((one) => ({ kind: /** @type {const} */ ("other"), ...one })),
    ...(hidden > 0 ? [{ kind: /** @type {const} */ ("more"), count: hidden }] : []),
  ];
  show(parent, items, keyOf, (item) => {
    switch (item.kind) {
      case "empty":
        return make(
          "div.empty",
          {},
          make("p", {}, "You intercept nothing."),
          make("p.quiet", {}, "Choose “Intercept…” next to a Service, and your program answers it."),
        );
      case "more":
        return make("p.quiet", {}, `${item.count} more Services are intercepted by others: pmz services -A`);
      case "other":
        return make(
          "div.card.other",
          {},
          make("span.name", {}, item.service),
          ...item.rules.map((rule) => make("span.quiet", {}, rule)),
        );
      case "own":
        return ownIntercept(item, leave);
    }
  });
}

/** @param {{ kind: string, id?: string, service?: string, cluster?: string }} item */
function keyOf({ kind, id, service, cluster }) {
  return `${kind} ${id ?? ""}${service ?? ""} ${cluster ?? ""}`;
}

/**
 * @param {import("../views.ts").InterceptView} intercept
 * @param {(id: string) => void} leave
 */
function ownIntercept(
  { id, takes, local, pods, connections, requests, since, until, others, warnings },
  leave,
) {
  return make(
    "article.card",
    {},
    make(
      "div.heading",
      {},
      make("h3.name", {}, id, make("span.arrow", { "aria-label": "answered by" }, " → "), local),
      make("button.small", { type: "button", "aria-label": `Leave ${id}`, click: () => leave(id) }, "Leave…"),
    ),
    make("p", {}, `Takes ${takes}`),
    make(
      "p.quiet.facts",
      {},
      pods !== undefined && make("span", {}, pods),
      make("span", {}, `connections: ${connections}`),
      requests !== undefined && make("span", {}, `requests: ${requests}`),
      ageOf(since, "for "),
      until !== undefined &&
        make("span", {}, `ends at ${new Date(until).toLocaleTimeString([], { timeStyle: "short" })}`),
    ),
    others !== undefined && make("p.quiet", {}, `Others: ${others}`),
    ...warnings.map((warning) => noticeBox(warning)),
  );
}
