import { copyButton, make, show } from "./dom.js";

/**
 * @param {Element} parent
 * @param {Element} count
 * @param {import("../views.ts").ServicesView} services
 * @param {boolean} isOneCluster
 * @param {(service: import("../views.ts").ServiceView) => void} intercept
 */
export function showServices(parent, count, services, isOneCluster, intercept) {
  const { all, matching, items } = services;
  const text = all === 0
    ? ""
    : matching === all && items.length === all
    ? `${all} in all`
    : `${matching === all ? "" : `${matching} of `}${all}${
      items.length < matching ? `, the first ${items.length} are shown` : ""
    }`;
  if (count.textContent !== text) count.textContent = text;
  if (items.length === 0) {
    const words = all === 0 ? "There are no Services to show." : "No Service matches.";
    if (parent.textContent !== words) parent.replaceChildren(make("div.empty", {}, make("p", {}, words)));
    return;
  }
  parent.querySelector(".empty")?.remove();
  show(parent, items, ({ hostname, cluster }) => `${hostname}@${cluster}`, (service) => {
    const { hostname, addresses, ports, type, ready, intercepted, interceptedBy, problems, cluster } =
      service;
    const [name = "", ...rest] = hostname.split(".");
    const canIntercept = ports.length > 0 && type !== "ExternalName";
    return make(
      "div.row.service",
      {},
      make(
        "div.what",
        {},
        make("span.name", {}, make("strong", {}, name), `.${rest.join(".")}`),
        make(
          "span.quiet.facts",
          {},
          ports.length > 0 && make("span", {}, ports.map(portWords).join(", ")),
          addresses !== "" && make("span.name", {}, addresses),
          type !== "ClusterIP" && make("span", {}, type),
          !isOneCluster && make("span", {}, cluster),
        ),
        ...problems.map((problem) => make("span.problem", {}, problem)),
      ),
      make(
        "div.marks",
        {},
        intercepted !== undefined && make("span.badge.own", {}, "intercepted"),
        interceptedBy.length > 0 && make("span.badge", {}, `by ${interceptedBy.join(", ")}`),
        type !== "ExternalName" && ready === 0 && make("span.badge.warn", {}, "not ready"),
      ),
      make(
        "div.buttons",
        {},
        copyButton(hostname, hostname),
        canIntercept && make("button.small", {
          type: "button",
          "aria-label": `Intercept ${hostname}`,
          click: () => intercept(service),
        }, "Intercept…"),
      ),
    );
  });
}

/** @param {import("../views.ts").PortView} port */
function portWords({ port, name, isUdp }) {
  return `${port}${isUdp ? "/udp" : ""}${name === undefined || name === String(port) ? "" : ` ${name}`}`;
}
