import type { InterceptEntry } from "../wire/control.ts";
import type { Explanation } from "../wire/explain.ts";
import { defaultAnswers, echoIntercept } from "./testing/fake_daemon.ts";
import { compareWithGolden } from "./testing/golden.ts";

const text = [
  "up",
  "up --quiet",
  "up --proxy",
  "status",
  "services",
  "services -A",
  "services -n nowhere",
  "flows",
  "flows --failed",
  "ui",
  "explain echo.default.svc:80",
  "dns list",
  "dns add www.shop.example echo",
  "dns remove www.shop.example",
  "dns remove gone.example",
  "dns allow",
  "dns allow corp.example",
  "dns allow --remove corp.example",
  "dns allow --remove gone.example",
  "dns allow --remove",
  "intercept echo 8081",
  "intercept list",
  "leave echo",
  "leave gone",
  "env echo",
  "agent status",
  "agent deploy -n default",
  "agent manifests --component gateway --base-image mirror/deno:2",
  "doctor",
  "logs",
  "logs -f",
  "logs --context staging",
  "version",
  "down",
];
const json = [
  "up",
  "status",
  "services",
  "flows",
  "flows -f",
  "ui",
  "explain http://echo.default.svc/",
  "dns list",
  "dns remove gone.example",
  "intercept list",
  "leave echo",
  "env echo",
  "agent status",
  "doctor",
  "logs",
  "logs -f",
  "version",
  "down",
];

for (const line of text) {
  Deno.test(`people see of "pmz ${line}" what its golden file says`, () => compareWithGolden(line, line));
}
for (const line of json) {
  Deno.test(`scripts see of "pmz ${line} -o json" what its golden file says`, () =>
    compareWithGolden(`${line} json`, `${line} -o json`));
}
for (
  const line of [
    "down",
    "status",
    "status -o json",
    "services",
    "explain echo.default.svc:80",
    "dns list",
    "intercept list",
    "leave echo",
    "version",
  ]
) {
  Deno.test(`without a daemon "pmz ${line}" says what its golden file says`, () =>
    compareWithGolden(`no daemon ${line}`, line, { running: false }));
}
Deno.test("a personal intercept says what it takes, how to send that, and who else has rules there", () => {
  const result: InterceptEntry = {
    ...echoIntercept,
    id: "echo.default:80/kfjapmbc",
    match: { headers: [{ name: "x-user", exact: "alice" }], paths: [{ prefix: "/cart" }] },
    others: [
      {
        user: "bob",
        match: { paths: [{ prefix: "/cart" }] },
        since: "2026-01-01T11:00:00Z",
        first: true,
        overlaps: true,
      },
      { user: "carol", since: "2026-01-01T11:00:00Z", first: false, overlaps: true },
    ],
  };
  const line = "intercept echo 8081 --header x-user=alice --path /cart";
  return compareWithGolden("intercept personal", line, {
    answers: { intercept: [{ kind: "result", result }], intercepts: [result] },
  });
});
Deno.test("an intercept of this machine's own connections says so, and asks for nothing in the cluster", async () => {
  const { match: _, ...echo } = echoIntercept;
  const result: InterceptEntry = {
    ...echo,
    id: "echo.default:80/mine",
    mine: true,
    pods: { ready: 0, all: 0 },
  };
  const answers = { intercept: [{ kind: "result", result }] as const, intercepts: [result] };
  await compareWithGolden("intercept mine", "intercept echo 8081 --mine", { answers });
  await compareWithGolden("intercept list mine", "intercept list", { answers });
  await compareWithGolden("leave mine", "leave echo/mine", { answers });
});
Deno.test("what keeps a connection from working is named last, with what to do about it", () => {
  const explain: Explanation = {
    target: "echo.default.svc:81",
    hops: [
      { hop: "name", level: "ok", saw: "echo.default.svc is Service default/echo of cluster dev", ms: 0.1 },
      {
        hop: "port",
        level: "failed",
        saw: "the Service has no TCP port 81",
        remedy: "its ports: 80 (http), 53/udp",
      },
      { hop: "address", level: "ok", saw: "10.96.25.30 is captured, for your programs alone" },
    ],
  };
  return compareWithGolden("explain failed", "explain echo.default.svc:81", { answers: { explain } });
});
Deno.test("a proxy of the shell is named where the connection itself works", () => {
  const shellWarnings = () =>
    Promise.resolve([{ message: "http_proxy is set in this shell", hint: "export NO_PROXY=.svc" }]);
  return compareWithGolden("explain proxy", "explain echo.default.svc:80", { parts: { shellWarnings } });
});
Deno.test("a domain that leads to another Service than before says so", () => {
  const names = defaultAnswers().names.map((entry) => ({ ...entry, before: "cart.shop" }));
  return compareWithGolden("dns add moved", "dns add www.shop.example echo", { answers: { names } });
});
Deno.test("an agent of an older pmz is told apart from one of another", () => {
  const agent = (["gateway", "node"] as const).map((component) => ({
    ...defaultAnswers().agent[0],
    component,
    state: "ready" as const,
    ours: false,
    outdated: component === "node",
  }));
  return compareWithGolden("agent status other", "agent status", { answers: { agent } });
});
Deno.test("what another program has changed of pmz's own network, and pmz has put right, is said by status", () => {
  const { status } = defaultAnswers();
  const last = Date.parse("2026-01-01T11:59:00Z");
  const damage = [{ part: "device", repaired: 1, last }, { part: "routes", repaired: 3, last }] as const;
  const helper = { state: "connected", address: "198.18.255.254", routes: 5, damage } as const;
  return compareWithGolden("status damage", "status", { answers: { status: { ...status, helper } } });
});
Deno.test("on a terminal there are colours, symbols and one turning line", () =>
  compareWithGolden("terminal up", "up", { terminal: true, env: { LANG: "C.UTF-8" }, answers: quickUp() }));

/** Steps that take no time, so that the turning line shows no seconds. */
function quickUp() {
  return {
    up: [{
      kind: "error",
      error: { code: "agent", message: "the gateway doesn't start", hint: "see its pod" },
    }] as const,
  };
}
