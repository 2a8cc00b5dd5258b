import assert from "node:assert/strict";
import { until } from "../async/testing/until.ts";
import { FakeDaemon, HOLD } from "./testing/fake_daemon.ts";

const program = new URL("./testing/program.ts", import.meta.url).pathname;
const SECRET = "pa$$ 'word'";

/** A state folder with a daemon, a folder for sessions, and `pmz run echo` as a process there. */
async function stage() {
  const folder = await Deno.makeTempDir({ prefix: "pmz-run-test-" });
  const session = `${folder}/session`;
  await Deno.mkdir(session, { mode: 0o700 });
  const daemon = new FakeDaemon(folder);
  const env = { XDG_RUNTIME_DIR: session, OWN: "kept", DB_HOST: "replaced" };
  const line = (
    args: readonly string[],
  ) => ["run", "-A", "--no-check", program, folder, "run", "echo", ...args];
  return {
    daemon,
    folder,
    line,
    /** What is below the folder for sessions. */
    left: () => Array.from(Deno.readDirSync(session), ({ name }) => name),
    start: (...args: readonly string[]) =>
      new Deno.Command(Deno.execPath(), {
        args: line(args),
        env,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      })
        .spawn(),
    env,
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function ended(child: Deno.ChildProcess) {
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

const isAlive = (pid: number) => {
  try {
    return !/^\d+ \(.*\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
};

Deno.test("the program gets variables and files, and pmz its exit code; nothing is left, and no secret was said", async () => {
  await using at = await stage();
  const script = `echo "$OWN $DB_HOST $DB_PASSWORD"; cd "$PMZ_ROOT"; cat etc/echo/echo.conf
    stat -c '%a %n' . etc etc/echo etc/echo/echo.conf etc/echo/tls/key.pem empty; [ "$PATH" != /app/bin ]; exit 7`;
  const { code, stdout, stderr } = await ended(at.start("--", "/bin/sh", "-c", script));
  assert.equal(code, 7, stderr);
  assert.deepEqual(stdout.split("\n"), [
    `kept db.shop ${SECRET}`,
    "a=1",
    "700 .",
    "700 etc",
    "700 etc/echo",
    "600 etc/echo/echo.conf",
    "400 etc/echo/tls/key.pem",
    "700 empty",
    "",
  ]);
  assert.deepEqual(stderr.split("\n"), [
    "environment of pod echo-7d9f-x2x, container app: 2 variables, 2 files in $PMZ_ROOT",
    "warning: Secret closed may not be read with your rights: without API_KEY",
    "mounts that aren't here: /data (persistentVolumeClaim)",
    "this machine's own are kept: PATH",
    "",
  ]);
  assert.deepEqual(at.left(), []);
});

Deno.test("an intercept is held while the program runs, then released", async () => {
  await using at = await stage();
  const { code, stdout, stderr } = await ended(
    at.start("--intercept", "8081", "--", "/bin/sh", "-c", "echo data"),
  );
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "data\n", "stdout is the program's");
  assert.match(stderr, /^echo\.default:80 -> localhost:8081, in 2 of 2 pods$/m);
  assert.doesNotMatch(stderr, /to end it/);
  const asked = at.daemon.asked.map(({ request }) => request);
  assert.deepEqual(asked.slice(-4), [
    "POST /plan",
    "POST /holds",
    "POST /intercepts",
    `DELETE /holds/${HOLD}`,
  ]);
  const { body } = at.daemon.asked.find(({ request }) => request === "POST /intercepts") ?? {};
  assert.equal((body as { hold?: string }).hold, HOLD);
});

Deno.test("signals are the program's: pmz waits for it, and ends as it does", async () => {
  await using at = await stage();
  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const) {
    const child = at.start("--intercept", "8081", "--", "/bin/sh", "-c", "exec sleep 60");
    await until("the program runs", () => at.left().length === 1 && childrenOf(child.pid).includes("sleep"));
    child.kill(signal);
    assert.equal((await ended(child)).code, code, signal);
    assert.deepEqual(at.left(), []);
  }
  const handling = at.start(
    "--",
    "/bin/sh",
    "-c",
    "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done",
  );
  await until("the program runs", () => childrenOf(handling.pid).includes("sleep"));
  handling.kill("SIGTERM");
  assert.equal((await ended(handling)).code, 3);
});

Deno.test("an intercept that ends while the program runs is told, with the reason", async () => {
  for (
    const [why, words] of [["time", "its time is up"], ["left", "it was ended by another command"]] as const
  ) {
    await using at = await stage();
    at.daemon.answers.heldEnds = [{ ended: "echo.default:80", why }];
    const { code, stderr } = await ended(
      at.start("--intercept", "8081", "--ttl", "1h", "--", "/bin/sh", "-c", "sleep 0.3"),
    );
    assert.equal(code, 0);
    assert.match(
      stderr,
      new RegExp(`warning: echo.default:80 is intercepted no longer, since ${words}; the program still runs`),
    );
  }
});

/** The names of all processes below one. */
function childrenOf(pid: number): string[] {
  const { stdout } = new Deno.Command("ps", { args: ["-e", "-o", "pid=,ppid=,comm="] }).outputSync();
  const rows = new TextDecoder().decode(stdout).trim().split("\n").map((row) => row.trim().split(/\s+/));
  const below = (of: string): string[] =>
    rows.filter(([, parent]) => parent === of).flatMap(([own = "", , name = ""]) => [name, ...below(own)]);
  return below(String(pid));
}

/** Counts the SIGINTs of 0.6 s. */
const COUNTING =
  "trap 'n=$((n+1))' INT; echo started; for i in 1 2 3 4 5 6; do sleep 0.1; done; echo got $n; exit 5";

/** Has pmz run the counting program on a terminal. @param interrupt sends SIGINT when the program runs */
async function onTerminal(
  at: Awaited<ReturnType<typeof stage>>,
  interrupt: (terminal: WritableStreamDefaultWriter<Uint8Array>, script: number) => Promise<void>,
) {
  const words = [Deno.execPath(), ...at.line(["--", "/bin/sh", "-c", COUNTING])];
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const child = new Deno.Command("script", {
    // In place of the shell: some end themselves with the signal that they saw meanwhile.
    args: ["-qefc", `exec ${quoted}`, "/dev/null"],
    env: at.env,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let said = "";
  const read = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) said += text;
  })();
  await until("the program runs", () => said.includes("started"), 20_000);
  const writer = child.stdin.getWriter();
  await interrupt(writer, child.pid);
  const { code } = await child.status;
  await writer.close().catch(() => {});
  await read;
  assert.match(said, /got 1\r?\n/);
  assert.equal(code, 5);
  assert.deepEqual(at.left(), []);
}

Deno.test("Ctrl-C on a terminal reaches the program once, and pmz ends after it", async () => {
  await using at = await stage();
  await onTerminal(at, (terminal) => terminal.write(new TextEncoder().encode("\x03")));
});

Deno.test("SIGINT that is sent to pmz alone reaches the program on a terminal, too", async () => {
  await using at = await stage();
  await onTerminal(at, (_terminal, script) => {
    const [pmz] = new TextDecoder().decode(
      new Deno.Command("ps", { args: ["-o", "pid=", "--ppid", String(script)] }).outputSync().stdout,
    ).trim().split(/\s+/);
    Deno.kill(Number(pmz), "SIGINT");
    return Promise.resolve();
  });
});

for (const [how, killAll] of [["alone", false], ["with all processes below it", true]] as const) {
  Deno.test(`after kill -9 of pmz ${how}, folder and program are gone`, async () => {
    await using at = await stage();
    const child = at.start("--intercept", "8081", "--", "/bin/sh", "-c", "echo $$; exec sleep 60");
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    const pid = Number(new TextDecoder().decode(value));
    assert.ok(isAlive(pid) && at.left().length === 1);
    if (killAll) {
      const { stdout } = new Deno.Command("ps", { args: ["-o", "pid=", "--ppid", String(child.pid)] })
        .outputSync();
      for (const own of new TextDecoder().decode(stdout).trim().split(/\s+/)) {
        Deno.kill(Number(own), "SIGKILL");
      }
    }
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    await child.stderr.cancel();
    await until("the folder is gone", () => at.left().length === 0);
    await until("the program has ended", () => !isAlive(pid));
  });
}

Deno.test("a program that isn't there, or isn't one, ends as in a shell, and leaves nothing", async () => {
  await using at = await stage();
  const missing = await ended(at.start("--", "/nosuch"));
  assert.deepEqual(
    [missing.code, /^error: \/nosuch can't be started: it isn't there$/m.test(missing.stderr)],
    [127, true],
  );
  assert.equal((await ended(at.start("--", "/etc/passwd"))).code, 126);
  assert.deepEqual(at.left(), []);
});

Deno.test("--env-file writes a file that only its owner may read, and replaces the one before", async () => {
  await using at = await stage();
  const file = `${at.folder}/dev.env`;
  await Deno.writeTextFile(file, "OLD=1\n", { mode: 0o644 });
  const { stderr } = await ended(at.start("--env-file", file, "--", "/bin/true"));
  assert.match(
    stderr,
    /dev\.env has the variables of pod echo-7d9f-x2x, container app; only you may read it$/m,
  );
  assert.equal(
    await Deno.readTextFile(file),
    `# pod echo-7d9f-x2x, container app, by pmz env\nDB_HOST=db.shop\nDB_PASSWORD="pa\\$\\$ 'word'"\n`,
  );
  assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
  assert.match(stderr, /parsers of \.env files read these differently: DB_PASSWORD/);
  const folders = Array.from(Deno.readDirSync(at.folder), ({ name }) => name).filter((name) =>
    name.endsWith(".tmp")
  );
  assert.deepEqual(folders, []);
  const failed = await ended(at.start("--env-file", "/nosuch/x", "--", "/bin/true"));
  assert.equal(failed.code, 2);
});

Deno.test("the program's words stand after two hyphens, and what is missing is said", async () => {
  await using at = await stage();
  const said = async (...args: string[]) => (await ended(at.start(...args))).stderr.split("\n").slice(0, 2);
  assert.deepEqual(await said("npm", "start"), [
    "error: the program to run stands after two hyphens",
    "  hint: pmz run echo -- npm start",
  ]);
  assert.deepEqual(await said("--intercept", "8081"), [
    "error: the program to run is missing",
    "  hint: write it after two hyphens: pmz run echo -- npm start",
  ]);
  for (const part of [["--header", "a=b"], ["--mine"], ["--mirror"], ["--ttl", "1h"]]) {
    assert.deepEqual(await said(...part, "--", "/bin/true"), [
      "error: what to intercept is missing",
      "  hint: give the port your program listens at: --intercept 8081",
    ]);
  }
});
