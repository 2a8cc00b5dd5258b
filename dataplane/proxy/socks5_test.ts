import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, EarlyEnd } from "../../http/byte_reader.ts";
import { acceptSocks, readTarget, replies } from "./socks5.ts";
import { parseEndpoint } from "../../net/address.ts";
import { type ProxyTarget, ProxyTargetError } from "./target.ts";
import type { ProxyError } from "../../wire/streams.ts";

const bytes = (text: string) => [...text].map((character) => character.charCodeAt(0));

function readerOf(given: readonly number[]): ByteReader {
  let rest = Uint8Array.from(given);
  return new ByteReader({
    read(into) {
      const piece = rest.slice(0, into.length);
      into.set(piece);
      rest = rest.slice(piece.length);
      return Promise.resolve(piece.length || null);
    },
  });
}

/** What a client that says `given` is answered, and what was opened for it. */
async function talk(given: readonly number[], error?: Error) {
  const said: number[] = [];
  let opened: { target: ProxyTarget; first: Uint8Array | undefined } | undefined;
  const transport = {
    read: () => Promise.resolve(null),
    write: (data: Uint8Array) => Promise.resolve(data.length),
    closeWrite: () => Promise.resolve(),
    close() {},
    abort() {},
  };
  const local = parseEndpoint("127.0.0.1:4242");
  assert(local);
  const association = { local, [Symbol.dispose]() {} };
  const got = await acceptSocks(
    readerOf(given),
    { write: (data) => Promise.resolve((said.push(...data), data.length)) },
    {
      open: (target, first) => {
        opened = { target, first };
        return error ? Promise.reject(error) : Promise.resolve(transport);
      },
      associate: () => {
        if (error) throw error;
        return association;
      },
    },
    new AbortController().signal,
  );
  const isOpen = got !== undefined && "transport" in got && got.transport === transport;
  return { said, opened, tunnel: isOpen, associated: got !== undefined && "association" in got };
}

const reply = (code: number) => [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
const greeting = [5, 1, 0];

Deno.test("CONNECT opens names, IPv4 and IPv6, with the bytes that came along", async () => {
  const name = "echo.default.svc";
  const requests: [number[], ProxyTarget][] = [
    [[3, name.length, ...bytes(name), 0, 80], { host: name, port: 80 }],
    [[1, 10, 96, 0, 10, 1, 187], { host: "10.96.0.10", port: 443 }],
    [[4, 0xfd, ...Array(14).fill(0), 1, 0, 80], { host: "fd00::1", port: 80 }],
  ];
  for (const [address, target] of requests) {
    const { said, opened, tunnel } = await talk([...greeting, 5, 1, 0, ...address, 9, 9]);
    assert.deepEqual(said, [5, 0, ...reply(0)]);
    assert.deepEqual(opened, { target, first: Uint8Array.of(9, 9) });
    assert.ok(tunnel);
  }
});

Deno.test("UDP ASSOCIATE is answered with where to send datagrams, whatever the client says it sends from", async () => {
  for (
    const from of [[1, 0, 0, 0, 0, 0, 0], [4, ...Array(16).fill(0), 0, 0], [1, 127, 0, 0, 1, 48, 57], [
      3,
      0,
      0,
      0,
    ]]
  ) {
    const { said, associated } = await talk([...greeting, 5, 3, 0, ...from]);
    assert.deepEqual(said.slice(2), [5, 0, 0, 1, 127, 0, 0, 1, 0x10, 0x92]);
    assert.ok(associated);
  }
  const { said, associated } = await talk(
    [...greeting, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0],
    new Error("no descriptor"),
  );
  assert.deepEqual(said.slice(2), reply(replies.failure));
  assert.ok(!associated);
});

Deno.test("other commands, kinds of address and versions are refused in the protocol's own words", async () => {
  const to = [1, 10, 96, 0, 10, 0, 80];
  assert.deepEqual(
    (await talk([...greeting, 5, 2, 0, ...to])).said.slice(2),
    reply(replies.commandNotSupported),
  );
  assert.deepEqual(
    (await talk([...greeting, 5, 1, 0, 9, 0, 0])).said.slice(2),
    reply(replies.kindNotSupported),
  );
  assert.deepEqual(
    (await talk([...greeting, 5, 1, 0, 3, 2, ...bytes("\0\n"), 0, 80])).said.slice(2),
    reply(replies.failure),
  );
  assert.deepEqual((await talk([5, 1, 2])).said, [5, 0xff], "only a password is offered");
  assert.deepEqual((await talk([4, 1, 0, 80, 1, 2, 3, 4, 0])).said, [0, 0x5b, 0, 0, 0, 0, 0, 0]);
});

Deno.test("why a target can't be reached is told as well as SOCKS can", async () => {
  const table: [ProxyError, number][] = [
    ["connection_refused", 5],
    ["connection_timeout", 4],
    ["destination_not_found", 4],
    ["destination_ip_prohibited", 2],
    ["proxy_internal_error", 1],
  ];
  for (const [kind, code] of table) {
    const { said, tunnel } = await talk(
      [...greeting, 5, 1, 0, 3, 1, 97, 0, 80],
      new ProxyTargetError(kind, "why"),
    );
    assert.deepEqual([said.slice(2), tunnel], [reply(code), false]);
  }
});

Deno.test("whatever bytes come, a target is read, refused or the peer ended early", async () => {
  const noise = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 });
  const nearly = fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 3, 4, 9), noise).map((
    [command, kind, rest],
  ) => [5, command, 0, kind, ...rest]);
  await fc.assert(fc.asyncProperty(fc.oneof(noise, nearly), async (given) => {
    try {
      const request = await readTarget(readerOf(given));
      if ("target" in request) {
        assert.match(`${request.target.host} ${request.target.port}`, /^[A-Za-z0-9._:-]+ [1-9][0-9]*$/);
      }
    } catch (error) {
      assert.ok(error instanceof EarlyEnd, `${error}`);
    }
  }));
});
