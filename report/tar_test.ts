import assert from "node:assert/strict";
import { gzip, tar } from "./tar.ts";

Deno.test("tar unpacks what is packed, for its owner alone", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const contents = ["", "one line\n", "x".repeat(512), "y".repeat(1_500)];
    const files = contents.map((text, i) => ({
      name: `report/${i}.txt`,
      bytes: new TextEncoder().encode(text),
    }));
    Deno.writeFileSync(`${folder}/a.tar.gz`, await gzip(tar(files, 1_767_268_800)));
    const { success, stderr } = await new Deno.Command("tar", {
      args: ["-xzf", "a.tar.gz", "--no-same-owner"],
      cwd: folder,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    assert.equal(new TextDecoder().decode(stderr), "");
    for (const [i, text] of contents.entries()) {
      const path = `${folder}/report/${i}.txt`;
      assert.equal(Deno.readTextFileSync(path), text);
      assert.equal((Deno.statSync(path).mode ?? 0) & 0o077, 0);
      assert.equal(Deno.statSync(path).mtime?.toISOString(), "2026-01-01T12:00:00.000Z");
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a name that a header can't hold is refused", () => {
  for (const name of ["", "a".repeat(101), "a b", "ä"]) {
    assert.throws(() => tar([{ name, bytes: new Uint8Array() }], 0), TypeError);
  }
});
