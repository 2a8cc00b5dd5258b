import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { bpfSources, compileBpf, objectOf, pinnedClang } from "./bpf_object.ts";
import { root, VERSIONS } from "./versions.ts";

const here = await pinnedClang();
const name = here
  ? "rebuilding the BPF objects gives the bytes that are checked in"
  : `rebuilding the BPF objects (skipped: no clang ${VERSIONS.get("CLANG_VERSION")})`;

Deno.test({ name, ignore: !here }, async (t) => {
  const folder = await Deno.makeTempDir();
  try {
    for (const source of bpfSources()) {
      await t.step(source, async () => {
        await compileBpf(source, `${folder}/object.o`);
        const [built, kept] = await Promise.all([
          Deno.readFile(`${folder}/object.o`),
          Deno.readFile(`${root}/${objectOf(source)}`),
        ]);
        assert.ok(
          Buffer.from(built).equals(kept),
          `${objectOf(source)} isn't what ${source} gives: run ./dev bpf`,
        );
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
