import assert from "node:assert/strict";
import { output } from "../lib/command.ts";
import { Stage } from "../lib/stage.ts";
import { cluster } from "../lib/laptop.ts";
import type { Ran } from "./runner.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const RUNNER = "tests/e2e/kubeconfigs/runner.ts";
/** What the runner imports. */
const SOURCES = ["deno.json", "deno.lock", "async", "errors", "kube", "net", "tests/e2e/kubeconfigs"];

Deno.test("kubectl and pmz read each kubeconfig alike: who connects, as whom, by which proxy and CA", async (t) => {
  await using stage = await Stage.set();
  const { world } = stage;
  await stage.alice.done(["agent", "deploy"], { timeout: 150_000 });
  const { laptop } = world;
  const folder = (await laptop.output("root", ["mktemp", "-d", "/var/tmp/kubeconfigs.XXXXXX"])).trim();
  await laptop.output("root", ["chmod", "755", folder]);
  try {
    const cache = JSON.parse(await output([Deno.execPath(), "info", "--json"])) as { denoDir: string };
    // The sources may be where a laptop doesn't see them.
    const unpack = `${cluster} --user root --laptop ${laptop.number} dev tar -x -C ${folder}`;
    await output(["sh", "-c", `tar -c -C ${ROOT} ${SOURCES.join(" ")} | ${unpack}`]);
    await laptop.output("root", ["sh", "-c", `kubectl config view --flatten --minify > ${folder}/admin`]);
    const said = await laptop.output(
      "root",
      [Deno.execPath(), "run", "-A", "--no-check", "-q", `${folder}/${RUNNER}`, folder, `${folder}/admin`],
      { env: { DENO_DIR: cache.denoDir }, timeout: 240_000 },
    );
    const rows = said.trim().split("\n").map((line) => JSON.parse(line) as Ran);
    assert.ok(rows.length >= 40, `only ${rows.length} rows ran`);
    for (const row of rows) await t.step(row.name, () => compare(row));
  } finally {
    await laptop.output("root", ["rm", "-rf", folder]);
    await world.kubectl(["delete", "serviceaccount", "blue", "red", "--ignore-not-found"]);
    await world.kubectl([
      "delete",
      "clusterrolebinding",
      "kubeconfigs-blue",
      "kubeconfigs-red",
      "--ignore-not-found",
    ]);
  }
});

function compare({ is, kubectl, pmz, up }: Ran): void {
  const { error: theirs, ...seen } = kubectl;
  const { error: ours, ...same } = pmz;
  assert.deepEqual(same, seen, `kubectl: ${theirs ?? "connects"}\npmz: ${ours ?? "connects"}`);
  const { username } = (kubectl.user ?? {}) as { username?: string };
  const by = kubectl.by.join();
  if ("refused" in is) assert.deepEqual([username, by], [undefined, is.refused]);
  else assert.deepEqual([username, by], [is.as, is.by ?? ""], theirs ?? "");
  if (!up) return;
  assert.ok(up.isUp === (username !== undefined), up.said);
  assert.deepEqual(up.by, kubectl.by, up.said);
}
