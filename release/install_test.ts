import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { debianNames } from "../build/versions.ts";
import { RELEASES } from "../wire/releases.ts";

const script = new URL("./install.sh", import.meta.url).pathname;
const file = `pmz-linux-${debianNames[Deno.build.arch]}`;
const program = '#!/bin/sh\necho "installed: $*"\n';
const sum = (content: string, name = file) =>
  `${createHash("sha256").update(content).digest("hex")}  ${name}\n`;

/** What the script says and does with a page that has these files. */
async function run(files: Readonly<Record<string, string>>, args: readonly string[] = [], version?: string) {
  const temporary = await Deno.makeTempDir({ prefix: "pmz-install-" });
  await using page = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const content = files[new URL(url).pathname];
    return new Response(content ?? "", { status: content === undefined ? 404 : 200 });
  });
  try {
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: [script, ...args],
      clearEnv: true,
      env: {
        PATH: "/usr/bin:/bin",
        TMPDIR: temporary,
        PMZ_RELEASES: `http://127.0.0.1:${page.addr.port}/pmz/`,
        ...(version === undefined ? {} : { PMZ_VERSION: version }),
      },
      stdin: "null",
    }).output();
    assert.deepEqual([...Deno.readDirSync(temporary)], [], "nothing stays");
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

Deno.test("the script installs the newest release with the digest of its list, by its own install", async () => {
  const latest = "/pmz/latest/download";
  const list = sum("other", "pmz-linux-other") + sum(program);
  const files = { [`${latest}/${file}`]: program, [`${latest}/SHA256SUMS`]: list };
  const { code, stdout, stderr } = await run(files, ["--system"]);
  assert.deepEqual([code, stdout, stderr], [0, "installed: install --system\n", ""]);
});

Deno.test("the script installs a release that is named", async () => {
  const from = "/pmz/download/v1.2.3";
  const files = { [`${from}/${file}`]: program, [`${from}/SHA256SUMS`]: sum(program) };
  for (const version of ["1.2.3", "v1.2.3"]) {
    assert.equal((await run(files, [], version)).stdout, "installed: install\n");
  }
});

Deno.test("the script runs nothing that isn't in the release's list, or is another file", async () => {
  const latest = "/pmz/latest/download";
  const changed = await run({ [`${latest}/${file}`]: program, [`${latest}/SHA256SUMS`]: sum("another") });
  assert.deepEqual([changed.code, changed.stdout], [1, ""]);
  assert.match(changed.stderr, /is not what the release's list says/);
  const unlisted = await run({
    [`${latest}/${file}`]: program,
    [`${latest}/SHA256SUMS`]: sum(program, `${file}.old`),
  });
  assert.deepEqual([unlisted.code, unlisted.stdout], [1, ""]);
  assert.match(unlisted.stderr, /has no digest of pmz-linux-/);
});

Deno.test("the script names what can't be downloaded", async () => {
  const { code, stderr } = await run({});
  assert.equal(code, 1);
  assert.match(stderr, /\/pmz\/latest\/download\/SHA256SUMS can't be downloaded/);
});

Deno.test("the script takes releases from the place that the code names, and from https alone", async () => {
  const [, named] = /^releases=(.*)$/m.exec(await Deno.readTextFile(script)) ?? [];
  assert.equal(named, RELEASES ?? "");
  const { code, stderr } = await new Deno.Command("sh", {
    args: [script],
    env: { PMZ_RELEASES: "http://releases.example" },
  }).output();
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stderr), /not a valid page of releases: expected https/);
});
