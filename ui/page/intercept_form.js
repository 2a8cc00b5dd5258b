import { byId, make } from "./dom.js";
import { interceptWords } from "./command_line.js";
import { field, input, openDialog, select } from "./dialog.js";

/** What requests can be told apart by, with an example each. @type {readonly (readonly [string, string, string])[]} */
const matchers = [
  ["header", "Header", "x-user=alice"],
  ["path", "Path", "/cart"],
  ["domain", "Domain", "alice.shop.example"],
  ["host", "Host", "shop.example"],
  ["cookie", "Cookie", "user=alice"],
  ["method", "Method", "POST"],
  ["grpc", "gRPC method", "shop.v1.Cart/AddItem"],
  ["from", "Calling pods", "shop/app=web"],
];

/** @type {readonly (readonly [import("./command_line.js").InterceptChoice["takes"], string, string])[]} */
const takes = [
  ["all", "All connections", "of everybody"],
  ["match", "Some requests", "those that match; several people share the port"],
  ["personal", "My requests", "those with a baggage header that pmz makes up"],
  ["mine", "This machine’s own", "connections of your programs here; the cluster knows nothing of it"],
];

/**
 * @param {import("../views.ts").ServiceView} service
 * @param {import("../views.ts").StatusView | undefined} status
 */
export function openInterceptForm(service, status) {
  const cluster = status?.clusters.find(({ context }) => context === service.cluster);
  const name = `${service.name}.${service.namespace}`;
  const ports = service.ports.map(({ port, name, isUdp }) => /** @type {const} */ ([
    isUdp ? `${port}/udp` : String(port),
    `${port}${isUdp ? "/udp" : ""}${name === undefined ? "" : ` (${name})`}`,
  ]));
  const port = select(ports);
  const local = input({ "data-field": "local", value: "8080", required: true, inputmode: "url", size: "8" });
  const ttl = input({ placeholder: "2h", size: "6" });
  const mirror = input({ type: "checkbox" });
  const confirm = input({ placeholder: name, required: true });
  const rows = make("div.matchers");
  const addRow = () => {
    const kind = select(matchers.map(([value, text]) => [value, text]));
    const value = input({ "aria-label": "What it has to be", placeholder: matchers[0]?.[2] ?? "" });
    kind.setAttribute("aria-label", "Matcher");
    kind.addEventListener("change", () => {
      value.placeholder = matchers.find(([one]) => one === kind.value)?.[2] ?? "";
    });
    const remove = make("button.small", {
      type: "button",
      "aria-label": "Remove this matcher",
      click: () => {
        row.remove();
        dialog.update();
      },
    }, "Remove");
    const row = make("div.matcher", {}, kind, value, remove);
    rows.append(row);
  };
  addRow();
  const matching = make(
    "div.nested",
    { hidden: true },
    rows,
    make("button.small", { type: "button", click: addRow }, "Add a matcher"),
  );
  const chosen = () => /** @type {import("./command_line.js").InterceptChoice["takes"]} */ (
    radios.map(({ control }) => control).find(({ checked }) => checked)?.value ?? "all"
  );
  const radios = takes.map(([value, text, help], at) => {
    const control = input({ type: "radio", name: "takes", value, checked: at === 0 });
    control.addEventListener("change", () => {
      matching.hidden = chosen() !== "match";
      mirroring.hidden = chosen() === "mine";
    });
    const label = make(
      "label.choice",
      {},
      control,
      make("span", {}, text, make("span.help", {}, ` ${help}`)),
    );
    return { control, label };
  });
  const mirroring = make(
    "label.choice",
    {},
    mirror,
    make("span", {}, "Only a copy", make("span.help", {}, " the pods still answer")),
  );
  const dialog = openDialog({
    title: `Intercept ${name}`,
    verb: "Intercept",
    fields: [
      make(
        "div.side",
        {},
        field("Your program’s port", local, "or HOST:PORT"),
        ...(ports.length > 1 ? [field("The Service’s port", port)] : []),
        field("Ends after", ttl, "optional"),
      ),
      make(
        "div",
        { role: "radiogroup", "aria-labelledby": "takes-title" },
        make("p.label", { id: "takes-title" }, "Your program answers"),
        ...radios.flatMap(({ control, label }) => control.value === "match" ? [label, matching] : [label]),
      ),
      mirroring,
      ...(cluster?.protectedBy === undefined ? [] : [
        make(
          "div.notice.warning",
          {},
          make(
            "p",
            {},
            `${service.cluster} is protected (“${cluster.protectedBy}”). To intercept there, type the Service’s name.`,
          ),
          field("The Service’s name", confirm),
        ),
      ]),
    ],
    words: () =>
      interceptWords({
        service: name,
        local: local.value.trim(),
        port: ports.length > 1 ? port.value : "",
        takes: chosen(),
        matchers: [...rows.children].map((row) => ({
          kind: row.querySelector("select")?.value ?? "",
          value: row.querySelector("input")?.value.trim() ?? "",
        })),
        mirror: mirror.checked,
        ttl: ttl.value.trim(),
        context: (status?.clusters.length ?? 0) > 1 || cluster === undefined ? service.cluster : "",
        confirm: cluster?.protectedBy === undefined ? "" : confirm.value.trim(),
      }),
  });
  byId("dialog").scrollTop = 0;
}
