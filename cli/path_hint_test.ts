import assert from "node:assert/strict";
import { pathHint } from "./path_hint.ts";

Deno.test("a shell finds what was installed, or is told why not", () => {
  const root = Deno.makeTempDirSync({ prefix: "pmz-path-" });
  try {
    const [own, other] = [`${root}/own`, `${root}/other`];
    for (const folder of [own, other]) Deno.mkdirSync(folder);
    Deno.writeTextFileSync(`${own}/pmz`, "", { mode: 0o755 });
    const hint = (PATH: string | undefined, SHELL = "/bin/bash") =>
      pathHint(`${own}/pmz`, { get: (name) => ({ PATH, SHELL })[name] });
    assert.equal(hint(`${other}:${own}/`), undefined);
    assert.deepEqual(hint(`/usr/bin:${other}`), {
      message: `${own} is not in PATH`,
      hint: `add to ~/.profile, and log in again: export PATH="${own}:$PATH"`,
    });
    assert.equal(hint(undefined, "/usr/bin/fish")?.hint, `run: fish_add_path ${own}`);
    Deno.writeTextFileSync(`${other}/pmz`, "", { mode: 0o644 });
    assert.equal(hint(`${other}:${own}`), undefined, "no program");
    Deno.chmodSync(`${other}/pmz`, 0o755);
    assert.equal(hint(`${other}:${own}`)?.message, `${other}/pmz comes before ${own}/pmz in PATH`);
    Deno.removeSync(`${other}/pmz`);
    Deno.symlinkSync(`${own}/pmz`, `${other}/pmz`);
    assert.equal(hint(`${other}:${own}`), undefined, "the same file");
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
