import { until } from "../async/testing/until.ts";
import assert from "node:assert/strict";
import { controlFiles } from "../wire/control.ts";
import { Failure } from "./failure.ts";
import { answers, spawnDaemon } from "./process/spawn.ts";

const program = new URL("../main.ts", import.meta.url).pathname;
const command = [Deno.execPath(), "run", "--quiet", "--allow-all", "--no-check", program, "daemon"];

/** A state folder, and the daemons that run on it. */
async function place() {
  const home = await Deno.makeTempDir();
  const folder = `${home}/pmz`;
  const start = () =>
    new Deno.Command(command[0] ?? "", {
      args: command.slice(1),
      env: { XDG_STATE_HOME: home },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  return {
    folder,
    start,
    up: async () => {
      const child = start();
      await until("the daemon answers", () => answers(`${folder}/${controlFiles.socket}`));
      return child;
    },
    log: () => Deno.readTextFile(`${folder}/${controlFiles.log}`),
    [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }),
  };
}

async function ended(child: Deno.ChildProcess): Promise<number> {
  child.kill("SIGTERM");
  return (await child.status).code;
}

/** POST /stop. */
async function stop(path: string): Promise<void> {
  using conn = await Deno.connect({ transport: "unix", path });
  await conn.write(new TextEncoder().encode("POST /stop HTTP/1.1\r\nhost: pmz\r\ncontent-length: 0\r\n\r\n"));
  await conn.read(new Uint8Array(1024));
}

Deno.test("there is one daemon of a user: a second one leaves it at that", async () => {
  await using at = await place();
  const first = await at.up();
  assert.equal((await at.start().status).code, 0);
  assert.ok(await answers(`${at.folder}/${controlFiles.socket}`));
  assert.equal(await Deno.readTextFile(`${at.folder}/${controlFiles.lock}`), `${first.pid}\n`);
  assert.equal(await ended(first), 0);
  assert.match(await at.log(), /the daemon ends: SIGTERM/);
  await assert.rejects(Deno.lstat(`${at.folder}/${controlFiles.socket}`), Deno.errors.NotFound);
});

Deno.test("a daemon that is started while another one ends takes its place", async () => {
  await using at = await place();
  const first = await at.up();
  const over = ended(first);
  while (await answers(`${at.folder}/${controlFiles.socket}`)) { /* it still takes requests */ }
  const second = await at.up();
  await over;
  assert.ok(await answers(`${at.folder}/${controlFiles.socket}`));
  assert.equal(await ended(second), 0);
});

Deno.test("a daemon is there even when the one it was left to ended meanwhile", async () => {
  await using at = await place();
  const home = at.folder.slice(0, at.folder.lastIndexOf("/"));
  // The first start ends at once, as when another daemon has the lock; the second one is a daemon.
  const script = `[ -e ${home}/again ] || { : > ${home}/again; exit 0; }; exec "$@"`;
  const wrapped = ["/bin/sh", "-c", script, "sh", "/usr/bin/env", `XDG_STATE_HOME=${home}`, ...command];
  await spawnDaemon(wrapped, at.folder);
  const socket = `${at.folder}/${controlFiles.socket}`;
  assert.ok(await answers(socket));
  await stop(socket);
  await until("it has ended", async () => !await answers(socket));
});

Deno.test("who starts a daemon that can't start is told why and what to do, and so is the log", async () => {
  await using at = await place();
  await Deno.mkdir(at.folder, { mode: 0o700 });
  await Deno.writeTextFile(`${at.folder}/${controlFiles.names}`, "{");
  const home = at.folder.slice(0, at.folder.lastIndexOf("/"));
  const failure = await spawnDaemon(["/usr/bin/env", `XDG_STATE_HOME=${home}`, ...command], at.folder).then(
    () => undefined,
    (error) => error,
  );
  assert.ok(failure instanceof Failure);
  assert.equal(failure.code, "usage");
  assert.match(failure.message, /names\.json can't be read: /);
  assert.match(failure.hint ?? "", /correct the file/);
  assert.match(await at.log(), /names\.json can't be read/);
});

Deno.test("a daemon that ends without a word is an error that names its log", async () => {
  await using at = await place();
  await assert.rejects(spawnDaemon(["/bin/sh", "-c", "exit 3"], at.folder), (error) => {
    assert.ok(error instanceof Failure);
    assert.match(`${error.message} ${error.hint}`, /ended at once, with exit code 3 its log: .*daemon\.log$/);
    return true;
  });
});

Deno.test("without a home folder a command says so, with its hint and exit code", async () => {
  const { code, stderr } = await new Deno.Command(command[0] ?? "", {
    args: [...command.slice(1, -1), "status"],
    clearEnv: true,
    env: { DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno` },
  }).output();
  assert.equal(code, 2);
  assert.equal(
    new TextDecoder().decode(stderr),
    "error: HOME is not set: there is no folder for pmz's state\n  hint: set HOME, or XDG_STATE_HOME\n",
  );
});

Deno.test("a daemon has nothing of the KUBECONFIG of the shell that happened to start it", async () => {
  await using at = await place();
  await Deno.mkdir(at.folder);
  const script = `printf %s "$KUBECONFIG" >${at.folder}/got; exit 1`;
  const before = Deno.env.get("KUBECONFIG");
  Deno.env.set("KUBECONFIG", "/prod");
  try {
    await assert.rejects(spawnDaemon(["/bin/sh", "-c", script], at.folder));
  } finally {
    if (before === undefined) Deno.env.delete("KUBECONFIG");
    else Deno.env.set("KUBECONFIG", before);
  }
  assert.equal(await Deno.readTextFile(`${at.folder}/got`), "");
});
