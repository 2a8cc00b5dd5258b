import assert from "node:assert/strict";
import { until } from "../async/testing/until.ts";
import { defaultAnswers } from "../cli/testing/fake_daemon.ts";
import { World, type WorldOptions } from "../cli/testing/run.ts";
import { pageApp } from "./app.ts";
import { EventStreams } from "./event_stream.ts";
import { Live } from "./live.ts";
import { servePage } from "./server.ts";

/** The page of a world with a fake daemon, as it is served. */
function serving(options: WorldOptions = {}) {
  const world = new World(options);
  const closing = new AbortController();
  const page = servePage({ port: 0, parts: world.parts() }, closing.signal);
  const { origin } = new URL(page.url);
  return {
    world,
    page,
    origin,
    end: () => closing.abort(),
    read: async (path = "", headers: Record<string, string> = {}) => {
      const response = await fetch(`${page.url}${path}`, { headers });
      return { response, text: await response.text() };
    },
    run: (words: readonly string[], headers: Record<string, string> = {}) =>
      fetch(`${page.url}run`, {
        method: "POST",
        headers: { origin, "content-type": "application/json", ...headers },
        body: JSON.stringify({ words }),
      }),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await page.ended;
      await world[Symbol.asyncDispose]();
    },
  };
}

/** The events of a stream until one of this name has come. */
async function eventsUpTo(name: string, response: Response): Promise<Record<string, unknown>> {
  const events: Record<string, unknown> = {};
  let text = "";
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    for (const [, event = "", data = ""] of text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)) {
      events[event] = JSON.parse(data);
    }
    if (name in events) return events;
  }
  throw new Error(`no ${name} in ${text}`);
}

Deno.test("the page is served with its files, and may load nothing else", async () => {
  await using at = serving();
  const { response, text } = await at.read();
  assert.match(text, /<title>pmz<\/title>/);
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'; script-src 'self'; .*frame-ancestors 'none'/);
  assert.ok(!/unsafe|\*|http/.test(policy));
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(response.headers.get("access-control-allow-origin"), null);
  const named = [...text.matchAll(/(?:src|href)="([a-z_]+\.[a-z]+)"/g)].map(([, file = ""]) => file);
  const files = new Set(named);
  for (const file of files) {
    const { response, text } = await at.read(file);
    assert.equal(response.status, 200, file);
    if (file === "icon.svg") continue; // its xmlns is an address, and loads nothing
    assert.ok(!/https?:\/\//.test(text), `${file} names another server`);
    for (const [, imported = ""] of text.matchAll(/from "\.\/([a-z_]+\.js)"/g)) files.add(imported);
  }
  assert.ok(files.size > 8);
});

Deno.test("no other file of the machine is a file of the page", async () => {
  await using at = serving();
  for (const path of ["..%2fserver.ts", "types.json", "%2fetc%2fpasswd", "format_test.ts", "nosuch.js"]) {
    const { response } = await at.read(path);
    assert.equal(response.status, 404, path);
  }
});

Deno.test("a tab sees clusters, intercepts, flows and domains as the daemon has them", async () => {
  await using at = serving({ answers: { flowsStay: true } });
  const events = await eventsUpTo("directory", await fetch(`${at.page.url}events`));
  const { status, intercepts, flows, directory } = events as Record<string, Record<string, unknown[]>>;
  assert.deepEqual((status?.clusters?.[0] as { context: string }).context, "dev");
  assert.equal((intercepts?.own?.[0] as { takes: string }).takes, "all connections");
  const [failed] = (flows?.failed ?? []) as { outcome: string; explain: string }[];
  assert.equal(failed?.outcome, "refused by the gateway: no ready endpoint");
  assert.equal(failed?.explain, "payments.default.svc:8080");
  assert.deepEqual((directory?.domains?.[0] as { name: string }).name, "www.shop.example");
});

Deno.test("without a daemon the page says how to connect", async () => {
  await using at = serving({ running: false });
  const { status } = await eventsUpTo("status", await fetch(`${at.page.url}events`));
  assert.deepEqual(status, {
    why: { message: "pmz is not up", hint: "run: pmz up" },
    clusters: [],
    warnings: [],
  });
});

Deno.test("Services are filtered by their names, ports and addresses", async () => {
  await using at = serving();
  const found = async (filter: string) => {
    const { text } = await at.read(`services?${new URLSearchParams({ filter })}`);
    return (JSON.parse(text) as { items: { hostname: string }[] }).items.map(({ hostname }) => hostname);
  };
  assert.deepEqual(await found(""), ["echo.default.svc", "cart.shop.svc"]);
  assert.deepEqual(await found("SHOP"), ["cart.shop.svc"]);
  assert.deepEqual(await found("echo http"), ["echo.default.svc"]);
  assert.deepEqual(await found("10.96.25"), ["echo.default.svc"]);
  assert.deepEqual(await found("nosuch"), []);
});

Deno.test("texts of a Service that turn the direction of others are spelt out", async () => {
  const [service] = defaultAnswers().services;
  assert.ok(service);
  await using at = serving({ answers: { services: [{ ...service, interceptedBy: ["jo\u202egnp.exe"] }] } });
  const { text } = await at.read("services");
  assert.ok(!text.includes("\u202e"));
  assert.match(text, /jo\\\\u\{202e\}gnp/);
});

Deno.test("a button does what its command does, and says it in its words", async () => {
  await using at = serving();
  const lines = (await (await at.run(["leave", "echo.default:80"])).text()).trim().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [
    { text: "echo.default:80: ended, its pods answer again", isError: false },
    { exit: 0 },
  ]);
  const wrong = await (await at.run(["dns", "add", "not a domain", "echo"])).text();
  assert.match(wrong, /"error: .*not a domain.*","isError":true/);
  assert.match(wrong, /\{"exit":2\}\n$/);
});

Deno.test("what a command asks on a terminal it says how to agree to: consent, and a protected context's Service", async () => {
  await using at = serving({ env: { PMZ_PROTECT: "dev" } });
  const said = await (await at.run(["intercept", "echo", "8081"])).text();
  assert.match(
    said,
    /the context dev is protected .*to agree beforehand: --confirm echo.default.*"exit":12/s,
  );
  const { status } = await eventsUpTo("status", await fetch(`${at.page.url}events`));
  assert.equal((status as { clusters: { protectedBy: string }[] }).clusters[0]?.protectedBy, "dev");
  const named = await (await at.run(["intercept", "echo", "8081", "--confirm", "echo"])).text();
  assert.match(named, /"exit":0/);
});

Deno.test("what is to be installed waits for a yes, which is an option of the same line", async () => {
  const { plan } = defaultAnswers();
  assert.ok("install" in plan);
  await using at = serving({ answers: { plan: { ...plan, install: ["node"] } } });
  const asked = await (await at.run(["intercept", "echo", "8081"])).text();
  assert.match(asked, /node agent: a privileged DaemonSet.*to agree beforehand: --yes.*"exit":12/s);
  const agreed = await (await at.run(["intercept", "echo", "8081", "--yes"])).text();
  assert.match(agreed, /"exit":0/);
});

Deno.test("a request that makes no sense is refused in words", async () => {
  await using at = serving();
  for (
    const body of [
      "{",
      "[]",
      '{"words":"down"}',
      '{"words":[1]}',
      `{"words":${JSON.stringify(Array(65).fill("x"))}}`,
    ]
  ) {
    const headers = { origin: at.origin, "content-type": "application/json" };
    const response = await fetch(`${at.page.url}run`, { method: "POST", headers, body });
    assert.equal(response.status, 400, body);
    assert.equal(typeof (await response.json()).message, "string");
  }
  const long = await at.run(["down", "x".repeat(100_000)]);
  assert.equal(long.status, 413);
  await long.text();
});

Deno.test("a command that the page doesn't offer isn't run", async () => {
  await using at = serving();
  for (
    const words of [["up"], ["env", "echo"], ["intercept", "echo", "8081", "--kubeconfig", "/tmp/x"], []]
  ) {
    const response = await at.run(words);
    assert.equal(response.status, 400, words.join(" "));
    await response.text();
  }
  assert.deepEqual(at.world.daemon.asked, []);
});

Deno.test("a reader that goes away interrupts the command", async () => {
  await using at = serving({ answers: { intercept: [] } });
  const leaving = new AbortController();
  const response = await fetch(`${at.page.url}run`, {
    method: "POST",
    headers: { origin: at.origin, "content-type": "application/json" },
    body: JSON.stringify({ words: ["intercept", "echo", "8081"] }),
    signal: leaving.signal,
  });
  await until(
    "the daemon is asked for the intercept",
    () => at.world.daemon.asked.some(({ request }) => request === "POST /intercepts"),
  );
  leaving.abort();
  await response.text().catch(() => {});
  await at.world.daemon.readerGone.promise;
});

Deno.test("pages of other origins get nothing, and run nothing", async () => {
  await using at = serving();
  const refused: [string, Promise<Response>][] = [
    ["read with an Origin", fetch(`${at.page.url}services`, { headers: { origin: "https://evil.example" } })],
    ["a command", at.run(["down"], { origin: "https://evil.example" })],
    ["a form", at.run(["down"], { "content-type": "text/plain" })],
    ["a page of this machine", at.run(["down"], { origin: "http://127.0.0.1:8080" })],
    ["without the token", fetch(`${at.origin}/`)],
    ["another token", fetch(`${at.origin}/${"x".repeat(43)}/services`)],
  ];
  for (const [what, asked] of refused) {
    const response = await asked;
    assert.equal(response.status, 403, what);
    assert.match(await response.text(), /^refused: /);
  }
  assert.deepEqual(at.world.daemon.asked, []);
});

Deno.test("a name that was made to lead here gets nothing (DNS rebinding)", async () => {
  await using at = serving();
  const { port, pathname } = new URL(at.page.url);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  const head = `GET ${pathname} HTTP/1.1\r\nhost: evil.example:${port}\r\nconnection: close\r\n\r\n`;
  await conn.write(new TextEncoder().encode(head));
  const answer = await new Response(conn.readable).text();
  assert.match(answer, /^HTTP\/1\.1 403/);
  assert.match(answer, /refused: the Host header names another server/);
});

Deno.test("another account of the machine gets nothing, though it knows the address", async () => {
  await using world = new World();
  const parts = world.parts();
  const app = pageApp({
    admission: { authority: "127.0.0.1:4600", token: "token" },
    isOwn: () => Promise.resolve(false),
    live: new Live({ source: () => assert.fail("the daemon is asked") }),
    streams: new EventStreams(),
    parts,
    closing: new AbortController().signal,
  });
  for (const path of ["", "main.js", "events", "services"]) {
    const response = await app.request(`http://127.0.0.1:4600/token/${path}`, {
      headers: { host: "127.0.0.1:4600" },
    });
    assert.equal(response.status, 403);
    assert.equal(await response.text(), "refused: this page is another account's\n");
  }
});

Deno.test("the page ends when the daemon that it has shown goes down, and tells its tabs", async () => {
  await using at = serving();
  const response = await fetch(`${at.page.url}events`);
  const events = eventsUpTo("end", response);
  await at.read();
  const down = await (await at.run(["down"])).text();
  assert.match(down, /"exit":0/);
  assert.equal(await at.page.ended, "down");
  assert.deepEqual((await events).end, { kind: "down" });
  await assert.rejects(fetch(at.page.url));
});

Deno.test("with Ctrl-C it ends at once, and tells its tabs", async () => {
  await using at = serving();
  const events = eventsUpTo("end", await fetch(`${at.page.url}events`));
  at.end();
  assert.equal(await at.page.ended, "interrupted");
  assert.deepEqual((await events).end, { kind: "interrupted" });
});

Deno.test("a port that is taken is named, and what to do", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using world = new World();
  const { port } = other.addr;
  assert.throws(
    () => servePage({ port, parts: world.parts() }, new AbortController().signal),
    new RegExp(`another program listens on port ${port} of 127\\.0\\.0\\.1`),
  );
});
