import assert from "node:assert/strict";
import type { AbortableTransport } from "../../net/transport.ts";
import { until } from "../../async/testing/until.ts";
import { start } from "../testing/proxy.ts";
import { type Origin, origin, Talk } from "../testing/talk.ts";

const request = (method: string, more = "") =>
  `${method} http://a.origin.svc/x HTTP/1.1\r\nHost: a.origin.svc\r\n${more}\r\n`;
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/** A client of a proxy before `target`. */
async function clientOf(target: Origin) {
  const setting = start({}, target);
  const client = await Talk.with(setting.proxy);
  return {
    client,
    setting,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await setting[Symbol.asyncDispose]();
    },
  };
}

/** What the target was asked, with its body of `length` bytes. */
async function asked(sent: string): Promise<string> {
  const heard = Promise.withResolvers<string>();
  await using target = origin(async (talk) => {
    heard.resolve(await talk.until("\r\n\r\n"));
    await talk.say(ok);
    await talk.rest();
  });
  await using talking = await clientOf(target);
  await talking.client.say(sent);
  await talking.client.until("hi");
  return await heard.promise;
}

Deno.test("a request reaches its target as it came, but for what was for the proxy", async () => {
  assert.equal(
    await asked(
      request(
        "GET-IT",
        "X-One:  a \r\nProxy-Connection: keep-alive\r\nConnection: X-Hop\r\nX-hop: 1\r\nX-One:\tb\xe4\r\n",
      ),
    ),
    "GET-IT /x HTTP/1.1\r\nHost: a.origin.svc\r\nX-One:  a \r\nX-One:\tb\xe4\r\n\r\n",
  );
  assert.equal(
    await asked(request("GET", "TE: gzip, trailers\r\nConnection: TE, close\r\n")),
    "GET /x HTTP/1.1\r\nHost: a.origin.svc\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n",
  );
  assert.equal(
    await asked("GET http://a.origin.svc HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    "GET / HTTP/1.0\r\nHost: a.origin.svc\r\nConnection: close\r\n\r\n",
  );
});

Deno.test("TRACE and OPTIONS pass as many intermediaries as Max-Forwards says", async () => {
  const max = "max-forwards: 3\r\n";
  assert.match(await asked(request("OPTIONS", max)), /^OPTIONS [^]*Max-Forwards: 2\r\n/);
  assert.match(await asked(request("GET", max)), /^GET [^]*max-forwards: 3\r\n/);
  await using setting = start();
  using client = await Talk.with(setting.proxy);
  await client.say(request("TRACE", "Max-Forwards: 0\r\n"));
  assert.match(await client.rest(), /^HTTP\/1\.1 501 [^]*does not answer TRACE/);
  assert.deepEqual(setting.opened, []);
});

Deno.test("chunks and trailers go both ways as they came", async () => {
  const body = "5;a=b\r\nhello\r\n00\r\nX-Sum: 1\r\n\r\n";
  await using target = origin(async (talk) => {
    await talk.until("\r\n\r\n");
    await talk.say(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${await talk.until("X-Sum: 1\r\n\r\n")}`,
    );
    await talk.rest();
  });
  await using talking = await clientOf(target);
  const { client } = talking;
  // In the smallest pieces: each is passed on by itself.
  for (const byte of request("POST", "Transfer-Encoding: chunked\r\n") + body) await client.say(byte);
  await client.until("\r\n\r\n");
  assert.equal(await client.until("X-Sum: 1\r\n\r\n"), body);
  assert.equal(talking.setting.proxy.idle, 1);
});

Deno.test("what could be read in two ways is refused with 400, the connection is closed and nothing is opened", async () => {
  await using setting = start();
  const head = "POST http://a.origin.svc/ HTTP/1.1\r\nHost: a.origin.svc\r\n";
  for (
    const sent of [
      `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
      `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
      `${head}A: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${head}A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${head}A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${head}Content_Length: 3\r\n\r\nabc`,
      `${head}Host: b.origin.svc\r\n\r\n`,
      "GET http://a.origin.svc/ HTTP/1.1\r\n\r\n",
      "GET http://a.origin.svc/ HTTP/1.1\r\nHost: b.origin.svc\r\n\r\n",
      "POST http://a.origin.svc/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "CONNECT a.origin.svc:80 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
      `${head}Transfer-Encoding: chunked\r\n\r\n5\nabcde\r\n0\r\n\r\n`,
    ]
  ) {
    using client = await Talk.with(setting.proxy);
    await client.say(sent + "GET http://a.origin.svc/smuggled HTTP/1.1\r\nHost: a.origin.svc\r\n\r\n");
    const said = await client.rest();
    assert.match(said, /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*Connection: close\r\n/, sent);
    assert.equal(said.match(/HTTP\/1\.1/g)?.length, 1 + Number(said.includes("needs a Host")), said);
  }
  assert.deepEqual(setting.opened, []);
});

Deno.test("a request that turns out malformed after it has begun is refused, and never looks whole", async () => {
  const ended = Promise.withResolvers<string>();
  await using target = origin(async (talk) => {
    await talk.until("ab\r\n");
    talk.rest().then(ended.resolve, () => ended.resolve("reset"));
    await ended.promise;
  });
  await using talking = await clientOf(target);
  await talking.client.say(request("POST", "Transfer-Encoding: chunked\r\n") + "2\r\nab\r\n");
  await until("the target has a connection", () => target.connections === 1);
  await talking.client.say("oops\r\n");
  assert.match(await talking.client.rest(), /^HTTP\/1\.1 400 .*\r\n[\s\S]*a chunk's size is not valid/);
  assert.equal(await ended.promise, "reset");
});

Deno.test("a client that waits for 100 Continue gets it, and one that is answered at once need not send its body", async () => {
  for (const agrees of [true, false]) {
    await using target = origin(async (talk) => {
      await talk.until("\r\n\r\n");
      if (agrees) {
        await talk.say("HTTP/1.1 100 Continue\r\n\r\n");
        await talk.until("abc");
      }
      await talk.say(ok);
      await talk.rest();
    });
    await using talking = await clientOf(target);
    const { client, setting } = talking;
    await client.say(request("POST", "Expect: 100-continue\r\nContent-Length: 3\r\n"));
    const said = await client.until("\r\n\r\n");
    if (agrees) {
      assert.equal(said, "HTTP/1.1 100 Continue\r\n\r\n");
      await client.say("abc");
      await client.until("hi");
      assert.equal(setting.proxy.idle, 1);
    } else {
      assert.match(said, /^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close\r\n/);
      assert.equal(await client.rest(), "hi");
      assert.equal(setting.proxy.idle, 0);
    }
  }
});

Deno.test("an answer to a body that is still under way reaches the client, and the target is told that the rest won't come", async () => {
  const end = Promise.withResolvers<string>();
  await using target = origin(async (talk) => {
    await talk.until("begin");
    await talk.say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    talk.rest().then(() => end.resolve("end"), () => end.resolve("reset"));
    await end.promise;
  });
  await using talking = await clientOf(target);
  await talking.client.say(request("PUT", "Content-Length: 1000000\r\n") + "begin");
  assert.match(await talking.client.rest(), /^HTTP\/1\.1 413 [\s\S]*\r\n\r\nno$/);
  assert.equal(await end.promise, "reset");
});

Deno.test("a client that has ended its direction still gets its response", async () => {
  await using target = origin(async (talk) => {
    await talk.until("\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await talk.say(ok);
  });
  await using talking = await clientOf(target);
  await talking.client.say(request("GET"));
  await talking.client.conn.closeWrite();
  assert.match(await talking.client.rest(), /hi$/);
});

Deno.test("the target's connection breaks off when the client goes before it has its response, or within it", async () => {
  for (const begins of [false, true]) {
    const end = Promise.withResolvers<string>();
    await using target = origin(async (talk) => {
      await talk.until("\r\n\r\n");
      const head = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
      if (begins) {
        await talk.say(head);
        await (async () => {
          for (;;) await talk.say("x".repeat(64 * 1024));
        })().catch(() => end.resolve("reset"));
      } else talk.rest().then(() => end.resolve("end"), () => end.resolve("reset"));
      await end.promise;
    });
    await using talking = await clientOf(target);
    await talking.client.say(request("GET", "Expect: x\r\n"));
    await until("the target has a connection", () => target.connections === 1);
    if (begins) await talking.client.until("\r\n\r\n");
    talking.client.reset();
    assert.equal(await end.promise, "reset", `begins: ${begins}`);
  }
});

Deno.test("half a response is never taken for a whole one, and nothing is said within it", async () => {
  const halves: [half: string, seen: RegExp][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", /\r\n\r\nhalf$/],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", /\r\n\r\n4\r\nhalf\r\n$/],
  ];
  for (const [half, seen] of halves) {
    await using target = origin(async (talk) => {
      await talk.until("\r\n\r\n");
      await talk.say(half);
    });
    const failures: string[] = [];
    await using setting = start({ answerFailed: ({ message }) => failures.push(message) }, target);
    using client = await Talk.with(setting.proxy);
    await client.say(request("GET"));
    assert.match(await client.rest(), seen);
    assert.match(failures.join(), /a\.origin\.svc port 80 began to answer and ended the connection/);
  }
});

Deno.test("chunks that break their rules end the response, and no answer of the proxy's own is put into it", async () => {
  const half = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
  for (const atOnce of [true, false]) {
    const seen = Promise.withResolvers<void>();
    await using target = origin(async (talk) => {
      await talk.until("\r\n\r\n");
      if (atOnce) return await talk.say(`${half}oops\r\n`);
      await talk.say(half);
      await seen.promise;
      await talk.say("oops\r\n");
      await talk.rest();
    });
    await using talking = await clientOf(target);
    const { client } = talking;
    await client.say(request("GET"));
    if (atOnce) assert.match(await client.until("hexadecimal digits\n"), /^HTTP\/1\.1 502 /);
    else {
      await client.until("half\r\n");
      seen.resolve();
      assert.equal(await client.rest(), "");
    }
  }
});

Deno.test("a response that lasts until the connection's end breaks off with it", async () => {
  for (const ends of ["end", "reset"]) {
    const seen = Promise.withResolvers<void>();
    await using target = origin(async (talk) => {
      await talk.until("\r\n\r\n");
      await talk.say("HTTP/1.1 200 OK\r\n\r\nall");
      await seen.promise;
      if (ends === "reset") talk.reset();
      else await talk.say(" of it");
    });
    await using talking = await clientOf(target);
    const { client } = talking;
    await client.say(request("GET"));
    await client.until("\r\n\r\nall");
    seen.resolve();
    if (ends === "end") assert.equal(await client.rest(), " of it");
    else await assert.rejects(client.rest(), Deno.errors.ConnectionReset);
  }
});

Deno.test("an upgrade makes of both connections one for another protocol, from the first byte on", async () => {
  const heard = Promise.withResolvers<string>();
  await using target = origin(async (talk) => {
    heard.resolve(await talk.until("\r\n\r\n"));
    await talk.say(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX: y\r\n\r\nfirst",
    );
    await talk.say(await talk.until("ping"));
    await talk.rest();
    await talk.say("last");
  });
  await using talking = await clientOf(target);
  const { client } = talking;
  await client.say(request("GET", "Upgrade: echo\r\nConnection: Upgrade\r\n"));
  assert.equal(
    await client.until("first"),
    "HTTP/1.1 101 Switching Protocols\r\nX: y\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nfirst",
  );
  assert.equal(
    await heard.promise,
    "GET /x HTTP/1.1\r\nHost: a.origin.svc\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n",
  );
  await client.say("ping");
  await client.until("ping");
  await client.conn.closeWrite();
  assert.equal(await client.rest(), "last");
});

Deno.test("an upgrade that the target declines is an answer like others; one that nobody asked for is not passed on", async () => {
  const answers = [ok, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"];
  await using target = origin(async (talk) => {
    for (const said of answers) {
      await talk.until("\r\n\r\n");
      await talk.say(said);
    }
    await talk.rest();
  });
  await using talking = await clientOf(target);
  const { client } = talking;
  await client.say(request("GET", "Upgrade: echo\r\nConnection: Upgrade\r\n"));
  await client.until("hi");
  await client.say(
    request("GET", "Upgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"),
  );
  assert.match(
    await client.until("ask for\n"),
    /^HTTP\/1\.1 502 [\s\S]*http_protocol_error[\s\S]*switches to a protocol/,
  );
});

Deno.test("an answer of the proxy's own has no body for HEAD, and leaves the client its connection", async () => {
  await using setting = start();
  using client = await Talk.with(setting.proxy);
  for (const method of ["HEAD", "GET"]) {
    await client.say(`${method} http://refused.default.svc/ HTTP/1.1\r\nHost: refused.default.svc\r\n\r\n`);
  }
  const said = await client.until("pmz: refused.default.svc:80 refused the connection\n");
  assert.deepEqual(said.match(/^HTTP\/1\.1 502/gm)?.length, 2);
  assert.doesNotMatch(said, /Connection: close/);
});

Deno.test("an HTTP/1.0 client gets what it understands", async () => {
  const answers: [answer: string, seen: RegExp][] = [
    [
      `HTTP/1.1 103 Early Hints\r\n\r\n${ok}`,
      /^HTTP\/1\.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi/,
    ],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", /^HTTP\/1\.1 502 .*[\s\S]*chunks/],
  ];
  for (const [answer, seen] of answers) {
    await using target = origin(async (talk) => {
      await talk.until("\r\n\r\n");
      await talk.say(answer);
      await talk.rest();
    });
    await using talking = await clientOf(target);
    await talking.client.say("GET http://a.origin.svc/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    await talking.client.conn.closeWrite();
    assert.match(await talking.client.rest(), seen);
  }
});

Deno.test("a side that takes nothing stops the other: no more is read than fits on the way", async () => {
  let [read, written] = [0, 0];
  const stalled = Promise.withResolvers<never>();
  const head = new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n");
  const transport = (first: number): AbortableTransport => ({
    read(into) {
      if (read === 0) into.set(head);
      const count = read === 0 ? head.length : into.length;
      read += count;
      return Promise.resolve(count);
    },
    write(bytes) {
      written += bytes.length;
      return written > first ? stalled.promise : Promise.resolve(bytes.length);
    },
    closeWrite: () => Promise.resolve(),
    close() {},
    abort: () => stalled.reject(new Error("aborted")),
  });
  stalled.promise.catch(() => {});
  await using setting = start({ open: () => Promise.resolve(transport(0)) });
  using slow = await Talk.with(setting.proxy);
  await slow.say(request("GET"));
  await settled(() => read);
  assert.ok(read > 64 * 1024 && read < 64 << 20, `${read} bytes were read`);
  slow.conn.close();

  read = 1;
  await using other = start({
    open: () => Promise.resolve({ ...transport(0), read: () => stalled.promise }),
  });
  using uploading = await Talk.with(other.proxy);
  let said = 0;
  const upload = (async () => {
    await uploading.say(request("PUT", "Content-Length: 1000000000\r\n"));
    for (;; said++) await uploading.say("x".repeat(64 * 1024));
  })().catch(() => {});
  await settled(() => said);
  assert.ok(said < 1_000 && written < 1 << 20, `${said} pieces, ${written} bytes`);
  uploading.conn.close();
  await upload;
});

/** Waits until a number is more than it was and then stays the same for a while. */
async function settled(of: () => number): Promise<void> {
  const first = of();
  for (let [before, same] = [first, 0]; before === first || same < 30;) {
    same = of() === before ? same + 1 : 0;
    before = of();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
