import { showClusters } from "./clusters.js";
import { openDialog } from "./dialog.js";
import { byId, make, noticeBox, show } from "./dom.js";
import { openDomainForm, showDomains } from "./domains.js";
import { Flows } from "./flows.js";
import { age } from "./format.js";
import { openInterceptForm } from "./intercept_form.js";
import { showIntercepts } from "./intercepts.js";
import { showServices } from "./services.js";
import { follow } from "./stream.js";

/** Milliseconds after a key until the Services are asked for. */
const TYPING_MS = 150;

/** @type {import("../views.ts").StatusView | undefined} */
let status;
/** @type {import("../views.ts").InterceptsView} */
let intercepts = { own: [] };
/** @type {import("../views.ts").DirectoryView | undefined} */
let directory;
/** @type {import("../views.ts").NoticeView | undefined} */
let notice;
let isPaused = false;
const flows = new Flows();

const stream = follow(
  {
    status(told) {
      const isOther = contextsOf(status) !== contextsOf(told);
      notice = undefined;
      status = told;
      showStatus();
      if (isOther) askServices();
    },
    intercepts(told) {
      intercepts = told;
      drawIntercepts();
    },
    directory(told) {
      const isOther = directory?.revision !== told.revision;
      directory = told;
      drawIntercepts();
      showDomains(byId("domains"), told.domains, removeDomain);
      if (isOther) askServices();
    },
    flows(told) {
      flows.set(told);
      drawFlows();
    },
    ended(told) {
      flows.add(told);
      drawFlows();
    },
    end({ kind }) {
      if (kind === "replaced") {
        say({
          message: "Paused: this page is open in other tabs, and four are followed at once.",
        }, "Paused");
        byId("notices").append(
          make(
            "button",
            { type: "button", click: stream.resume },
            "Follow here",
          ),
        );
      } else {
        say({
          message: kind === "down" ? "pmz is down, and this page with it." : "pmz ui has ended.",
          hint: "to open the page again: pmz ui",
        }, kind === "down" ? "Down" : "Ended");
        document.body.classList.add("over");
      }
    },
  },
  () =>
    say(
      {
        message: "pmz ui doesn’t answer. It is asked again.",
        hint: "if it has ended, run: pmz ui",
      },
      "No answer",
    ),
);

function showStatus() {
  if (!status) return;
  const { why, clusters, warnings } = status;
  const connected = clusters.filter(({ state }) => state === "connected").length;
  const isUp = clusters.length > 0;
  summarise(
    why
      ? "Not connected"
      : !isUp
      ? "Not connected"
      : connected === clusters.length
      ? `Connected to ${clusters.map(({ context }) => context).join(", ")}`
      : clusters.some(({ state }) => state === "connecting")
      ? "Connecting"
      : "Intercepts only",
    isUp && clusters.every(({ state }) => state !== "connecting")
      ? "connected"
      : isUp
      ? "connecting"
      : "idle",
  );
  const isDown = why?.hint === "run: pmz up";
  drawNotices(why && !isDown ? [why] : warnings);
  byId("down").hidden = !isUp;
  byId("add-domain").hidden = !isUp;
  showClusters(byId("clusters"), status, disconnect);
}

/** @param {string} text @param {string} state */
function summarise(text, state) {
  const summary = byId("summary");
  if (summary.textContent === text && summary.dataset.state === state) return;
  summary.dataset.state = state;
  summary.replaceChildren(
    make(`span.dot.${state}`, { "aria-hidden": "true" }),
    text,
  );
  document.title = `pmz: ${text}`;
}

/** @param {readonly import("../views.ts").NoticeView[]} all */
function drawNotices(all) {
  for (
    const other of byId("notices").querySelectorAll(":scope > :not([data-key])")
  ) other.remove();
  show(byId("notices"), all, ({ message }) => message, (one) => noticeBox(one));
}

/**
 * Something about the page itself.
 * @param {import("../views.ts").NoticeView} told
 * @param {string} short
 */
function say(told, short) {
  notice = told;
  drawNotices([told]);
  summarise(short, "idle");
}

function drawIntercepts() {
  showIntercepts(byId("intercepts"), intercepts, directory, (id) => {
    openDialog({
      title: `Leave ${id}`,
      verb: "Leave",
      fields: [make("p", {}, leaveWords(id))],
      words: () => ["leave", id],
    });
  });
}

/** @param {string} id */
function leaveWords(id) {
  return id.includes("/mine")
    ? "The cluster answers your programs again."
    : "The Service’s pods answer again.";
}

function drawFlows() {
  if (!isPaused) flows.show(byId("flows"), byId("flow-count"));
}

/** @param {string} name */
function removeDomain(name) {
  openDialog({
    title: `Remove ${name}`,
    verb: "Remove",
    fields: [make("p", {}, "The domain no longer leads to the cluster.")],
    words: () => ["dns", "remove", name],
  });
}

/** @param {string} [context] one of several clusters */
function disconnect(context) {
  openDialog({
    title: context === undefined ? "Disconnect" : `Disconnect from ${context}`,
    verb: "Disconnect",
    danger: true,
    fields: [
      make(
        "p",
        {},
        context === undefined
          ? "Your programs no longer reach the cluster, your intercepts end, and this page with them."
          : "Your programs no longer reach this cluster, and your intercepts there end.",
      ),
    ],
    words: () => context === undefined ? ["down"] : ["down", "--context", context],
  });
}

let question = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;

/**
 * Which clusters are connected, and which are protected; undefined where that isn't known yet.
 * @param {import("../views.ts").StatusView} [of]
 */
function contextsOf(of) {
  return of &&
    JSON.stringify(
      of.clusters.map(({ context, protectedBy }) => [context, protectedBy]),
    );
}

/** Shows Services as soon as their clusters are known: an intercept's form asks by these. */
async function askServices() {
  if (!status || !directory) return;
  const own = ++question;
  const filter = /** @type {HTMLInputElement} */ (byId("filter")).value;
  try {
    const response = await fetch(`services?${new URLSearchParams({ filter })}`);
    if (own !== question || !response.ok) return;
    const isOneCluster = (status?.clusters.length ?? 0) <= 1;
    showServices(
      byId("services"),
      byId("service-count"),
      await response.json(),
      isOneCluster,
      (service) => {
        openInterceptForm(service, status);
      },
    );
  } catch {
    // The stream says that the server is gone.
  }
}

byId("filter").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(askServices, TYPING_MS);
});
byId("down").addEventListener("click", () => disconnect());
byId("add-domain").addEventListener("click", () => {
  openDomainForm(status?.clusters.map(({ context }) => context) ?? []);
});
byId("pause").addEventListener("click", ({ currentTarget }) => {
  isPaused = !isPaused;
  if (currentTarget instanceof Element) {
    currentTarget.setAttribute("aria-pressed", String(isPaused));
  }
  drawFlows();
});
const choices = [...document.querySelectorAll("[data-show]")];
for (const choice of choices) {
  choice.addEventListener("click", () => {
    for (const one of choices) {
      one.setAttribute("aria-pressed", String(one === choice));
    }
    flows.shown = /** @type {Flows["shown"]} */ (choice.getAttribute("data-show") ?? "all");
    flows.show(byId("flows"), byId("flow-count"));
  });
}
setInterval(() => {
  if (document.hidden || notice) return;
  for (const time of document.querySelectorAll("time[data-since]")) {
    const text = (time.getAttribute("data-before") ?? "") +
      age(Date.now() - Number(time.getAttribute("data-since")));
    if (time.textContent !== text) time.textContent = text;
  }
}, 1_000);
