import assert from "node:assert/strict";
import { chunksOf, type Files, pack } from "../../wire/payload.ts";
import { command, type Permissions } from "./loader.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const permissions: Permissions = { allow: [], heapMiB: 64 };

/** Code as an agent's entry: says what it was given, what it may do, and what a worker of its own sees. */
const probe = `
import net from "node:net";
export async function start(role, files) {
  const says = { role, files: Object.fromEntries(Object.entries(files).map(([k, v]) => [k, v.length])), net: typeof net.connect };
  says.worker = await new Promise((resolve, reject) => {
    const worker = new Worker(import.meta.url, { type: "module" });
    worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
    worker.onerror = reject;
  });
  try { Deno.readTextFileSync("/etc/hostname"); says.read = true; } catch (error) { says.read = error.name; }
  try { Deno.env.get("HOME"); says.env = true; } catch (error) { says.env = error.name; }
  try { new Deno.Command("true").outputSync(); says.run = true; } catch (error) { says.run = error.name; }
  console.log(JSON.stringify(says));
}
if (typeof WorkerGlobalScope !== "undefined") postMessage("a worker of " + import.meta.url.slice(0, 5));
`;

/** Runs a pod's command on chunks laid out as its mount has them. */
async function run(
  files: Files,
  change: (chunks: Uint8Array[]) => void = () => {},
  allow: string[] = [],
  more: Record<string, string> = {},
) {
  const folder = await Deno.makeTempDir();
  try {
    const payload = await pack(files);
    const chunks = chunksOf(payload).map((chunk) => chunk.slice());
    change(chunks);
    for (const [i, chunk] of chunks.entries()) await Deno.writeFile(`${folder}/${i}`, chunk);
    const of = { digest: payload.digest, chunks: chunksOf(payload).length };
    const [sh = "", ...args] = command("gateway", of, { ...permissions, allow }, folder);
    const { code, stdout, stderr } = await new Deno.Command(sh, {
      args,
      clearEnv: true,
      env: {
        ...more,
        PATH: `${Deno.execPath().replace(/\/[^/]*$/, "")}:/usr/bin:/bin`,
        DENO_DIR: `${folder}/deno`,
      },
    }).output();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr), digest: payload.digest, chunks };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a payload with the pod spec's digest runs from memory, with exactly the permissions given", async () => {
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  const large = new Uint8Array(300_000);
  for (let i = 0; i < 5; i++) large.set(noise, i * 60_000); // of a kind that gzip can't shrink to one chunk
  crypto.getRandomValues(large.subarray(0, 65_536));
  crypto.getRandomValues(large.subarray(65_536, 131_072));
  crypto.getRandomValues(large.subarray(131_072, 196_608));
  const { code, out, err, chunks } = await run({ "agent.js": encoder.encode(probe), "large.bin": large });
  assert.equal(code, 0, err);
  assert(chunks.length > 1);
  assert.deepEqual(JSON.parse(out), {
    role: "gateway",
    files: { "agent.js": probe.length, "large.bin": 300_000 },
    net: "function",
    worker: "a worker of blob:",
    read: "NotCapable",
    env: "NotCapable",
    run: "NotCapable",
  });
});

Deno.test("a payload with one changed byte doesn't run, and the loader says why", async () => {
  const files = { "agent.js": encoder.encode(`export const start = () => console.log("RAN");`) };
  const whole = await run(files);
  assert.equal(whole.out, "RAN\n", whole.err);
  const length = whole.chunks[0]?.length ?? 0;
  for (const at of [0, length >> 1, length - 1]) {
    const { code, out, err, digest } = await run(files, ([chunk]) => {
      if (chunk) chunk[at] = (chunk[at] ?? 0) ^ 1;
    });
    assert.equal(code, 78);
    assert.equal(out, "");
    assert.match(err, new RegExp(`this pod may only run ${digest}\\. None of it was run`));
  }
});

Deno.test("a payload with a missing chunk or additional bytes is refused", async () => {
  const files = { "agent.js": encoder.encode(`export const start = () => console.log("RAN");`) };
  const missing = await run(files, (chunks) => void chunks.pop());
  assert.notEqual(missing.code, 0);
  assert.equal(missing.out, "");
  const longer = await run(files, (chunks) => {
    chunks[0] = new Uint8Array([...chunks[0] ?? [], 0]);
  });
  assert.equal(longer.code, 78);
  assert.equal(longer.out, "");
});

Deno.test("the same files give the same payload", async () => {
  const one = await pack({ "b": encoder.encode("2"), "agent.js": encoder.encode("1") });
  const two = await pack({ "agent.js": encoder.encode("1"), "b": encoder.encode("2") });
  assert.equal(one.digest, two.digest);
  assert.match(one.digest, /^sha256:[0-9a-f]{64}$/);
});

Deno.test("a payload that is too large for a cluster is refused", async () => {
  const large = new Uint8Array(3 * 1024 * 1024);
  for (let i = 0; i < large.length; i += 65_536) crypto.getRandomValues(large.subarray(i, i + 65_536));
  await assert.rejects(pack({ "agent.js": large }), RangeError);
});

Deno.test("an agent takes no proxy from its environment, wherever that comes from", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("reached"),
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const code = `export const start = async () => console.log(await (await fetch("${url}")).text());`;
  const proxies = Object.fromEntries(
    ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map((name) => [name, "http://127.0.0.1:1"]),
  );
  const { out, err } = await run({ "agent.js": encoder.encode(code) }, undefined, ["net"], proxies);
  assert.equal(out, "reached\n", err);
});
