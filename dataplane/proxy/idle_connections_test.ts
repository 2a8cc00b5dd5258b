import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { start } from "../testing/proxy.ts";
import { origin, Talk } from "../testing/talk.ts";
import { CoarseTimers } from "./coarse_timers.ts";
import { IdleConnections } from "./idle_connections.ts";
import { Upstream } from "./upstream.ts";

const URL = "http://a.origin.svc/";
const ask = (method = "GET", more = "") => `${method} ${URL} HTTP/1.1\r\nHost: a.origin.svc\r\n${more}\r\n`;
const answer = (body: string, more = "") =>
  `HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;

/** Answers each request of a connection with the connection's number. */
const numbered = (more = "") =>
  origin(async (talk, connection) => {
    for (;;) {
      await talk.until("\r\n\r\n");
      await talk.say(answer(`[${connection}]`, more));
    }
  });

Deno.test("a client's requests go over one connection to their target, whatever the case of its name", async () => {
  await using target = numbered();
  await using setting = start({}, target);
  using client = await Talk.with(setting.proxy);
  for (const host of ["a.origin.svc", "A.origin.SVC", "a.origin.svc:80"]) {
    await client.say(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    assert.match(await client.until("]"), /\[1\]$/);
  }
  await client.say("GET http://b.origin.svc/ HTTP/1.1\r\nHost: b.origin.svc\r\n\r\n");
  assert.match(await client.until("]"), /\[2\]$/);
  assert.equal(setting.proxy.idle, 2);
});

Deno.test("no connection to a target is ever two clients', and it ends with its client's", async () => {
  await using target = numbered();
  await using setting = start({}, target);
  for (const number of [1, 2]) {
    using client = await Talk.with(setting.proxy);
    await client.say(ask());
    assert.match(await client.until("]"), new RegExp(`\\[${number}\\]$`));
    assert.equal(setting.proxy.idle, 1);
    client.conn.close();
    await until("no connection is idle", () => setting.proxy.idle === 0);
  }
});

Deno.test("responses of every kind leave their connection for the next request", async () => {
  const answers: [method: string, answer: string, end: string][] = [
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "\r\n\r\n"],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "\r\n\r\n"],
    [
      "GET",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nA: b\r\n\r\n",
      "A: b\r\n\r\n",
    ],
    [
      "POST",
      "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      "Length: 0\r\n\r\n",
    ],
    ["DELETE", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", "hi"],
  ];
  await using target = origin(async (talk) => {
    for (const [, answer] of answers) {
      await talk.until("\r\n\r\n");
      await talk.say(answer);
    }
    await talk.rest();
  });
  await using setting = start({}, target);
  using client = await Talk.with(setting.proxy);
  for (const [method, answer, end] of answers) {
    await client.say(ask(method));
    const passed = answer.replace("HTTP/1.0", "HTTP/1.1").replace("Connection: keep-alive\r\n", "");
    assert.equal(await client.until(end), passed);
  }
  assert.equal(target.connections, 1);
});

Deno.test("a connection that can't be used again is closed: by its target's word, its version, or its response's length", async () => {
  for (
    const said of [
      answer("hi", "Connection: close\r\n"),
      answer("hi", "Keep-Alive: timeout=1\r\n"),
      answer("hi").replace("HTTP/1.1", "HTTP/1.0"),
      "HTTP/1.1 200 OK\r\n\r\nhi",
      answer("hi") + "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
    ]
  ) {
    await using target = origin(async (talk) => {
      await talk.until("\r\n\r\n");
      await talk.say(said);
      if (!said.includes("Length")) return;
      await talk.rest();
    });
    await using setting = start({}, target);
    using client = await Talk.with(setting.proxy);
    await client.say(ask());
    await client.until("\r\n\r\nhi");
    assert.equal(setting.proxy.idle, 0, said);
    if (!said.includes("Length")) continue;
    await client.say(ask());
    const second = await client.until("\r\n\r\nhi");
    assert.ok(second.startsWith("HTTP/1.1 200 OK\r\n") && !second.includes("bad"), second);
    assert.equal(target.connections, 2);
  }
});

Deno.test("a connection that its target closes, or says something on, while it is idle is not used again", async () => {
  for (const [method, last] of [["GET", ""], ["POST", ""], ["GET", answer("unasked")]] as const) {
    await using closing = origin(async (talk, connection) => {
      await talk.until("\r\n\r\n");
      await talk.say(answer(`[${connection}]`));
      if (connection > 1) await talk.rest();
      await new Promise((resolve) => setTimeout(resolve, 20));
      await talk.say(last);
    });
    await using setting = start({}, closing);
    using client = await Talk.with(setting.proxy);
    await client.say(ask());
    assert.match(await client.until("]"), /\[1\]$/);
    await until("no connection is idle", () => setting.proxy.idle === 0);
    await client.say(ask(method));
    assert.match(await client.until("]"), /\[2\]$/);
  }
});

/** Answers one request of the first connection, and lets the next one fail in some way. */
const failing = (fail: (talk: Talk) => Promise<void>) =>
  origin(async (talk, connection) => {
    await talk.until("\r\n\r\n");
    await talk.say(answer(`[${connection}]`));
    await talk.until("\r\n\r\n");
    if (connection === 1) return await fail(talk);
    await talk.say(answer(`[${connection}]`));
  });

Deno.test("an idempotent request that a closing connection has swallowed is sent again, once", async () => {
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
    await using target = failing(() => Promise.resolve());
    await using setting = start({}, target);
    using client = await Talk.with(setting.proxy);
    await client.say(ask());
    await client.until("[1]");
    await client.say(ask(method, "Content-Length: 3\r\n") + "abc");
    assert.match(await client.until(method === "HEAD" ? "\r\n\r\n" : "]"), /^HTTP\/1\.1 200 /, method);
    assert.equal(target.connections, 2);
  }
  await using gone = origin(async (talk, connection) => {
    await talk.until("\r\n\r\n");
    if (connection === 1) await talk.say(answer("[1]"));
    if (connection === 1) await talk.until("\r\n\r\n");
  });
  await using setting = start({}, gone);
  using client = await Talk.with(setting.proxy);
  await client.say(ask());
  await client.until("[1]");
  await client.say(ask());
  assert.match(
    await client.until("\n\r\n"),
    /^HTTP\/1\.1 502 [\s\S]*Proxy-Status: pmz; error=connection_terminated/,
  );
  assert.equal(gone.connections, 2);
});

Deno.test("a request that may have been acted on is not sent again", async () => {
  const table: [request: string, fail: (talk: Talk) => Promise<void>][] = [
    [ask("GET"), (talk) => talk.say("HTTP/1.1 200")],
    [ask("GET"), (talk) => talk.say("HTTP/1.1 100 Continue\r\n\r\n")],
    [ask("POST"), (talk) => talk.say("HTTP/1.1 200")],
  ];
  for (const [request, fail] of table) {
    await using target = failing(fail);
    await using setting = start({}, target);
    using client = await Talk.with(setting.proxy);
    await client.say(ask());
    await client.until("[1]");
    await client.say(request);
    assert.match(await client.until("Proxy-Status"), /HTTP\/1\.1 502 Bad Gateway/, request);
    assert.equal(target.connections, 1);
  }
});

Deno.test("where a target closes a kept connection instead of answering a request that can't be sent again, the client's closes", async () => {
  for (const request of [ask("POST"), ask("PATCH"), ask("PUT", "Content-Length: 5\r\n") + "ab"]) {
    await using target = failing(() => Promise.resolve());
    const failures: string[] = [];
    await using setting = start({ answerFailed: ({ message }) => failures.push(message) }, target);
    using client = await Talk.with(setting.proxy);
    await client.say(ask());
    await client.until("[1]");
    await client.say(request);
    assert.equal(await client.rest(), "", "the client may send it again, as to any server that has closed");
    assert.equal(target.connections, 1, request);
    assert.match(failures.join(), /took the request and ended the connection/);
  }
});

Deno.test("a first request has an answer in any case", async () => {
  await using target = origin(async (talk) => void await talk.until("\r\n\r\n"));
  await using setting = start({}, target);
  using client = await Talk.with(setting.proxy);
  await client.say(ask("POST"));
  assert.match(await client.until("Proxy-Status"), /HTTP\/1\.1 502 Bad Gateway/);
});

Deno.test("a request that can't be sent again takes no connection that was idle for long", async () => {
  await using target = numbered();
  await using setting = start({ limits: { sureMs: 0 } }, target);
  using client = await Talk.with(setting.proxy);
  for (const [method, number] of [["GET", 1], ["GET", 1], ["POST", 2], ["GET", 2]] as const) {
    await client.say(ask(method));
    assert.match(await client.until("]"), new RegExp(`\\[${number}\\]$`));
  }
});

Deno.test("where there are too many idle connections, the one that is idle for longest is closed", async () => {
  await using target = numbered();
  await using setting = start({ limits: { mostIdle: 2 } }, target);
  using client = await Talk.with(setting.proxy);
  using other = await Talk.with(setting.proxy);
  const to = async (talk: Talk, host: string) => {
    await talk.say(`GET http://${host}.origin.svc/ HTTP/1.1\r\nHost: ${host}.origin.svc\r\n\r\n`);
    return /\[(\d+)\]$/.exec(await talk.until("]"))?.[1];
  };
  assert.deepEqual([await to(client, "a"), await to(client, "b"), await to(other, "c")], ["1", "2", "3"]);
  assert.equal(setting.proxy.idle, 2);
  assert.deepEqual([await to(client, "b"), await to(client, "a")], ["2", "4"]);
  assert.equal(setting.proxy.idle, 2);
});

Deno.test("a connection that is idle for too long is closed, and its client keeps its own", async () => {
  await using target = numbered();
  await using setting = start({ limits: { idleTargetMs: 100 } }, target);
  using client = await Talk.with(setting.proxy);
  await client.say(ask());
  await client.until("[1]");
  await until("no connection is idle", () => setting.proxy.idle === 0);
  await client.say(ask());
  await client.until("[2]");
});

Deno.test("a client has idle connections to eight targets at most", async () => {
  await using target = numbered();
  await using setting = start({}, target);
  using client = await Talk.with(setting.proxy);
  for (let number = 1; number <= 9; number++) {
    await client.say(`GET http://t${number}.origin.svc/ HTTP/1.1\r\nHost: t${number}.origin.svc\r\n\r\n`);
    await client.until(`[${number}]`);
  }
  assert.equal(setting.proxy.idle, 8);
});

Deno.test("bytes that come just when a connection is taken are never the next answer", async () => {
  for (let turns = 0; turns < 8; turns++) {
    const came = Promise.withResolvers<number>();
    const upstream = new Upstream({
      read: () => came.promise,
      write: (bytes) => Promise.resolve(bytes.length),
      closeWrite: () => Promise.resolve(),
      close() {},
      abort() {},
    }, { host: "a", port: 80 });
    using client = new IdleConnections(new CoarseTimers()).ofClient();
    client.keep(upstream);
    came.resolve(3);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const taken = client.take({ host: "A", port: 80 }, true);
    // Until the bytes are there they can't be told from an early answer.
    assert.ok(
      taken === undefined || (turns === 0 && upstream.reader.buffered.length === 0),
      `${turns} turns`,
    );
    taken?.close();
  }
});
