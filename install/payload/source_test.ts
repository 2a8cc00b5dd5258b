import assert from "node:assert/strict";
import { pack } from "../../wire/payload.ts";
import { builtPayloads } from "./source.ts";

/** What a built node agent's payload with these files says. */
async function architecturesOf(files: readonly string[]): Promise<readonly string[]> {
  const folder = Deno.makeTempDirSync({ prefix: "pmz-payloads-" });
  try {
    const noise = crypto.getRandomValues(new Uint8Array(50_000));
    const { packed } = await pack(Object.fromEntries(files.map((name) => [name, noise])));
    Deno.writeFileSync(`${folder}/node.payload`, packed);
    return await builtPayloads(new URL(`file://${folder}/`)).architectures();
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("the node agent runs where its payload has a libbpf for, whatever the laptop is", async () => {
  const code = ["agent.js", "intercept.bpf.o"];
  assert.deepEqual(await architecturesOf([...code, "libbpf.x86_64.so", "libbpf.aarch64.so"]), [
    "amd64",
    "arm64",
  ]);
  assert.deepEqual(await architecturesOf([...code, "libbpf.aarch64.so"]), ["arm64"]);
});

Deno.test("a payload that can't be read is an error, and not one for no node", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "pmz-payloads-" });
  try {
    const source = builtPayloads(new URL(`file://${folder}/`));
    await assert.rejects(source.architectures(), Deno.errors.NotFound);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
