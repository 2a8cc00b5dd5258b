import { make, show } from "./dom.js";
import { option } from "./command_line.js";
import { field, input, openDialog } from "./dialog.js";

/**
 * @param {Element} parent
 * @param {readonly import("../views.ts").DomainView[]} domains
 * @param {(name: string) => void} remove
 */
export function showDomains(parent, domains, remove) {
  if (domains.length === 0) {
    if (parent.querySelector(".empty")) return;
    return parent.replaceChildren(make(
      "div.empty",
      {},
      make("p", {}, "No domains of your own."),
      make("p.quiet", {}, "A domain such as www.shop.example can lead to a Service, on this machine alone."),
    ));
  }
  parent.querySelector(".empty")?.remove();
  show(parent, domains, ({ name, cluster }) => `${name}@${cluster}`, ({ name, target, addresses }) =>
    make(
      "div.row",
      {},
      make(
        "div.what",
        {},
        make("span.name", {}, name, make("span.arrow", { "aria-label": "leads to" }, " → "), target),
        make("span.quiet", {}, addresses),
      ),
      make("button.small", {
        type: "button",
        "aria-label": `Remove ${name}`,
        click: () => remove(name),
      }, "Remove…"),
    ));
}

/** @param {readonly string[]} contexts of the connected clusters */
export function openDomainForm(contexts) {
  const domain = input({ placeholder: "www.shop.example", required: true });
  const service = input({ placeholder: "echo.default", required: true });
  const several = contexts.length > 1;
  const context = input({ value: contexts[0] ?? "" });
  openDialog({
    title: "Add a domain",
    verb: "Add",
    fields: [
      field("Domain", domain, "*.shop.example stands for all below"),
      field("Service", service, "with its namespace"),
      ...(several ? [field("Cluster", context)] : []),
    ],
    words: () => [
      "dns",
      "add",
      domain.value.trim() || "DOMAIN",
      service.value.trim() || "SERVICE",
      ...option("context", several ? context.value.trim() : ""),
    ],
  });
}
