import assert from "node:assert/strict";
import fc from "fast-check";
import { writeAll } from "../../http/byte_reader.ts";
import { alice, get, hers, ofAlice, read } from "./testing/requests.ts";
import { answers, bytesOf, httpServer, routed, type SceneRule, send } from "./testing/routed.ts";

async function ask(rules: readonly SceneRule[], text: string) {
  await using all = routed({ rules });
  const got = await send(all.caller, [bytesOf(text)]);
  return { got, answers: answers(got), pod: all.pod.text, laptops: all.laptops.map(({ text }) => text) };
}

Deno.test("each request of a kept connection goes where its own fields say, and the answers keep their order", async () => {
  const all = await ask([alice], get("/1") + hers("/2") + get("/3") + hers("/4") + hers("/5"));
  assert.deepEqual(all.answers, ["pod /1", "laptop0 /2", "pod /3", "laptop0 /4", "laptop0 /5"]);
  assert.equal(all.pod, get("/1") + get("/3"));
  assert.deepEqual(all.laptops, [hers("/2") + hers("/4") + hers("/5")]);
});

Deno.test("the first rule that takes a request has it, and rules side by side have their own", async () => {
  const bob: SceneRule = { match: { headers: [{ name: "x-user", glob: "*" }] } };
  const { answers } = await ask([alice, bob], get("/1") + hers("/2") + get("/3", "X-User: bob"));
  assert.deepEqual(answers, ["pod /1", "laptop0 /2", "laptop1 /3"]);
});

Deno.test("a rule counts what it is asked about, what it takes, and what its laptop declines", async () => {
  const bob: SceneRule = {
    match: { headers: [{ name: "x-user", exact: "bob" }] },
    onStream: (stream) => stream.respond([[":status", "503"]], { end: true }),
  };
  await using all = routed({ rules: [alice, bob, { ...alice, gone: true }] });
  await send(all.caller, [bytesOf(get("/1") + hers("/2") + hers("/3") + get("/4", "X-User: bob"))]);
  assert.deepEqual(all.counts, [
    { seen: 4, taken: 2, declined: 0 },
    { seen: 2, taken: 0, declined: 1 },
    { seen: 0, taken: 0, declined: 0 },
  ]);
});

Deno.test("a whole-service rule has what no personal rule takes", async () => {
  await using all = routed({ rules: [alice], whole: httpServer("whole") });
  const got = await send(all.caller, [bytesOf(get("/1") + hers("/2") + get("/3"))]);
  assert.deepEqual(answers(got), ["whole /1", "laptop0 /2", "whole /3"]);
  assert.equal(all.pod.connections, 0);
});

Deno.test("bodies with a length and with chunks, and trailers, are passed as they came", async () => {
  const chunked = "POST /c HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "5;x=y\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n";
  const sized = `PUT /s HTTP/1.1\r\nHost: e\r\nContent-Length: 70000\r\n\r\n${"x".repeat(70_000)}`;
  const { answers, pod, laptops } = await ask([alice], chunked + sized + chunked);
  assert.deepEqual(answers, ["laptop0 /c", "pod /s", "laptop0 /c"]);
  assert.equal(pod, sized);
  assert.deepEqual(laptops, [chunked + chunked]);
});

Deno.test("a rule whose laptop is gone takes nothing: its requests go to the pod", async () => {
  const { answers } = await ask([{ ...alice, gone: true }], get("/1") + hers("/2"));
  assert.deepEqual(answers, ["pod /1", "pod /2"]);
});

Deno.test("a laptop that declines leaves the request to the pod, with every byte", async () => {
  for (const status of ["403", "404", "503"]) {
    const onStream: SceneRule["onStream"] = (stream) => stream.respond([[":status", status]], { end: true });
    const { answers, pod } = await ask([{ ...alice, onStream }], hers("/1") + get("/2"));
    assert.deepEqual(answers, ["pod /1", "pod /2"]);
    assert.equal(pod, hers("/1") + get("/2"));
  }
});

Deno.test("while the program on the laptop is down its requests are reset, and nobody else's", async () => {
  const onStream: SceneRule["onStream"] = (stream) => stream.respond([[":status", "502"]], { end: true });
  await assert.rejects(ask([{ ...alice, onStream }], hers("/1")));
  assert.deepEqual((await ask([{ ...alice, onStream }], get("/1"))).answers, ["pod /1"]);
});

Deno.test("a laptop that is lost within an answer resets the caller, who sees no other answer", async () => {
  await using all = routed({
    rules: [{
      match: ofAlice,
      server: async (transport) => {
        await transport.read(new Uint8Array(1000));
        await writeAll(transport, bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
        transport.abort(new Error("lost"));
      },
    }],
  });
  await assert.rejects(send(all.caller, [bytesOf(hers("/1"))], { end: false }));
  assert.equal((await all.outcome).kind, "reset");
  assert.equal(all.pod.text, "");
});

Deno.test("a laptop that is lost within an answer resets a caller that reads nothing of it, too", async () => {
  let lose = () => {};
  const server: SceneRule["server"] = async (transport) => {
    await transport.read(new Uint8Array(1000));
    lose = () => transport.abort(new Error("lost"));
    const body = "x".repeat(1_000_000);
    await writeAll(transport, bytesOf(`HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n${body}`));
  };
  await using all = routed({ rules: [{ match: ofAlice, server }] });
  await writeAll(all.caller, bytesOf(hers("/1")));
  const into = new Uint8Array(100);
  await all.caller.read(into);
  lose();
  const { kind, by } = await all.outcome;
  assert.deepEqual([kind, by], ["reset", "laptop"]);
});

Deno.test("an idle laptop that is lost leaves the caller's connection, and the pod answers from then on", async () => {
  let lose = () => {};
  const server: SceneRule["server"] = async (transport) => {
    await transport.read(new Uint8Array(1000));
    await writeAll(transport, bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nlaptop0 /1\n"));
    lose = () => transport.abort(new Error("lost"));
  };
  await using all = routed({ rules: [{ match: ofAlice, server }] });
  await writeAll(all.caller, bytesOf(hers("/1")));
  const into = new Uint8Array(1000);
  await all.caller.read(into);
  all.keep();
  lose();
  const got = await send(all.caller, [bytesOf(hers("/2"))]);
  assert.deepEqual(answers(got), ["pod /2"]);
});

Deno.test("a caller that is to continue gets that word before its body is sent", async () => {
  await using all = routed({
    rules: [{
      match: ofAlice,
      server: async (transport, received) => {
        const into = new Uint8Array(1000);
        received.bytes.push(...into.subarray(0, await transport.read(into) ?? 0));
        await writeAll(transport, bytesOf("HTTP/1.1 100 Continue\r\n\r\n"));
        received.bytes.push(...into.subarray(0, await transport.read(into) ?? 0));
        await writeAll(transport, bytesOf("HTTP/1.1 204 No Content\r\n\r\n"));
      },
    }],
  });
  const head =
    "PUT / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
  await writeAll(all.caller, bytesOf(head));
  assert.equal(await read(all.caller), "HTTP/1.1 100 Continue\r\n\r\n");
  await writeAll(all.caller, bytesOf("body"));
  assert.equal(await read(all.caller), "HTTP/1.1 204 No Content\r\n\r\n");
  await writeAll(all.caller, bytesOf(get("/next")));
  assert.match(await read(all.caller), /pod \/next/);
  assert.equal(all.laptops[0]?.text, `${head}body`);
});

Deno.test("a body that was refused before it was asked for ends a laptop's connection: what follows can't be told apart", async () => {
  const server: SceneRule["server"] = async (transport) => {
    await transport.read(new Uint8Array(1000));
    await writeAll(transport, bytesOf("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"));
  };
  await using all = routed({ rules: [{ match: ofAlice, server }] });
  const head =
    "PUT / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
  assert.match(await send(all.caller, [bytesOf(head)], { end: false }), /^HTTP\/1.1 417 .*\r\n\r\n$/s);
});

Deno.test("an upgrade makes the connection raw, on the laptop as on the pod", async () => {
  const upgrade = (name: string): SceneRule["server"] => async (transport) => {
    const into = new Uint8Array(1000);
    await transport.read(into);
    await writeAll(transport, bytesOf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"));
    await writeAll(transport, bytesOf(`${name} speaks\n`));
    for (let n; (n = await transport.read(into)) !== null;) await writeAll(transport, into.slice(0, n));
    await transport.closeWrite();
  };
  const fields = ["Connection: upgrade", "Upgrade: x"];
  for (const request of [get("/", ...fields), hers("/", ...fields)]) {
    await using all = routed({ rules: [{ match: ofAlice, server: upgrade("it") }], pod: upgrade("it") });
    const got = await send(all.caller, [bytesOf(request), bytesOf(hers("/not a request"))]);
    assert.equal(
      got,
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nit speaks\n${hers("/not a request")}`,
    );
  }
});

Deno.test("no server is offered HTTP/2 after a request, which would give it all further ones, and each stays its own", async () => {
  const offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA"];
  const [one, two, three] = [hers("/1", ...offer), get("/2", ...offer), hers("/3", ...offer)];
  const { answers, pod, laptops } = await ask([alice], one + two + three);
  assert.deepEqual(answers, ["laptop0 /1", "pod /2", "laptop0 /3"]);
  for (const text of [pod, ...laptops]) assert.doesNotMatch(text, /h2c|Settings:/);
});

Deno.test("an answer that lasts until its end, and one without, end the caller's connection as the server does", async () => {
  const old: SceneRule["server"] = async (transport) => {
    await transport.read(new Uint8Array(1000));
    await writeAll(transport, bytesOf("HTTP/1.1 200 OK\r\n\r\nold"));
    await transport.closeWrite();
  };
  for (const request of [get("/"), hers("/")]) {
    await using all = routed({ rules: [{ match: ofAlice, server: old }], pod: old });
    assert.equal(await send(all.caller, [bytesOf(request)], { end: false }), "HTTP/1.1 200 OK\r\n\r\nold");
  }
});

Deno.test("what two parsers could read differently is the pod's from there on, with all that follows", async () => {
  const smuggled = hers("/smuggled");
  const messages = [
    `POST / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nContent-Length: +0\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nTransfer-Encoding: xchunked\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nTransfer-Encoding: chunked, chunked\r\n\r\n`,
    `POST / HTTP/1.0\r\nHost: e\r\nX-User: alice\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nContent_Length: 5\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nContent-Length : 0\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: e\r\nX-User:\r\n alice\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: e\r\nX-User: alice\rX: y\r\n\r\n`,
    `GET / HTTP/1.1\nHost: e\nX-User: alice\n\n`,
    `GET / HTTP/1.1\r\nHost: e\r\nHost: f\r\nX-User: alice\r\n\r\n`,
    `GET / HTTP/1.1\r\nX-User: alice\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: a b\r\nX-User: alice\r\n\r\n`,
    `GET http://f/ HTTP/1.1\r\nHost: e\r\nX-User: alice\r\n\r\n`,
    `GET  / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\n\r\n`,
    `GET / HTTP/1.2\r\nHost: e\r\nX-User: alice\r\n\r\n`,
    `CONNECT e:80 HTTP/1.1\r\nHost: e\r\nX-User: alice\r\n\r\n`,
    `\r\n${get("/", "X-User: alice")}`,
    `GET / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nX: \0\r\n\r\n`,
  ];
  for (const message of messages) {
    const { pod, laptops } = await ask([alice], hers("/before") + message + smuggled);
    assert.equal(pod, message + smuggled, JSON.stringify(message));
    assert.deepEqual(laptops, [hers("/before")]);
  }
});

Deno.test("an answer of the pod's that can't be delimited makes the connection raw, one of a laptop's resets it", async () => {
  const bad: SceneRule["server"] = async (transport, received) => {
    const into = new Uint8Array(1000);
    received.bytes.push(...into.subarray(0, await transport.read(into) ?? 0));
    const answer =
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n";
    await writeAll(transport, bytesOf(answer));
    for (let n; (n = await transport.read(into)) !== null;) received.bytes.push(...into.subarray(0, n));
    await transport.closeWrite();
  };
  await using all = routed({ rules: [alice], pod: bad });
  assert.match(await send(all.caller, [bytesOf(get("/1") + hers("/2"))]), /bad/);
  assert.equal(all.pod.text, get("/1") + hers("/2"));
  await using other = routed({ rules: [{ match: ofAlice, server: bad }] });
  await assert.rejects(send(other.caller, [bytesOf(hers("/1"))], { end: false }));
});

Deno.test("requests that match nothing reach the pod byte by byte as they were sent, however they are split and mangled", async () => {
  const requests = fc.array(
    fc.constantFrom(
      get("/a"),
      get("/b?c=d", "Cookie: a=b; c=d", "Accept: */*"),
      "POST /p HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\n\r\nhello",
      "POST /c HTTP/1.1\r\nHost: echo\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "HEAD /h HTTP/1.1\r\nHost: echo\r\n\r\n",
      "GET /old HTTP/1.0\r\n\r\n",
      "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    ),
    { minLength: 1, maxLength: 4 },
  ).map((all) => bytesOf(all.join("")));
  const mutation = fc.record({
    at: fc.nat(400),
    drop: fc.constantFrom(0, 0, 0, 1, 2),
    put: fc.oneof(fc.constant(""), fc.constantFrom("\r", "\n", " ", "\0", ":", "A", "\r\n", "\r\n\r\n")),
  });
  const scene = fc.record({
    bytes: requests,
    mutations: fc.array(mutation, { maxLength: 2 }),
    cuts: fc.array(fc.nat(400), { maxLength: 6 }),
    until: fc.option(fc.nat(400)),
  });
  await fc.assert(
    fc.asyncProperty(scene, async ({ bytes, mutations, cuts, until }) => {
      let sent = bytes;
      for (const { at, drop, put } of mutations) {
        const from = at % (sent.length + 1);
        sent = Uint8Array.of(...sent.subarray(0, from), ...bytesOf(put), ...sent.subarray(from + drop));
      }
      if (until !== null) sent = sent.subarray(0, until);
      const places = cuts.map((cut) => cut % (sent.length + 1)).sort((a, b) => a - b);
      const pieces = [0, ...places].map((from, i) => sent.subarray(from, places[i] ?? sent.length));
      await using all = routed({ rules: [alice] });
      await send(all.caller, pieces).catch(() => {});
      await all.outcome;
      assert.equal(all.laptops[0]?.text, "");
      assert.deepEqual(all.pod.bytes, [...sent]);
    }),
    { numRuns: 300 },
  );
});

Deno.test("every split of matching and other requests gives each side its own, whole and in order", async () => {
  const kinds = fc.array(fc.constantFrom("pod", "laptop"), { minLength: 1, maxLength: 6 });
  const body = fc.constantFrom("", "5", "chunked");
  await fc.assert(
    fc.asyncProperty(
      kinds,
      fc.array(body),
      fc.array(fc.nat(600), { maxLength: 8 }),
      async (kinds, bodies, cuts) => {
        const requests = kinds.map((kind, i) => {
          const user = kind === "laptop" ? "X-User: alice\r\n" : "";
          const head = (fields: string) => `POST /${i} HTTP/1.1\r\nHost: echo\r\n${user}${fields}\r\n`;
          if (bodies[i] === "5") return `${head("Content-Length: 5\r\n")}hello`;
          if (bodies[i] !== "chunked") return head("");
          return `${head("Transfer-Encoding: chunked\r\n")}5\r\nhello\r\n0\r\n\r\n`;
        });
        const sent = bytesOf(requests.join(""));
        const places = cuts.map((cut) => cut % (sent.length + 1)).sort((a, b) => a - b);
        const pieces = [0, ...places].map((from, i) => sent.subarray(from, places[i] ?? sent.length));
        await using all = routed({ rules: [alice] });
        const got = await send(all.caller, pieces);
        const of = (wanted: string) => requests.filter((_, i) => kinds[i] === wanted).join("");
        assert.deepEqual(answers(got), kinds.map((kind, i) => `${kind === "pod" ? "pod" : "laptop0"} /${i}`));
        assert.deepEqual([all.pod.text, all.laptops[0]?.text], [of("pod"), of("laptop")]);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("whatever the pod answers reaches the caller as it was sent, however it is split and mangled", async () => {
  const answers = fc.array(
    fc.constantFrom(
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
      "HTTP/1.0 200 OK\r\n\r\nold",
      "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
      "not HTTP at all",
    ),
    { minLength: 1, maxLength: 4 },
  ).map((all) => bytesOf(all.join("")));
  const mutation = fc.record({
    at: fc.nat(300),
    put: fc.constantFrom("", "", "\r", "\n", " ", "\0", "7", "\r\n\r\n"),
  });
  const scene = fc.record({
    bytes: answers,
    mutation,
    cuts: fc.array(fc.nat(300), { maxLength: 5 }),
    requests: fc.integer({ min: 1, max: 4 }),
    until: fc.option(fc.nat(300)),
  });
  await fc.assert(
    fc.asyncProperty(scene, async ({ bytes, mutation: { at, put }, cuts, requests, until }) => {
      const from = at % (bytes.length + 1);
      let sent = Uint8Array.of(...bytes.subarray(0, from), ...bytesOf(put), ...bytes.subarray(from));
      if (until !== null) sent = sent.subarray(0, until);
      const places = cuts.map((cut) => cut % (sent.length + 1)).sort((a, b) => a - b);
      const pieces = [0, ...places].map((from, i) => sent.subarray(from, places[i] ?? sent.length));
      const pod: SceneRule["server"] = async (transport) => {
        await transport.read(new Uint8Array(4096)); // the first request
        // One that follows an ended connection may come by another one.
        for (const piece of pieces.splice(0)) if (piece.length > 0) await writeAll(transport, piece);
        await transport.closeWrite();
        const into = new Uint8Array(4096);
        while (await transport.read(into) !== null);
      };
      await using all = routed({ rules: [alice], pod });
      const got = await send(all.caller, Array.from({ length: requests }, () => bytesOf(get("/"))));
      assert.deepEqual(bytesOf(got), sent);
      assert.equal(all.pod.connections, 0);
    }),
    { numRuns: 300 },
  );
});
