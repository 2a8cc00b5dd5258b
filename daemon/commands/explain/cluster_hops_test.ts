import assert from "node:assert/strict";
import type { Service } from "../../../kube/objects/objects.ts";
import { interceptEntry as own } from "../../../wire/testing/intercept_entry.ts";
import type { InterceptRule } from "../../../wire/intercept.ts";
import { ApiError } from "../../../kube/client/api_error.ts";
import { KubeconfigError } from "../../../kube/config/kubeconfig_error.ts";
import { interceptHop, withoutServer } from "./cluster_hops.ts";

const service: Service = {
  namespace: "default",
  name: "echo",
  uid: "u",
  type: "ClusterIP",
  clusterIPs: ["10.96.0.7"],
  headless: false,
  ports: [],
  publishNotReadyAddresses: false,
};
const bobs: InterceptRule = {
  namespace: "default",
  name: "echo-80",
  uid: "r",
  service: "echo",
  port: 80,
  session: { name: "s", uid: "s" },
  keyFingerprint: "",
  user: "bob",
  created: "2026-01-01T11:59:00Z",
  deleting: false,
  status: { pods: [] },
};

Deno.test("an intercept of the port names who answers, and says when nothing does", () => {
  const found = interceptHop(service, 80, [own], []);
  assert.deepEqual([found?.level, found?.saw], [
    "ok",
    "your intercept echo.default:80 takes it: connections go to localhost:8081",
  ]);
  const lost = interceptHop(service, 80, [own], [], () => false, ["node-2"]);
  assert.equal(lost?.level, "warning");
  assert.match(
    lost?.saw ?? "",
    /takes it, but not on node-2, whose node agent isn't connected: its pods answer$/,
  );
  const silent = interceptHop(service, 80, [{ ...own, silentSince: "2026-01-01T12:00:00Z" }], []);
  assert.match(silent?.saw ?? "", /where nothing listens since 2026-01-01T12:00:00Z$/);
  assert.equal(silent?.level, "failed");
  assert.match(interceptHop(service, 80, [], [bobs])?.saw ?? "", /^bob intercepts it/);
  const same = { ...own, service: "web", alsoTaken: ["echo:80"] };
  assert.match(interceptHop(service, 80, [same], [])?.saw ?? "", /^your intercept echo\.default:80 takes it/);
});

Deno.test("an intercept of a headless Service is found by its pods' port", () => {
  const headless: Service = {
    ...service,
    headless: true,
    ports: [{ name: "", port: 80, protocol: "TCP", targetPort: 8080 }],
  };
  assert.equal(interceptHop(headless, 8080, [own], [])?.level, "ok");
  assert.equal(interceptHop(headless, 80, [own], []), undefined);
});

Deno.test("somebody else's intercept of a Service takes what leads to the same port of the same pods", () => {
  const other = { ...service, name: "echo-canary", uid: "c" };
  const shares = ({ service, port }: { service: string; port: number }) => service === "echo" && port === 80;
  assert.match(
    interceptHop(other, 80, [], [bobs], shares)?.saw ?? "",
    /^bob intercepts echo:80, which has the same port of the same pods: a program on another machine answers/,
  );
  assert.equal(interceptHop(other, 80, [], [bobs]), undefined);
});

Deno.test("a personal intercept of somebody else takes only what matches, and other ports are nobody's", () => {
  const personal = { ...bobs, match: { paths: [{ prefix: "/cart" }] } };
  const found = interceptHop(service, 80, [], [personal]);
  assert.deepEqual([found?.level, found?.saw], [
    "ok",
    "personal intercepts take the requests that match: bob",
  ]);
  assert.equal(interceptHop(service, 81, [own], [bobs]), undefined);
  assert.equal(interceptHop(service, 80, [], [{ ...bobs, deleting: true }]), undefined);
});

Deno.test("an API server that doesn't answer is named, as are credentials that it refuses or that there are none of", async () => {
  const failing = (error: Error) =>
    withoutServer({
      api: { json: () => Promise.reject(error) },
      name: { server: "https://10.77.1.1:6443", context: "dev" },
    });
  const asked = (status: number, reason = "Timeout") =>
    failing(new ApiError("no answer", { status, reason }));
  const saw = await asked(0);
  assert.equal(saw?.level, "failed");
  assert.match(
    saw?.saw ?? "",
    /neither the gateway nor the API server https:\/\/10\.77\.1\.1:6443 answers: no answer/,
  );
  assert.equal(await asked(403), undefined);
  const login = "log in again, until this works: kubectl --context dev get --raw /version";
  const rows = [
    [await asked(401, "Unauthorized"), /refuses the credentials/, login],
    [
      await failing(new KubeconfigError("The plugin has ended with 1")),
      /no credentials.*ended with 1/,
      login,
    ],
    [await failing(new KubeconfigError("no plugin", { hint: "install it" })), /no plugin/, "install it"],
  ] as const;
  for (const [found, why, remedy] of rows) {
    assert.ok(found && "remedy" in found);
    assert.match(found.saw, why);
    assert.equal(found.remedy, remedy);
  }
});
