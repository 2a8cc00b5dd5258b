import assert from "node:assert/strict";
import { Api } from "../client/api.ts";
import { ApiError } from "../client/api_error.ts";
import { resources } from "../client/resources.ts";
import { until } from "../../async/testing/until.ts";
import { Events, fakeServer, json, status } from "../testing/api_server.ts";
import { type Change, watch, type WatchOptions } from "./watch.ts";

interface Thing {
  name: string;
  value: number;
}

function parse(raw: unknown): Thing {
  const { metadata, value } = raw as { metadata: { name: string }; value: unknown };
  if (typeof value !== "number") throw new Error("value is no number");
  return { name: metadata.name, value };
}

function thing(name: string, value: unknown, resourceVersion = "1") {
  return { metadata: { namespace: "ns", name, resourceVersion }, value };
}

function listOf(resourceVersion: string, ...items: unknown[]) {
  return json(200, { kind: "List", metadata: { resourceVersion }, items });
}

const quick: WatchOptions<Thing> = { parse, backoff: { firstMs: 1, maxMs: 10 } };

Deno.test("a watch lists, then follows what is added, modified and deleted", async () => {
  const events = new Events();
  await using server = fakeServer((_, url) =>
    url.searchParams.has("watch") ? new Response(events.body) : listOf("10", thing("a", 1), thing("b", 2))
  );
  using api = new Api(server.source);
  const changes: Change<Thing>[] = [];
  await using things = watch(api, resources.services, { ...quick, namespace: "ns", labelSelector: "app=x" });
  things.onChange((change) => changes.push(change));
  await things.ready;
  assert.deepEqual([...things.items.keys()], ["ns/a", "ns/b"]);
  await until("live", () => things.state === "live");
  events.send("ADDED", thing("c", 3, "11"));
  events.send("MODIFIED", thing("a", 9, "12"));
  events.send("BOOKMARK", { metadata: { resourceVersion: "20" } });
  events.send("DELETED", thing("b", 2, "21"));
  await until("b is gone", () => !things.items.has("ns/b"));
  assert.deepEqual(changes.map(({ kind, key, item }) => `${kind} ${key} ${item.value}`), [
    "added ns/a 1",
    "added ns/b 2",
    "added ns/c 3",
    "modified ns/a 9",
    "deleted ns/b 2",
  ]);
  assert.equal(server.asked[0], "GET /api/v1/namespaces/ns/services?labelSelector=app%3Dx&limit=500");
  assert.match(
    server.asked[1] ?? "",
    /watch=1&allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds=\d+&labelSelector=app%3Dx$/,
  );
});

Deno.test("a watch that the server ends resumes at the last version seen, a bookmark's too", async () => {
  const watches: Events[] = [];
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) return listOf("10");
    const events = new Events();
    watches.push(events);
    return new Response(events.body);
  });
  using api = new Api(server.source);
  await using things = watch(api, resources.services, quick);
  await until("first watch", () => watches.length === 1);
  watches[0]?.send("BOOKMARK", { metadata: { resourceVersion: "77" } });
  watches[0]?.end();
  await until("second watch", () => watches.length === 2);
  assert.match(server.asked.at(-1) ?? "", /resourceVersion=77/);
  assert.equal(server.asked.filter((each) => !each.includes("watch")).length, 1, "it isn't listed again");
  assert.equal(things.state, "live");
});

for (const how of ["as an event", "as an answer"]) {
  Deno.test(`a version too old (410 ${how}) makes the watch list again and tell the difference`, async () => {
    let lists = 0, watches = 0;
    const last = new Events();
    await using server = fakeServer((_, url) => {
      if (!url.searchParams.has("watch")) {
        return ++lists === 1
          ? listOf("1", thing("a", 1), thing("b", 1), thing("same", 1))
          : listOf("50", thing("b", 2, "40"), thing("c", 3), thing("same", 1));
      }
      if (++watches > 1) return new Response(last.body);
      if (how === "as an answer") return json(410, status(410, "Expired", "too old resource version"));
      const events = new Events();
      events.send("ERROR", status(410, "Expired", "too old resource version"));
      return new Response(events.body);
    });
    using api = new Api(server.source);
    await using things = watch(api, resources.services, quick);
    await things.ready;
    const told: string[] = [];
    things.onChange(({ kind, key }) => told.push(`${kind} ${key}`));
    await until("listed again", () => lists === 2 && things.state === "live");
    assert.deepEqual(told, ["deleted ns/a", "modified ns/b", "added ns/c"]);
    assert.match(server.asked.at(-1) ?? "", /resourceVersion=50/);
  });
}

Deno.test("410 of whatever reason makes the watch list again", async () => {
  let lists = 0;
  const last = new Events();
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) return listOf(String(++lists));
    return lists === 1 ? json(410, status(410, "Gone", "too old")) : new Response(last.body);
  });
  using api = new Api(server.source);
  await using _things = watch(api, resources.services, quick);
  await until("listed again", () => lists === 2);
});

for (const how of ["refuses", "is silent at"]) {
  Deno.test(`a server that ${how} a version, as one restored from a backup, is listed again`, async () => {
    let lists = 0;
    const last = new Events();
    await using server = fakeServer((_, url) => {
      if (!url.searchParams.has("watch")) {
        return ++lists === 1 ? listOf("100", thing("old", 1, "90")) : listOf("7", thing("new", 1, "5"));
      }
      if (url.searchParams.get("resourceVersion") !== "100") return new Response(last.body);
      return how === "refuses"
        ? json(504, status(504, "Timeout", "Too large resource version: 100, current: 7"))
        : new Response(new Events().body);
    });
    using api = new Api(server.source);
    await using things = watch(api, resources.services, { ...quick, idleMs: 30 });
    await until("the new one is known", () => things.items.has("ns/new"));
    assert.deepEqual([...things.items.keys()], ["ns/new"]);
  });
}

Deno.test("a watch that is forbidden says so, and works once the right is given", async () => {
  let allowed = false;
  const events = new Events();
  await using server = fakeServer((_, url) =>
    !allowed
      ? json(
        403,
        status(403, "Forbidden", 'services is forbidden: User "carol" cannot list resource "services"'),
      )
      : url.searchParams.has("watch")
      ? new Response(events.body)
      : listOf("1", thing("a", 1))
  );
  using api = new Api(server.source);
  await using things = watch(api, resources.services, { ...quick, backoff: { firstMs: 20, maxMs: 20 } });
  await assert.rejects(things.ready, (error) => {
    assert(ApiError.is(error, "Forbidden"));
    assert.match(error.message, /^Can't list services in all namespaces: .*User "carol" cannot list/);
    return true;
  });
  assert.equal(things.state, "forbidden");
  allowed = true;
  await until("live", () => things.state === "live");
  assert.equal(things.items.get("ns/a")?.value, 1);
  assert.equal(things.error, undefined);
});

Deno.test("a kind that the cluster doesn't know is told as missing", async () => {
  await using server = fakeServer(() => new Response("404 page not found\n", { status: 404 }));
  using api = new Api(server.source);
  await using things = watch(
    api,
    { group: "pmz.dev", version: "v1", plural: "things", namespaced: true },
    quick,
  );
  await assert.rejects(things.ready, (error) => ApiError.is(error, "NotFound"));
  assert.equal(things.state, "missing");
});

Deno.test("a connection gone silent counts as dead: the watch takes up where it was", async () => {
  const watches: Events[] = [];
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) return watches[0] ? listOf("10", thing("a", 1, "15")) : listOf("10");
    const events = new Events();
    watches.push(events);
    return new Response(events.body);
  });
  using api = new Api(server.source);
  await using things = watch(api, resources.services, { ...quick, idleMs: 50 });
  await until("first watch", () => watches.length === 1);
  watches[0]?.send("ADDED", thing("a", 1, "15"));
  await until("second watch", () => watches.length > 1);
  assert.match(server.asked[2] ?? "", /resourceVersion=15/);
  await until("the dead connection is let go", () => watches[0]?.cancelled === true);
  assert.equal(things.items.size, 1);
});

Deno.test("a quiet kind is watched again without a word in the log; one that can't be watched any more is logged", async () => {
  let watches = 0, isGone = false;
  await using server = fakeServer((_, url) => {
    if (isGone) return json(503, status(503, "ServiceUnavailable", "ending"));
    if (!url.searchParams.has("watch")) return listOf("10");
    watches++;
    return new Response(new Events().body);
  });
  using api = new Api(server.source);
  const logged: unknown[] = [];
  const log: WatchOptions<Thing>["log"] = (message, { state, error }) =>
    void logged.push([message, state, error instanceof ApiError && error.reason]);
  await using _things = watch(api, resources.services, { ...quick, idleMs: 30, log });
  await until("it was silent several times", () => watches > 4);
  assert.deepEqual(logged, []);
  isGone = true;
  await until("it is logged", () => logged.length > 0);
  assert.deepEqual(logged, [["a watch isn't live", "reconnecting", "ServiceUnavailable"]]);
});

Deno.test("a server that can't be reached keeps ready waiting, and a watch comes alive with it", async () => {
  const events = new Events();
  const answers: Response[] = [json(503, status(503, "ServiceUnavailable", "starting"))];
  await using server = fakeServer((_, url) =>
    answers.pop() ?? (url.searchParams.has("watch") ? new Response(events.body) : listOf("1", thing("a", 1)))
  );
  using api = new Api(server.source);
  await using things = watch(api, resources.services, quick);
  await things.ready;
  assert.equal(things.items.size, 1);
});

Deno.test("one object that can't be read is left out and logged, the others stay", async () => {
  const events = new Events();
  const logged: string[] = [];
  await using server = fakeServer((_, url) =>
    url.searchParams.has("watch")
      ? new Response(events.body)
      : listOf("1", thing("a", 1), thing("bad", "x"), null, 7, thing("b", 2))
  );
  using api = new Api(server.source);
  await using things = watch(api, resources.services, {
    ...quick,
    log: (message, { key }) => logged.push(`${message}: ${key}`),
  });
  await things.ready;
  assert.deepEqual([...things.items.keys()], ["ns/a", "ns/b"]);
  assert.equal(logged.length, 3);
  events.send("MODIFIED", thing("a", "no longer a number"));
  await until("a is left out", () => things.items.size === 1);
});

Deno.test("objects beyond the limit are left out and counted", async () => {
  const events = new Events();
  await using server = fakeServer((_, url) =>
    url.searchParams.has("watch")
      ? new Response(events.body)
      : listOf("1", ...["a", "b", "c", "d"].map((n) => thing(n, 1)))
  );
  using api = new Api(server.source);
  await using things = watch(api, resources.services, { ...quick, maxItems: 3 });
  await things.ready;
  assert.equal(things.items.size, 3);
  assert.equal(things.overflow, 1);
  await until("live", () => things.state === "live");
  events.send("DELETED", thing("d", 1));
  await until("nothing left out", () => things.overflow === 0);
});

Deno.test("a watch that breaks after a sound while is back at once, however often that has been", async () => {
  let watches = 0;
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) return listOf("1");
    watches++;
    let timer: ReturnType<typeof setTimeout>;
    return new Response(
      new ReadableStream({
        start: (controller) => void (timer = setTimeout(() => controller.error(new Error("killed")), 20)),
        cancel: () => clearTimeout(timer),
      }),
    );
  });
  using api = new Api(server.source);
  const backoff = { firstMs: 1, maxMs: 60_000 };
  await using _things = watch(api, resources.services, { parse, backoff, soundMs: 1 });
  await until("it has come back 25 times", () => watches > 25); // by doubled pauses that would take hours
});

Deno.test("an object that is left out is kept once there is room", async () => {
  let events = new Events();
  const there = new Set(["a", "b", "c"]);
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) return listOf("1", ...[...there].map((name) => thing(name, 1)));
    events = new Events();
    return new Response(events.body);
  });
  using api = new Api(server.source);
  await using things = watch(api, resources.services, { ...quick, maxItems: 2, roomMs: 1 });
  const added: string[] = [];
  things.onChange(({ kind, key }) => kind === "added" && added.push(key));
  await until("live", () => things.state === "live");
  assert.deepEqual([[...things.items.keys()], things.overflow], [["ns/a", "ns/b"], 1]);
  there.delete("a");
  events.send("DELETED", thing("a", 1));
  await until("c is kept", () => things.items.has("ns/c"));
  assert.deepEqual([[...things.items.keys()], things.overflow], [["ns/b", "ns/c"], 0]);
  assert.deepEqual(added, ["ns/a", "ns/b", "ns/c"]);
});

Deno.test("objects that replaced others while the connection was lost are not beyond the limit", async () => {
  let lists = 0;
  const last = new Events();
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) {
      return ++lists === 1
        ? listOf("1", thing("a", 1), thing("b", 1))
        : listOf("9", thing("c", 1), thing("d", 1));
    }
    return lists === 1 ? json(410, status(410, "Expired", "too old")) : new Response(last.body);
  });
  using api = new Api(server.source);
  await using things = watch(api, resources.services, { ...quick, maxItems: 2 });
  await until("listed again", () => lists === 2 && things.state === "live");
  assert.deepEqual([[...things.items.keys()], things.overflow], [["ns/c", "ns/d"], 0]);
});

Deno.test("more objects than a list may have don't keep a watch from being ready", async () => {
  const last = new Events();
  await using server = fakeServer((_, url) => {
    if (url.searchParams.has("watch")) return new Response(last.body);
    const isFirst = !url.searchParams.has("continue");
    const items = Array.from({ length: isFirst ? 50_000 : 1_000 }, (_, i) => thing(`${isFirst}-${i}`, 1));
    return json(200, { metadata: { resourceVersion: "1", ...(isFirst ? { continue: "more" } : {}) }, items });
  });
  using api = new Api(server.source);
  const logged: string[] = [];
  await using things = watch(api, resources.services, { ...quick, log: (text) => void logged.push(text) });
  await things.ready;
  assert.deepEqual([things.items.size, things.overflow], [20_000, 31_000]);
  assert.deepEqual(logged, ["there are more objects than are kept"]);
});

Deno.test("a line that isn't an event ends that connection only", async () => {
  let watches = 0;
  const last = new Events();
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) return listOf("1");
    if (++watches > 1) return new Response(last.body);
    const events = new Events();
    events.raw('{"type":"ADDED","object":"surprise"}\n');
    return new Response(events.body);
  });
  using api = new Api(server.source);
  await using things = watch(api, resources.services, quick);
  await until("second watch", () => watches === 2 && things.state === "live");
});

Deno.test("a line without an end doesn't fill the memory", async () => {
  let watches = 0;
  const last = new Events();
  const chunk = new Uint8Array(1 << 20).fill(120);
  let sent = 0;
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) return listOf("1");
    if (++watches > 1) return new Response(last.body);
    return new Response(
      new ReadableStream({
        pull(controller) {
          sent += chunk.length;
          controller.enqueue(chunk);
        },
      }),
    );
  });
  using api = new Api(server.source);
  await using things = watch(api, resources.services, quick);
  await until("second watch", () => watches === 2 && things.state === "live");
  assert(sent < 64 << 20, `${sent} bytes`);
});

Deno.test("an event cut into pieces anywhere is read as one", async () => {
  const events = new Events();
  await using server = fakeServer((_, url) =>
    url.searchParams.has("watch") ? new Response(events.body) : listOf("1")
  );
  using api = new Api(server.source);
  await using things = watch(api, resources.services, quick);
  await until("live", () => things.state === "live");
  for (const char of JSON.stringify({ type: "ADDED", object: thing("a", 5) }) + "\n") {
    events.raw(char);
    await Promise.resolve();
  }
  await until("a is there", () => things.items.get("ns/a")?.value === 5);
});

Deno.test("reconnect drops the connection and takes up at once", async () => {
  let watches = 0;
  await using server = fakeServer((_, url) => {
    if (!url.searchParams.has("watch")) return listOf("1");
    watches++;
    return new Response(new Events().body);
  });
  using api = new Api(server.source);
  await using things = watch(api, resources.services, {
    ...quick,
    backoff: { firstMs: 60_000, maxMs: 60_000 },
  });
  await until("first watch", () => watches === 1 && things.state === "live");
  things.reconnect();
  await until("second watch", () => watches === 2);
});

Deno.test("a watch stopped before its first list rejects ready with the signal's reason", async () => {
  const stop = new AbortController();
  await using server = fakeServer(() => new Promise(() => {}));
  using api = new Api(server.source);
  await using things = watch(api, resources.services, { ...quick, signal: stop.signal });
  setTimeout(() => stop.abort(new Error("enough")), 20);
  await assert.rejects(things.ready, /enough/);
  await until("closed", () => things.state === "closed");
});

Deno.test("a listener that throws harms neither the watch nor other listeners", async () => {
  const events = new Events();
  await using server = fakeServer((_, url) =>
    url.searchParams.has("watch") ? new Response(events.body) : listOf("1")
  );
  using api = new Api(server.source);
  await using things = watch(api, resources.services, quick);
  let told = 0;
  things.onChange(() => {
    throw new Error("not my day");
  });
  const second = things.onChange(() => void told++);
  await until("live", () => things.state === "live");
  events.send("ADDED", thing("a", 1));
  await until("told", () => told === 1);
  second[Symbol.dispose]();
  events.send("ADDED", thing("b", 1));
  await until("b is there", () => things.items.has("ns/b"));
  assert.equal(told, 1);
});
