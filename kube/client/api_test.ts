import assert from "node:assert/strict";
import { Api } from "./api.ts";
import { ApiError } from "./api_error.ts";
import { pathOf, resources } from "./resources.ts";
import { Events, fakeServer, json, status } from "../testing/api_server.ts";

const things = { group: "pmz.dev", version: "v1", plural: "things", namespaced: true };
const listOf = (items: unknown[], metadata: object = { resourceVersion: "1" }) =>
  json(200, { metadata, items });

Deno.test("paths name group, version, namespace, name and subresource, and names can't leave their place", () => {
  assert.equal(
    pathOf(resources.pods, { namespace: "a", name: "b", subresource: "log" }),
    "/api/v1/namespaces/a/pods/b/log",
  );
  assert.equal(pathOf(resources.endpointSlices), "/apis/discovery.k8s.io/v1/endpointslices");
  assert.equal(pathOf(resources.nodes, { namespace: "a", name: "n" }), "/api/v1/nodes/n");
  assert.equal(
    pathOf(resources.pods, { namespace: "a", name: "b/../../x?y" }),
    "/api/v1/namespaces/a/pods/b%2F..%2F..%2Fx%3Fy",
  );
  for (const name of ["", ".", ".."]) {
    assert.throws(() => pathOf(resources.pods, { namespace: "a", name }), TypeError);
  }
});

Deno.test("a list is fetched page by page", async () => {
  await using server = fakeServer((_, url) =>
    url.searchParams.get("continue") === "next"
      ? listOf([3], { resourceVersion: "7" })
      : listOf([1, 2], { resourceVersion: "7", continue: "next" })
  );
  using api = new Api(server.source);
  assert.deepEqual(await api.list(resources.pods, { namespace: "a" }), {
    items: [1, 2, 3],
    resourceVersion: "7",
  });
  assert.deepEqual(server.asked, [
    "GET /api/v1/namespaces/a/pods?limit=500",
    "GET /api/v1/namespaces/a/pods?limit=500&continue=next",
  ]);
});

Deno.test("a list that doesn't end is given up at its limit", async () => {
  await using server = fakeServer(() => listOf(Array(500).fill({}), { continue: "more" }));
  using api = new Api(server.source);
  await assert.rejects(
    api.list(resources.pods, {}, { maxObjects: 1_200 }),
    (error) => ApiError.is(error, "TooLarge"),
  );
  assert.equal(server.asked.length, 3);
});

Deno.test("create, replace, patch, apply and delete ask for what they say", async () => {
  const seen: string[] = [];
  await using server = fakeServer(async (request, url) => {
    seen.push(
      `${request.method} ${url.pathname}${url.search} ${request.headers.get("content-type")} ${await request
        .text()}`,
    );
    assert.equal(request.headers.get("authorization"), "Bearer secret");
    return json(200, { metadata: { name: "x" } });
  });
  using api = new Api(server.source);
  const ref = { namespace: "a", name: "x" };
  await api.create(things, { a: 1 }, { namespace: "a" });
  await api.replace(things, { ...ref, subresource: "status" }, { b: 2 });
  await api.patch(things, ref, { c: 3 });
  await api.patch(things, ref, [{ op: "test" }]);
  await api.apply(things, ref, { d: 4 }, { fieldManager: "pmz", force: true, dryRun: true });
  await api.delete(things, ref, { preconditions: { uid: "u" } });
  const at = "/apis/pmz.dev/v1/namespaces/a/things";
  assert.deepEqual(seen, [
    `POST ${at} application/json {"a":1}`,
    `PUT ${at}/x/status application/json {"b":2}`,
    `PATCH ${at}/x application/merge-patch+json {"c":3}`,
    `PATCH ${at}/x application/json-patch+json [{"op":"test"}]`,
    `PATCH ${at}/x?fieldManager=pmz&force=true&dryRun=All application/apply-patch+yaml {"d":4}`,
    `DELETE ${at}/x application/json {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u"}}`,
  ]);
});

Deno.test("errors say what was tried and what the server said, with its reason", async () => {
  await using server = fakeServer((_, url) =>
    url.pathname.endsWith("/gone")
      ? json(404, status(404, "NotFound", 'things.pmz.dev "gone" not found'))
      : url.pathname.endsWith("/html")
      ? new Response("<html>\u001b[2J<b>Bad\nGateway</b>", { status: 502 })
      : json(403, status(403, "Forbidden", 'things.pmz.dev is forbidden: User "carol" cannot delete'))
  );
  using api = new Api(server.source);
  await assert.rejects(api.get(things, { namespace: "a", name: "gone" }), {
    status: 404,
    reason: "NotFound",
    message:
      `Can't get things.pmz.dev "gone" in namespace a: things.pmz.dev "gone" not found (404 NotFound).`,
  });
  await assert.rejects(api.get(things, { namespace: "a", name: "html" }), {
    status: 502,
    message: `Can't get things.pmz.dev "html" in namespace a: <html>[2J<b>Bad Gateway</b> (502 BadAnswer).`,
  });
  await assert.rejects(api.delete(things, { namespace: "a", name: "x" }), {
    reason: "Forbidden",
    message:
      /^Can't delete things\.pmz\.dev "x" in namespace a: .*cannot delete \(403 Forbidden\)\. Ask the cluster's administrator/,
  });
});

Deno.test("after a 401 the credentials are read again, once", async () => {
  await using server = fakeServer((request) =>
    request.headers.get("authorization") === "Bearer new"
      ? json(200, { metadata: {} })
      : json(401, status(401, "Unauthorized", "Unauthorized"))
  );
  const renewed: boolean[] = [];
  const source = (token: string) => ({
    access: ({ renew = false } = {}) => {
      renewed.push(renew);
      return Promise.resolve({
        ...server.access,
        headers: { authorization: renew ? `Bearer ${token}` : "Bearer old" },
      });
    },
  });
  using api = new Api(source("new"));
  await api.get(resources.nodes, { name: "n" });
  assert.deepEqual(renewed, [false, true]);
  using refused = new Api(source("old"));
  await assert.rejects(refused.get(resources.nodes, { name: "n" }), /log in again/);
  assert.equal(server.asked.length, 4);
});

Deno.test("a server that is too busy is asked again when it says, and not for ever", async () => {
  let busy = 1;
  await using server = fakeServer(() =>
    busy-- > 0
      ? json(429, status(429, "TooManyRequests", "slow down"), { "retry-after": "0" })
      : json(200, { metadata: {} })
  );
  using api = new Api(server.source);
  await api.get(resources.nodes, { name: "n" });
  assert.equal(server.asked.length, 2);
  busy = 100;
  await assert.rejects(api.get(resources.nodes, { name: "n" }), { status: 429, retryAfter: 0 });
  assert.equal(server.asked.length, 5);
});

Deno.test("a server that doesn't answer, or stops in the middle of it, is a Timeout", async () => {
  const half = new Events();
  half.raw('{"metadata"');
  await using server = fakeServer((_, url) =>
    url.pathname === "/half" ? new Response(half.body) : new Promise(() => {})
  );
  using api = new Api(server.source);
  for (const path of ["/nothing", "/half"]) {
    await assert.rejects(api.json("GET", path, { timeoutMs: 50 }), (error) => {
      assert(ApiError.is(error, "Timeout"), String(error));
      assert.match(error.message, /no answer from http:\/\/127\.0\.0\.1:\d+: no answer within 0\.05 s/);
      return true;
    });
  }
});

Deno.test("a server that isn't there is Unreachable", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const access = { tls: false, hostname: "127.0.0.1", port, pathPrefix: "", caCerts: [], headers: {} };
  using api = new Api({ access: () => Promise.resolve(access) });
  await assert.rejects(api.get(resources.nodes, { name: "n" }), (error) => {
    assert(ApiError.is(error, "Unreachable"), String(error));
    assert.match(
      error.message,
      /^Can't get nodes "n": no answer from http:\/\/127\.0\.0\.1:\d+: .*refused.*Check that the cluster is running/s,
    );
    return true;
  });
});

Deno.test("the caller's signal ends a request with its own reason", async () => {
  await using server = fakeServer(() => new Promise(() => {}));
  using api = new Api(server.source);
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error("never mind")), 10);
  await assert.rejects(api.json("GET", "/", { signal: stop.signal }), /never mind/);
  await assert.rejects(api.json("GET", "/", { signal: stop.signal }), /never mind/);
});

Deno.test("an answer that is too large, or no JSON, is refused", async () => {
  const chunk = new Uint8Array(1 << 20).fill(32);
  await using server = fakeServer((_, url) =>
    url.pathname === "/big"
      ? new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }))
      : new Response("<html>log in</html>")
  );
  using api = new Api(server.source);
  await assert.rejects(api.json("GET", "/big"), (error) => ApiError.is(error, "TooLarge"));
  await assert.rejects(api.json("GET", "/html"), /the answer isn't JSON\. Is there a proxy/);
});

Deno.test("a redirect isn't followed: it would take the token elsewhere", async () => {
  await using server = fakeServer(() =>
    new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/" } })
  );
  using api = new Api(server.source);
  await assert.rejects(api.json("GET", "/"), { status: 302 });
});

Deno.test("a stream outlives the time limit of its beginning, and ends with the signal", async () => {
  const events = new Events();
  await using server = fakeServer(() => new Response(events.body));
  using api = new Api(server.source);
  const stop = new AbortController();
  const body = await api.stream("/watch", { timeoutMs: 30, signal: stop.signal });
  const reader = body.getReader();
  await new Promise((resolve) => setTimeout(resolve, 60));
  events.raw("hello");
  assert.equal(new TextDecoder().decode((await reader.read()).value), "hello");
  setTimeout(() => stop.abort(new Error("enough")), 10);
  await assert.rejects(reader.read(), /enough/);
});

Deno.test("credentials that take longer than an answer may are waited for", async () => {
  await using server = fakeServer(() => json(200, { ok: true }));
  using api = new Api({
    async access() {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return server.access;
    },
  });
  assert.deepEqual(await api.json("GET", "/version", { timeoutMs: 150 }), { ok: true });
});

Deno.test("a server that doesn't answer is looked for again once: the kubeconfig may say where it is by now", async () => {
  await using server = fakeServer(() => json(200, { ok: true }));
  const gone = { ...server.access, port: 1 };
  const asked: unknown[] = [];
  let now = server.access;
  using api = new Api({
    access: (how) => {
      asked.push(how);
      return Promise.resolve(asked.length === 1 ? gone : now);
    },
  });
  assert.deepEqual(await api.json("GET", "/version"), { ok: true });
  assert.deepEqual(asked, [undefined, { reread: true }]);
  asked.length = 0;
  now = gone;
  await assert.rejects(api.json("GET", "/version"), { reason: "Unreachable" });
  assert.equal(asked.length, 2, "it is where it was: once is enough");
});
