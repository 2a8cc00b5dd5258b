import { commandLine, make, noticeBox, show } from "./dom.js";
import { age, counted, duration } from "./format.js";

const modes = {
  capture: "this machine’s programs",
  proxy: "programs that use the proxy",
  intercept: "intercepts alone",
};
const states = { connected: "Connected", connecting: "Connecting", idle: "Intercepts only" };

/**
 * @param {Element} parent
 * @param {import("../views.ts").StatusView} status
 * @param {(context: string) => void} disconnect
 */
export function showClusters(parent, status, disconnect) {
  if (status.clusters.length === 0) {
    if (parent.querySelector(".empty")) return;
    return parent.replaceChildren(make(
      "div.empty",
      {},
      make("p", {}, "No cluster is connected."),
      make("p.quiet", {}, "Connect from a terminal, where sudo can ask for your password:"),
      commandLine("pmz up"),
    ));
  }
  parent.querySelector(".empty")?.remove();
  const isOneOfSeveral = status.clusters.length > 1;
  show(parent, status.clusters, ({ context }) => context, (cluster) => {
    const { context, state, detail, since, roundTripMs } = cluster;
    return make(
      "article.card",
      {},
      make(
        "div.heading",
        {},
        make("h3", {}, make(`span.dot.${state}`, { "aria-hidden": "true" }), context),
        roundTripMs !== undefined &&
          make("span.figure", { title: "Round trip through the tunnel" }, duration(roundTripMs)),
        isOneOfSeveral &&
          make("button.small", { type: "button", click: () => disconnect(context) }, "Disconnect…"),
      ),
      make(
        "p",
        {},
        `${states[state]}${state === "connected" ? ` to ${detail}` : `: ${detail}`}`,
        since !== undefined && ageOf(since, ", for "),
      ),
      make(
        "dl",
        {},
        ...row(
          "Carries",
          modes[cluster.mode] + (cluster.mode === "proxy" && status.proxy ? ` (${status.proxy})` : ""),
        ),
        ...row("Services", cluster.services),
        ...row("Open", counted(cluster.openStreams, "connection")),
        ...row("Namespace", cluster.namespace),
        ...row("User", cluster.user),
        ...row("Server", cluster.server),
        ...(cluster.protectedBy === undefined
          ? []
          : row("Protected", `by “${cluster.protectedBy}” of your settings`)),
      ),
      ...cluster.notes.map((note) => noticeBox(note, "plain")),
    );
  });
}

/** @param {string} name @param {string} value */
function row(name, value) {
  return [make("dt", {}, name), make("dd", {}, value)];
}

/**
 * A span of time that main.js keeps up to date.
 * @param {number} since
 * @param {string} before
 */
export function ageOf(since, before = "") {
  return make(
    "time",
    { "data-since": String(since), "data-before": before },
    before + age(Date.now() - since),
  );
}
