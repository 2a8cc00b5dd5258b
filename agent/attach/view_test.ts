import assert from "node:assert/strict";
import { Api } from "../../kube/client/api.ts";
import { until } from "../../async/testing/until.ts";
import { Events, fakeServer, json, status } from "../../kube/testing/api_server.ts";
import { uid } from "../testing/laptop.ts";
import { ApiView, fieldManager } from "./view.ts";

const RULES = "/apis/pmz.dev/v1alpha1/interceptrules";
const SESSIONS = "/apis/pmz.dev/v1alpha1/interceptsessions";

function meta(name: string, id: string, namespace = "a") {
  return { namespace, name, uid: id, resourceVersion: "7", creationTimestamp: "2026-01-01T00:00:00Z" };
}
const rule = {
  metadata: meta("echo-80", uid(10)),
  spec: {
    service: "echo",
    port: 80,
    session: { name: "s", uid: uid(1) },
    keyFingerprint: "f".repeat(64),
    user: "alice",
  },
};
const session = {
  metadata: meta("s", uid(1)),
  spec: { publicKey: "AAAA", user: "alice", machine: "m", durationSeconds: 10, renewal: "1" },
};

/** An API server with these objects, by path; watches stay silent until the test sends something. */
async function scene(objects: Record<string, unknown[]>, other?: (request: Request, url: URL) => Response) {
  const stack = new AsyncDisposableStack();
  const watches = new Map<string, Events>();
  const server = stack.use(fakeServer((request, url) => {
    if (request.method !== "GET") return other?.(request, url) ?? json(404, status(404, "NotFound", "no"));
    if (url.searchParams.get("watch") !== "1") {
      return json(200, { metadata: { resourceVersion: "1" }, items: objects[url.pathname] ?? [] });
    }
    const events = new Events();
    watches.set(url.pathname, events);
    return new Response(events.body);
  }));
  const api = stack.use(new Api(server.source));
  const view = stack.use(new ApiView(api, "node-1", () => {}));
  await until("the rules are watched", () => watches.has(RULES) && watches.has(SESSIONS));
  return { view, server, watches, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("only this node's pods are listed, and Services only of namespaces with rules", async () => {
  await using all = await scene({ [RULES]: [rule] });
  const { view, server } = all;
  await until("the namespace is known", () => view.known("a"));
  const asked = server.asked.join("\n");
  assert.match(asked, /\/api\/v1\/pods\?.*fieldSelector=spec\.nodeName%3Dnode-1/);
  assert.match(asked, /\/api\/v1\/namespaces\/a\/services/);
  assert.doesNotMatch(asked, /\/api\/v1\/services/);
  assert.equal(view.known("b"), false);
});

Deno.test("a namespace is watched from its first rule until its last", async () => {
  await using all = await scene({});
  const { view, watches } = all;
  assert.equal(view.known("a"), false);
  watches.get(RULES)?.send("ADDED", rule);
  await until("the namespace is known", () => view.known("a"));
  const services = watches.get("/api/v1/namespaces/a/services");
  watches.get(RULES)?.send("DELETED", rule);
  await until("the namespace is forgotten", () => !view.known("a"));
  await until("its Services aren't watched any more", () => services === undefined || services.cancelled);
});

Deno.test("a namespace's label is seen, also when it is added later", async () => {
  const labelled = { metadata: { name: "a", labels: { "pmz.dev/intercept": "denied" } } };
  await using all = await scene({ [RULES]: [rule], "/api/v1/namespaces": [{ metadata: { name: "a" } }] });
  const { view, watches } = all;
  await until("the namespace is known", () => view.known("a"));
  assert.deepEqual([...view.denied()], []);
  await until("it is watched", () => watches.has("/api/v1/namespaces"));
  let told = 0;
  using _ = view.onChange(() => told++);
  watches.get("/api/v1/namespaces")?.send("MODIFIED", labelled);
  await until("the label is seen", () => view.denied().has("a"));
  assert.equal(told > 0, true);
});

Deno.test("a session is deleted only in the version that was seen", async () => {
  const bodies: unknown[] = [];
  let answer = json(200, {});
  await using all = await scene({ [SESSIONS]: [session] }, (request) => {
    request.json().then((body) => bodies.push(body));
    return answer;
  });
  const { view } = all;
  await until("the session is seen", () => view.sessions().length === 1);
  const [seen] = view.sessions();
  assert.ok(seen);
  assert.equal(await view.deleteSession(seen), true);
  await until("the body came", () => bodies.length === 1);
  const { preconditions } = bodies[0] as { preconditions: unknown };
  assert.deepEqual(preconditions, { uid: uid(1), resourceVersion: "7" });
  answer = json(409, status(409, "Conflict", "it was renewed"));
  assert.equal(await view.deleteSession(seen), false);
});

Deno.test("a status is applied to the subresource, as this node's", async () => {
  await using all = await scene({ [RULES]: [rule] }, () => json(200, { metadata: {} }));
  const { view, server } = all;
  await until("the rule is seen", () => view.rules().length === 1);
  const [seen] = view.rules();
  assert.ok(seen);
  await view.applyStatus(seen, { status: {} });
  const path = "PATCH /apis/pmz.dev/v1alpha1/namespaces/a/interceptrules/echo-80/status";
  assert.equal(
    server.asked.includes(`${path}?fieldManager=pmz-node-node-1&force=true`),
    true,
    server.asked.join("\n"),
  );
});

Deno.test("a node's field manager fits, however long its name", () => {
  assert.equal(fieldManager("node-1"), "pmz-node-node-1");
  const [a, b] = [fieldManager("n".repeat(253)), fieldManager("n".repeat(252))];
  assert.equal(a.length <= 128 && b.length <= 128 && a !== b, true);
});
