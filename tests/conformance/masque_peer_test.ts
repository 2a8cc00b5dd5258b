/** Capsules that quic-go writes are read by masque/, and the other way round. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { until } from "../../async/testing/until.ts";
import type { Stream } from "../../hbone/mod.ts";
import { connected } from "../../hbone/testing/pair.ts";
import { CapsuleReader } from "../../masque/capsule.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import { Pieces } from "../../masque/testing/pieces.ts";
import { findGo, folderFor, runGo } from "./go.ts";

const go = await findGo();

/** The path of the program in masque_peer/. @throws when it can't be built: the message has what Go said */
async function buildPeer(go: string): Promise<string> {
  const path = `${await folderFor("masque_peer")}/masque_peer`;
  await runGo(go, ["build", "-trimpath", "-buildvcs=false", "-o", path, "."], {
    cwd: new URL("masque_peer/", import.meta.url).pathname,
  });
  return path;
}

/** Runs it. @throws when it fails: the message has what it said */
async function peer(
  verb: "read" | "write",
  input: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command(await buildPeer(go ?? "go"), {
    args: [verb],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ success, stdout, stderr }] = await Promise.all([
    child.output(),
    new Blob([input]).stream().pipeTo(child.stdin),
  ]);
  if (!success) throw new Error(`quic-go failed: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

function interop(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: go === undefined ? `${name} (skipped: no Go to build the peer with)` : name,
    ignore: go === undefined,
    fn,
  });
}

const payloads = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.constantFrom(0, 62, 63, 16_382, 16_383, 65_507).map((size) => new Uint8Array(size).fill(size)),
  ),
  { minLength: 200, maxLength: 200 },
);

interop("datagrams that pmz sends are DATAGRAM capsules with the context id 0 to quic-go", async () => {
  const [sent = []] = fc.sample(payloads, 1);
  const accepted = Promise.withResolvers<Stream>();
  await using ends = connected(accepted.resolve);
  const near = new DatagramStream(
    ends.client.open([[":method", "CONNECT"], [":authority", "10.96.0.10:53"]]),
    () => {},
  );
  const stream = await accepted.promise;
  stream.respond([[":status", "200"]]);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const reading = (async () => {
    const buffer = new Uint8Array(64 * 1024);
    for (let length = await stream.read(buffer); length !== null; length = await stream.read(buffer)) {
      pieces.push(buffer.slice(0, length));
    }
  })();
  for (const payload of sent) await until("there is room", () => near.send(payload));
  await until("all have come", () => pieces.reduce((sum, { length }) => sum + length, 0) >= near.bytesSent);
  near.close();
  await reading;
  const lines = new TextDecoder().decode(
    await peer("read", new Uint8Array(await new Blob(pieces).arrayBuffer())),
  );
  const read = lines.trimEnd().split("\n").map((line): { type: number; value: string } => JSON.parse(line));
  assert.equal(read.length, sent.length);
  for (const [i, { type, value }] of read.entries()) {
    assert.equal(type, 0);
    assert.deepEqual(Uint8Array.fromBase64(value), Uint8Array.of(0, ...sent[i] ?? []));
  }
});

interop("capsules of all types that quic-go writes are read, however they are cut", async () => {
  const [values = []] = fc.sample(payloads, 1);
  const types = [0, 0, 0, 1, 0x17, 0x78ac, 0xff37a1, 2 ** 40];
  const capsules = values.map((payload, i) => {
    const type = types[i % types.length] ?? 0;
    const context = i % 5 === 4 ? 2 : 0;
    return { type, context, payload, value: Uint8Array.of(context, ...payload).toBase64() };
  });
  const lines = capsules.map(({ type, value }) => JSON.stringify({ type, value }) + "\n").join("");
  const bytes = await peer("write", new TextEncoder().encode(lines));
  const expected = capsules.filter(({ type, context }) => type === 0 && context === 0).map(({ payload }) =>
    payload
  );
  for (const size of [bytes.length, 16_384, 1_000, 7]) {
    const pieces = new Pieces();
    const read: Uint8Array[] = [];
    const reader = new CapsuleReader(pieces, (payload) => read.push(payload.slice()));
    for (let at = 0; at < bytes.length; at += size) {
      pieces.add(bytes.subarray(at, at + size));
      reader.read();
    }
    reader.end();
    assert.deepEqual(read, expected, `in pieces of ${size}`);
  }
});
