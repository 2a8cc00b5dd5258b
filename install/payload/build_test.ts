import assert from "node:assert/strict";
import { dirname } from "node:path";
import { buildPayload } from "./build.ts";
import { chunksOf, INTERCEPT_FILE, libbpfFile } from "../../wire/payload.ts";
import { command } from "./loader.ts";

Deno.test("the gateway's payload is reproducible, and names no path of the building machine", async () => {
  const [one, two] = await Promise.all([buildPayload("gateway"), buildPayload("gateway")]);
  assert.equal(one.digest, two.digest);
  const plain = new Blob([one.packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const text = await new Response(plain).text();
  for (const place of [new URL("../../", import.meta.url).pathname, Deno.env.get("HOME") ?? "/root"]) {
    assert(!text.includes(place), place);
  }
  assert.equal(chunksOf(one).length, 1);
});

Deno.test("the gateway's payload starts by a pod's command, and says what is missing outside a pod", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const payload = await buildPayload("gateway");
    const chunks = chunksOf(payload);
    for (const [i, chunk] of chunks.entries()) await Deno.writeFile(`${folder}/${i}`, chunk);
    const permissions = { allow: ["ffi", "net", "env"], heapMiB: 128 };
    const [sh = "", ...args] = command(
      "gateway",
      { digest: payload.digest, chunks: chunks.length },
      permissions,
      folder,
    );
    const PATH = `${dirname(Deno.execPath())}:${Deno.env.get("PATH") ?? ""}`;
    const env = { PATH, DENO_DIR: `${folder}/deno`, KUBERNETES_SERVICE_HOST: "" };
    const { code, stderr } = await new Deno.Command(sh, { args, env }).output();
    assert.equal(code, 1);
    const said: unknown = JSON.parse(new TextDecoder().decode(stderr).trim());
    assert(typeof said === "object" && said && "error" in said);
    assert.match(String(said.error), /doesn't run in a pod/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the node agent's payload contains the BPF program and the library, and needs both", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/o`, "program");
    await Deno.writeTextFile(`${folder}/so`, "library");
    const inputs = { libbpf: { x86_64: `${folder}/so` }, intercept: `${folder}/o` };
    const { packed } = await buildPayload("node", inputs);
    const plain = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")))
      .text();
    const names = (JSON.parse(plain.slice(0, plain.indexOf("\n"))) as [string, number][]).map(([name]) =>
      name
    );
    assert.deepEqual(names, ["agent.js", INTERCEPT_FILE, libbpfFile("x86_64")]);
    assert(plain.endsWith("programlibrary"));
    await assert.rejects(buildPayload("node", { libbpf: {} }), /libbpf/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
