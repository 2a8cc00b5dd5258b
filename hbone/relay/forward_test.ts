import assert from "node:assert/strict";
import fc from "fast-check";
import type { ConnectionOptions } from "../connection/connection.ts";
import { ErrorCode } from "../frames/errors.ts";
import type { Header } from "../frames/header.ts";
import { BufferPool } from "../frames/pool.ts";
import { state, type Stream } from "../streams/stream.ts";
import { connected, pattern, readAll, turn, writeAll } from "../testing/pair.ts";
import { forward } from "./forward.ts";

const proxy = { encoder: { secret: new Set<string>() } };
const GET: readonly Header[] = [[":method", "GET"], [":scheme", "http"], [":authority", "e"], [":path", "/"]];

/** A client, a proxy that forwards each of its streams, and a server. */
function chain(
  serve: (stream: Stream) => void,
  options: Pick<ConnectionOptions, "limits" | "settings"> = {},
) {
  const back = connected(serve, { client: proxy, server: proxy });
  const front = connected((stream) => void forward(stream, back.client), {
    client: proxy,
    server: { ...proxy, ...options },
  });
  return {
    client: front.client,
    server: back.server,
    behind: back.client,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await back[Symbol.asyncDispose]();
    },
  };
}

/** All responses to a request as they come, the informational ones too. */
function responses(stream: Stream): (readonly Header[])[] {
  const all: (readonly Header[])[] = [];
  stream[state].onResponse = (headers) => all.push(headers);
  return all;
}

const field = fc.tuple(
  fc.constantFrom("x-a", "x-b", "cookie", "set-cookie", "via", "x-bin"),
  fc.string({ unit: fc.constantFrom("a", "Z", "9", ";", "=", "\xff", "/"), maxLength: 40 }),
  fc.boolean(),
).map(([name, value, isSecret]): Header => isSecret ? [name, value, true] : [name, value]);
const fields = fc.array(field, { maxLength: 6 });
const half = fc.record({
  fields,
  pieces: fc.array(fc.constantFrom(1, 100, 16_384, 70_000), { maxLength: 3 }),
  trailers: fc.option(fields.filter((all) => all.length > 0)),
});
const exchange = fc.record({
  request: half,
  response: half,
  interim: fc.array(fields, { maxLength: 2 }),
  endsWithHeaders: fc.boolean(),
});

type Half = { pieces: readonly number[]; trailers: readonly Header[] | null };

async function sendHalf(stream: Stream, { pieces, trailers }: Half): Promise<void> {
  for (const size of pieces) await writeAll(stream, pattern(size, size));
  if (trailers) stream[state].endWithTrailers(trailers);
  else await stream.closeWrite();
}

const bodyOf = ({ pieces }: Half) => pieces.flatMap((size) => [...pattern(size, size)]);

Deno.test("a forwarded exchange is the same at both ends: fields with their marks, interim responses, content, trailers", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(exchange, { minLength: 1, maxLength: 4 }),
      async (exchanges) => {
        const seen = new Map<number, { headers: readonly Header[]; body: number[]; trailers: unknown }>();
        await using ends = chain(async (stream) => {
          const at = Number(stream.request.find(([name]) => name === ":path")?.[1].slice(1));
          const { interim, response } = exchanges[at] ?? {};
          for (const each of interim ?? []) stream[state].inform([[":status", "103"], ...each]);
          const body = [...await readAll(stream)];
          seen.set(at, { headers: stream.request, body, trailers: stream[state].trailers ?? null });
          stream.respond([[":status", "200"], ...response?.fields ?? []]);
          if (response) await sendHalf(stream, response);
        });
        await Promise.all(exchanges.map(async ({ request, response, interim, endsWithHeaders }, at) => {
          const end = endsWithHeaders && request.pieces.length === 0 && request.trailers === null;
          const headers = [...GET.slice(0, 3), [":path", `/${at}`] as const, ...request.fields];
          const stream = ends.client.open(headers, { end });
          const got = responses(stream);
          if (!end) await sendHalf(stream, request);
          const body = [...await readAll(stream)];
          assert.deepEqual(got, [
            ...interim.map((each) => [[":status", "103"], ...each]),
            [[":status", "200"], ...response.fields],
          ]);
          assert.deepEqual(body, bodyOf(response));
          assert.deepEqual(stream[state].trailers ?? null, response.trailers);
          assert.deepEqual(seen.get(at), { headers, body: bodyOf(request), trailers: request.trailers });
          assert.deepEqual(await stream.closed, { kind: "clean" });
        }));
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("a request that ends with its headers does so at the server", async () => {
  const ended: boolean[] = [];
  await using ends = chain((stream) => {
    ended.push(stream[state].inbox.ended);
    stream.respond([[":status", "204"]], { end: true });
  });
  const without = ends.client.open(GET, { end: true });
  await without.closed;
  const withBody = ends.client.open(GET);
  await withBody.response;
  assert.deepEqual(ended, [true, false]);
});

Deno.test("an end that came before the request was forwarded stays where it was", async () => {
  const ended: boolean[] = [];
  await using back = connected((stream) => {
    ended.push(stream[state].endedWithRequest);
    stream.respond([[":status", "204"]], { end: true });
  });
  await using front = connected((stream) =>
    void stream.read(new Uint8Array(1)).then(() => forward(stream, back.client))
  );
  await front.client.open(GET, { end: true }).closed;
  const later = front.client.open(GET);
  await later.closeWrite();
  await later.closed;
  assert.deepEqual(ended, [true, false]);
});

Deno.test("a reset is passed on with its code, either way", async () => {
  const at = Promise.withResolvers<Stream>();
  await using ends = chain((stream) => at.resolve(stream));
  const asked = ends.client.open(GET);
  const served = await at.promise;
  asked.reset(0x1234);
  assert.deepEqual(await served.closed, { kind: "reset", code: 0x1234, by: "peer" });
  await using other = chain((stream) => stream.reset(ErrorCode.ENHANCE_YOUR_CALM));
  const refused = other.client.open(GET);
  assert.deepEqual(await refused.closed, {
    kind: "reset",
    code: ErrorCode.ENHANCE_YOUR_CALM,
    by: "peer",
  });
});

Deno.test("an answer before the request's end arrives whole, and then the request is not wanted", async () => {
  await using ends = chain((stream) => {
    stream.respond([[":status", "413"]]);
    writeAll(stream, pattern(100_000)).then(() => stream.close());
  });
  const stream = ends.client.open(GET);
  writeAll(stream, pattern(10_000_000)).catch(() => {});
  assert.equal((await readAll(stream)).length, 100_000);
  assert.deepEqual(await stream.closed, { kind: "reset", code: ErrorCode.NO_ERROR, by: "peer" });
});

Deno.test("where the server's connection breaks, its streams are reset", async () => {
  await using ends = chain((stream) => stream.respond([[":status", "200"]]));
  const stream = ends.client.open(GET);
  await stream.response;
  ends.server.abort();
  assert.deepEqual(await stream.closed, { kind: "reset", code: ErrorCode.INTERNAL_ERROR, by: "peer" });
});

Deno.test("streams that are never read hold up no others", async () => {
  const held: Stream[] = [];
  await using ends = chain((stream) => {
    const isHeld = stream.request.some(([, value]) => value === "/held");
    stream.respond([[":status", "200"]]);
    if (isHeld) held.push(stream);
    else {readAll(stream).then(({ length }) => writeAll(stream, new Uint8Array([length]))).then(() =>
        stream.closeWrite()
      );}
  }, { limits: { buffered: 4 * 1024 * 1024 }, settings: { initialWindowSize: 65_535 } });
  const path = (text: string): Header[] => [...GET.slice(0, 3), [":path", text]];
  const stalled = Array.from({ length: 30 }, () => ends.client.open(path("/held")));
  const uploads = stalled.map((stream) => writeAll(stream, pattern(5_000_000)).catch(() => {}));
  await turn(200);
  assert.equal(held.length, 30);
  const quick = ends.client.open(path("/quick"));
  await writeAll(quick, pattern(200));
  await quick.closeWrite();
  assert.deepEqual([...await readAll(quick)], [200]);
  for (const stream of stalled) stream.reset(ErrorCode.CANCEL);
  await Promise.all(uploads);
});

Deno.test("what is left unread of many answers is given back when its connection ends", async () => {
  const pool = new BufferPool();
  await using back = connected((stream) => {
    stream.respond([[":status", "200"]]);
    writeAll(stream, pattern(60_000)).then(() => stream.closeWrite(), () => {});
  }, { client: { ...proxy, pool } });
  const front = connected((stream) => void forward(stream, back.client), { server: { ...proxy, pool } });
  await front.client.ready;
  const streams = Array.from({ length: 40 }, () => front.client.open(GET, { end: true }));
  await Promise.all(streams.map(({ response }) => response));
  await turn(50);
  await front[Symbol.asyncDispose]();
  await turn(50);
  assert.equal(pool.buffered, 0);
});

Deno.test("a graceful shutdown takes streams that the peer opens before it has read it", async () => {
  const taken: Stream[] = [];
  await using ends = connected((stream) => {
    taken.push(stream);
    stream.respond([[":status", "200"]], { end: true });
  });
  await ends.client.ready;
  const open = ends.client.open(GET);
  const ending = ends.server.shutdown(1_000);
  const crossing = ends.client.open(GET, { end: true });
  await crossing.closed;
  assert.equal(taken.length, 2, "both were taken");
  await open.closeWrite();
  await ending;
  assert.equal((await ends.client.closed).kind, "clean");
});
