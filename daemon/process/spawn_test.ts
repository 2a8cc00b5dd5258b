import assert from "node:assert/strict";
import { CONFIGURATION_ROOT } from "../../wire/configuration_root.ts";
import { answers, spawnDaemon } from "./spawn.ts";

/** The path of a socket in a folder of its own. */
function place() {
  const folder = Deno.makeTempDirSync();
  return { path: `${folder}/s`, [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
}

Deno.test("a daemon that is too busy to accept connections is still there", async () => {
  using at = place();
  using _listener = Deno.listen({ transport: "unix", path: at.path });
  using waiting = new DisposableStack();
  for (;;) { // until the queue of the listener is full
    const connection = await Deno.connect({ transport: "unix", path: at.path }).catch((error) => error);
    if (connection instanceof Error) break;
    waiting.use(connection as Deno.UnixConn);
  }
  assert.ok(await answers(at.path));
});

Deno.test("a socket that no process listens on doesn't answer, nor does a path without one", async () => {
  using at = place();
  assert.equal(await answers(at.path), false);
  using listener = Deno.listen({ transport: "unix", path: `${at.path}.born` });
  Deno.renameSync(`${at.path}.born`, at.path);
  listener.close();
  assert.equal(await answers(at.path), false);
});

Deno.test("a daemon that is started by a program of `pmz run` isn't marked as part of that program", async () => {
  using at = place();
  const line = '{"ready":false,"error":{"code":"internal","message":"root=%s"}}';
  const before = Deno.env.get(CONFIGURATION_ROOT);
  Deno.env.set(CONFIGURATION_ROOT, "/run/user/1000/pmz-run-x");
  try {
    await assert.rejects(
      spawnDaemon(["/bin/sh", "-c", `printf '${line}\\n' "$${CONFIGURATION_ROOT}"`], `${at.path}-state`),
      /^Failure: root=$/,
    );
  } finally {
    if (before === undefined) Deno.env.delete(CONFIGURATION_ROOT);
    else Deno.env.set(CONFIGURATION_ROOT, before);
  }
});
