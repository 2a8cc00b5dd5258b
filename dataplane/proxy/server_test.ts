import assert from "node:assert/strict";
import { ConnectionOwners } from "../../ffi/proc/connection_owner.ts";
import { arrivalOf } from "../../ffi/proc/socket_owner.ts";
import { curl, curlAs, exchange, start, uid } from "../testing/proxy.ts";
import { origin, Talk } from "../testing/talk.ts";
import { serveProxy } from "./server.ts";

Deno.test("curl reaches a name by SOCKS5, by absolute form and by CONNECT", async () => {
  await using setting = start();
  const { proxy, opened } = setting;
  for (const [kind, ...more] of [["socks5h"], ["http"], ["http", "--proxytunnel"]] as const) {
    const { code, body, errors } = await curl(
      proxy,
      kind,
      ...more,
      "http://echo.default.svc/a?b=c",
      "-d",
      "hello",
    );
    assert.equal(code, 0, errors);
    const said = JSON.parse(body);
    assert.deepEqual([said.method, said.path, said.size], ["POST", "/a?b=c", 5]);
    assert.equal(said.headers.host, "echo.default.svc");
    assert.equal(said.headers["proxy-connection"], undefined);
  }
  assert.deepEqual(opened.map(({ target }) => target), Array(3).fill({ host: "echo.default.svc", port: 80 }));
  assert.match(opened[1]?.first ?? "", /^POST \/a\?b=c HTTP\/1\.1\r\nHost: echo\.default\.svc\r\n/);
});

Deno.test("large bodies go both ways, with a length and chunked", async () => {
  await using setting = start();
  const { proxy } = setting;
  const file = await Deno.makeTempFile();
  try {
    const data = crypto.getRandomValues(new Uint8Array(65_536));
    const big = new Uint8Array(20 * data.length);
    for (let i = 0; i < 20; i++) big.set(data, i * data.length);
    await Deno.writeFile(file, big);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", big)).toHex();
    for (const more of [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["-0"]]) {
      const { body, errors } = await curl(
        proxy,
        "http",
        ...more,
        "http://echo.default.svc/",
        "--data-binary",
        `@${file}`,
      );
      assert.equal(JSON.parse(body || errors).hash, hash, more.join());
    }
    const { body } = await curl(
      proxy,
      "http",
      "http://echo.default.svc/bytes?3000000",
      "-o",
      "/dev/null",
      "-w",
      "%{size_download}",
    );
    assert.equal(body, "3000000");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("one connection carries many requests, to different targets", async () => {
  await using setting = start();
  const urls = [
    "http://a.default.svc/",
    "http://b.default.svc/stream",
    "http://a.default.svc/bytes?0",
    "http://c.default.svc/",
  ];
  const { body } = await curl(setting.proxy, "http", ...urls, "-w", "\n%{num_connects} %{http_code}\n");
  assert.deepEqual(body.match(/^[01] 200$/gm), ["1 200", "0 200", "0 200", "0 200"]);
  assert.deepEqual(setting.opened.map(({ target: { host } }) => host[0]), ["a", "b", "c"]);
});

Deno.test("pipelined requests are answered in their order, each by its own target", async () => {
  await using setting = start();
  const said = await exchange(
    setting.proxy,
    "POST http://a.default.svc/1 HTTP/1.1\r\nHost: a.default.svc\r\nContent-Length: 3\r\n\r\nabc" +
      "POST http://b.default.svc/2 HTTP/1.1\r\nHost: b.default.svc\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" +
      "GET http://c.default.svc/3 HTTP/1.1\r\nHost: c.default.svc\r\nConnection: close\r\n\r\n",
  );
  assert.deepEqual([...said.matchAll(/"path":"(\/\d)"/g)].map(([, path]) => path), ["/1", "/2", "/3"]);
  assert.deepEqual(setting.opened.map(({ first }) => first.split("\r\n").at(-1)), ["abc", "", ""]);
});

Deno.test("why a target can't be reached is told to people and to programs", async () => {
  await using setting = start();
  const table: [string, string, RegExp, number][] = [
    ["refused.default.svc", "502", /refused the connection/, 97],
    ["slow.default.svc", "504", /did not answer/, 97],
    ["example.com", "404", /not a name of the cluster/, 97],
    ["node.default.svc", "403", /dials no nodes/, 97],
    ["bug.default.svc", "500", /bug\.default\.svc port 80: the tunnel has a bug/, 97],
  ];
  for (const [host, status, why, socksCode] of table) {
    const { body } = await curl(
      setting.proxy,
      "http",
      `http://${host}/`,
      "-w",
      "\n%{http_code} %header{proxy-status}",
    );
    assert.match(body, why);
    assert.match(body, new RegExp(`^${status} pmz; error=`, "m"));
    assert.equal((await curl(setting.proxy, "socks5h", `http://${host}/`)).code, socksCode);
    const tunnel = await curl(
      setting.proxy,
      "http",
      "-p",
      `http://${host}/`,
      "-o",
      "/dev/null",
      "-w",
      "%{http_connect}",
    );
    assert.equal(tunnel.body, status);
  }
});

Deno.test("a target that is no web server gives an answer that says so", async () => {
  await using setting = start();
  const answers = [
    "",
    "SSH-2.0-OpenSSH\r\n\r\n",
    "HTTP/1.1 101 Switching\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
  ];
  for (const answer of answers) {
    setting.raw.state.answer = answer;
    const { body } = await curl(setting.proxy, "http", "http://raw.default.svc/", "-w", "%{http_code}");
    assert.match(
      body,
      /raw\.default\.svc port 80 (answers, but not in valid HTTP\/1\.1: |took the request and ended).*\n502$/,
      answer,
    );
  }
  setting.raw.state.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
  assert.equal((await curl(setting.proxy, "http", "http://raw.default.svc/")).code, 18);
  setting.raw.state.answer = "HTTP/1.0 200 OK\r\n\r\nuntil the end";
  assert.equal((await curl(setting.proxy, "http", "http://raw.default.svc/")).body, "until the end");
});

Deno.test("an early answer to an upload that goes on reaches the client", async () => {
  await using setting = start();
  const { body, code } = await curl(
    setting.proxy,
    "http",
    "http://echo.default.svc/early",
    "-H",
    "Expect: 100-continue",
    "-d",
    "x".repeat(100),
  );
  assert.deepEqual([code, body], [0, "no"]);
});

Deno.test("half a request never looks whole to its target", async () => {
  const aborted = Promise.withResolvers<void>();
  const never = Promise.withResolvers<null>();
  await using setting = start({
    open: () =>
      Promise.resolve({
        read: () => never.promise,
        write: (data) => Promise.resolve(data.length),
        closeWrite: () => Promise.resolve(),
        close: () => never.resolve(null),
        abort: () => (aborted.resolve(), never.resolve(null)),
      }),
  });
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: setting.proxy.port });
  await conn.write(
    new TextEncoder().encode(
      "POST http://a.default.svc/ HTTP/1.1\r\nHost: a.default.svc\r\nContent-Length: 9\r\n\r\nabc",
    ),
  );
  await conn.closeWrite();
  await aborted.promise;
});

Deno.test("what a web page can send gets a refusal and opens nothing", async () => {
  await using setting = start();
  assert.match(
    await exchange(setting.proxy, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    /^HTTP\/1\.1 400 [\s\S]*this is a proxy/,
  );
  const origin =
    "POST http://echo.default.svc/ HTTP/1.1\r\nHost: echo.default.svc\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n";
  assert.match(await exchange(setting.proxy, origin), /^HTTP\/1\.1 403 /);
  const smuggled =
    "POST http://echo.default.svc/ HTTP/1.1\r\nHost: echo.default.svc\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  assert.match(await exchange(setting.proxy, smuggled), /^HTTP\/1\.1 400 /);
  assert.match(
    await exchange(setting.proxy, `GET http://echo.default.svc/${"x".repeat(40_000)} HTTP/1.1\r\n\r\n`),
    /^HTTP\/1\.1 431 /,
  );
  assert.equal(await exchange(setting.proxy, "\x16\x03\x01"), "");
  assert.deepEqual(setting.opened, []);
});

Deno.test("connections of other accounts take no places, however many there are", async () => {
  const undecided = Promise.withResolvers<boolean>();
  const strangers: Deno.TcpConn[] = [];
  let arrived = 0;
  await using setting = start({
    limits: { connections: 1 },
    allow: () => arrived++ < 20 ? undecided.promise : Promise.resolve(true),
  });
  const { hostname, port } = setting.proxy;
  for (let i = 0; i < 20; i++) strangers.push(await Deno.connect({ hostname, port }));
  try {
    assert.equal((await curl(setting.proxy, "http", "http://echo.default.svc/")).code, 0);
  } finally {
    undecided.resolve(false);
    for (const one of strangers) one.close();
  }
});

Deno.test("another account gets nothing", async () => {
  await using setting = start({ allow: () => Promise.resolve(false) });
  assert.equal((await curl(setting.proxy, "http", "http://echo.default.svc/")).body, "");
  assert.deepEqual(setting.opened, []);
});

Deno.test({
  name: "of two users of the machine, only the one whose proxy it is can use it (needs root)",
  ignore: uid !== 0,
  async fn() {
    using owners = new ConnectionOwners();
    const [mine, other] = [65_534, 65_533];
    const allow = (conn: Deno.TcpConn) => owners.isFrom(arrivalOf(conn), [{ first: mine, last: mine }]);
    await using setting = start({ allow });
    for (const kind of ["http", "socks5h"] as const) {
      assert.equal((await curlAs(mine, setting.proxy, kind, "http://echo.default.svc/")).code, 0);
      assert.notEqual((await curlAs(other, setting.proxy, kind, "http://echo.default.svc/")).code, 0);
    }
    assert.equal(setting.opened.length, 2);
  },
});

Deno.test("500 connections at once are relayed", async () => {
  await using setting = start();
  const get = async () => {
    const head =
      "CONNECT echo.default.svc:80 HTTP/1.1\r\n\r\nGET /bytes?5000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    return (await exchange(setting.proxy, head)).length;
  };
  const lengths = await Promise.all(Array.from({ length: 500 }, get));
  assert.ok(lengths.every((length) => length > 5_000), `${Math.min(...lengths)}`);
});

Deno.test("a client that is slow to say what it wants is closed, as are those beyond the limit", async () => {
  await using setting = start({ limits: { connections: 2, openingMs: 100, idleMs: 100 } });
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: setting.proxy.port });
  using first = await connect();
  using second = await connect();
  await first.write(Uint8Array.of(5));
  await second.write(new TextEncoder().encode("GET http://a"));
  using third = await connect();
  const over = async (conn: Deno.TcpConn) => await conn.read(new Uint8Array(1)).catch(() => null);
  assert.equal(await over(third), null);
  assert.deepEqual([await over(first), await over(second)], [null, null]);
  for (let i = 0; i < 50 && setting.proxy.connections > 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { body } = await curl(
    setting.proxy,
    "socks5h",
    "http://echo.default.svc/bytes?1",
    "-w",
    "%{http_code}",
  );
  assert.match(body, /200$/);
});

Deno.test("the signal ends the proxy with all its connections", async () => {
  await using setting = start();
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: setting.proxy.port });
  await conn.write(new TextEncoder().encode("CONNECT echo.default.svc:80 HTTP/1.1\r\n\r\n"));
  const buffer = new Uint8Array(200);
  const count = await conn.read(buffer) ?? 0;
  assert.match(new TextDecoder().decode(buffer.subarray(0, count)), /^HTTP\/1\.1 200 /);
  setting.stop.abort();
  assert.equal(await conn.read(buffer).catch(() => null), null);
  await assert.rejects(
    Deno.connect({ hostname: "127.0.0.1", port: setting.proxy.port }),
    Deno.errors.ConnectionRefused,
  );
});

Deno.test("the proxy ends although a target does not answer, whatever the client has sent meanwhile", async () => {
  const asked = Promise.withResolvers<void>();
  await using target = origin(async (talk) => {
    await talk.until("\r\n\r\n");
    asked.resolve();
    await talk.rest();
  });
  await using setting = start({}, target);
  using client = await Talk.with(setting.proxy);
  await client.say("GET http://a.origin.svc/ HTTP/1.1\r\nHost: a.origin.svc\r\n\r\n".repeat(2));
  await asked.promise;
  await setting.proxy[Symbol.asyncDispose]();
  assert.equal(setting.proxy.connections, 0);
});

Deno.test("the proxy listens on loopback only", () => {
  for (const hostname of ["0.0.0.0", "::", "192.0.2.1", "localhost"]) {
    const options = { hostname, port: 0, signal: new AbortController().signal, isOurs: () => false };
    assert.throws(
      () =>
        serveProxy({
          ...options,
          allow: () => Promise.resolve(true),
          open: () => Promise.reject(),
          associate: () => assert.fail(),
        }),
      TypeError,
    );
  }
});
