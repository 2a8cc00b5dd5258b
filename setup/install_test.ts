import assert from "node:assert/strict";
import { makeFolder } from "./file_on_disk.ts";
import { Home } from "./testing/home.ts";

const RECORD = "/.local/share/pmz/installed.json";

Deno.test("an installation has the program, a link for kubectl, completions, a manual page and a list of them", async () => {
  using home = new Home();
  const { program, files, replaced } = await home.setup().install(home.request());
  assert.equal(program, `${home.path}/.local/bin/pmz`);
  assert.equal(replaced, undefined);
  assert.deepEqual([...new Set(files.map(({ outcome }) => outcome))], ["written"]);
  const { [RECORD]: record, ...there } = home.files();
  assert.deepEqual(there, {
    "/.local/bin/kubectl-pmz": "-> pmz",
    "/.local/bin/pmz": "pmz 1",
    "/.local/share/bash-completion/completions/pmz": "complete",
    "/.local/share/fish/vendor_completions.d/pmz.fish": "complete -c",
    "/.local/share/man/man1/pmz.1": ".TH PMZ 1",
    "/.local/share/zsh/site-functions/_pmz": "#compdef",
  });
  assert.match(record ?? "", /"release": "1\.0\.0"/);
  assert.equal(((await Deno.stat(program)).mode ?? 0) & 0o777, 0o755);
});

Deno.test("an installation has the same modes whatever the umask is", async () => {
  using home = new Home();
  const before = Deno.umask(0o077);
  try {
    await home.setup().install(home.request());
  } finally {
    Deno.umask(before);
  }
  const mode = (path: string) => (Deno.statSync(`${home.path}/.local${path}`).mode ?? 0) & 0o777;
  assert.deepEqual(["/bin/pmz", "/share/man/man1/pmz.1", "/share/pmz/installed.json"].map(mode), [
    0o755,
    0o644,
    0o644,
  ]);
});

Deno.test("XDG_DATA_HOME is where completions and the manual page go", async () => {
  using home = new Home();
  home.env.XDG_DATA_HOME = `${home.path}/data`;
  await home.setup().install(home.request());
  assert.ok("/data/man/man1/pmz.1" in home.files());
});

Deno.test("a slash at the end of HOME or XDG_DATA_HOME makes no difference", async () => {
  using home = new Home();
  home.env.HOME = `${home.path}/`;
  home.env.XDG_DATA_HOME = `${home.path}/data/`;
  const { program } = await home.setup().install(home.request());
  assert.equal(program, `${home.path}/.local/bin/pmz`);
  home.env.HOME = home.path;
  home.env.XDG_DATA_HOME = `${home.path}/data`;
  assert.equal((await home.setup().plan({ scope: "user", purge: [] })).files.length, 7);
});

Deno.test("folders of the machine's installation are open to everybody whatever the umask is, the user's own aren't", async () => {
  using home = new Home();
  const before = Deno.umask(0o077);
  try {
    await makeFolder(`${home.path}/machine/man`, "system");
    await makeFolder(`${home.path}/own/man`, "user");
  } finally {
    Deno.umask(before);
  }
  const mode = (path: string) => (Deno.statSync(`${home.path}/${path}`).mode ?? 0) & 0o777;
  assert.deepEqual(["machine", "machine/man", "own", "own/man"].map(mode), [0o755, 0o755, 0o700, 0o700]);
});

Deno.test("the same installation again changes nothing, also when it is run from its own file", async () => {
  using home = new Home();
  const { program } = await home.setup().install(home.request());
  const inode = () => Deno.statSync(program).ino;
  const before = [home.files(), inode()];
  const { files } = await home.setup().install(home.request());
  assert.deepEqual([...new Set(files.map(({ outcome }) => outcome))], ["unchanged"]);
  assert.deepEqual([home.files(), inode()], before);
});

Deno.test("another release takes the place of one that was installed, and says whether that was older", async () => {
  using home = new Home();
  const { program } = await home.setup().install(home.request());
  home.download("pmz 2");
  const newer = await home.setup().install(home.request({ release: "1.1.0" }));
  assert.deepEqual(newer.replaced, { release: "1.0.0", age: "older" });
  assert.equal(Deno.readTextFileSync(program), "pmz 2");
  home.download("pmz 1, again");
  const older = await home.setup().install(home.request({ release: "1.0.0" }));
  assert.deepEqual(older.replaced, { release: "1.1.0", age: "newer" });
});

Deno.test("a program that runs is replaced without being written to", async () => {
  using home = new Home();
  const { program } = await home.setup().install(home.request());
  using running = Deno.openSync(program);
  home.download("pmz 2");
  await home.setup().install(home.request({ release: "1.1.0" }));
  const bytes = new Uint8Array(10);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, running.readSync(bytes) ?? 0)), "pmz 1");
});

Deno.test("a file that no installation made stays, and nothing else is written, unless it may be replaced", async () => {
  for (const path of ["/.local/bin/pmz", "/.local/share/man/man1/pmz.1"]) {
    using home = new Home();
    Deno.mkdirSync(`${home.path}${path}`.replace(/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${home.path}${path}`, "somebody's");
    await assert.rejects(home.setup().install(home.request()), {
      code: "conflict",
      message: `${home.path}${path} is there, and pmz install didn't make it`,
    });
    assert.deepEqual(home.files(), { [path]: "somebody's" });
    const { replaced } = await home.setup().install(home.request({ force: true }));
    assert.deepEqual(replaced, path.endsWith("bin/pmz") ? { age: "unknown" } : undefined);
    assert.notEqual(home.files()[path], "somebody's");
  }
});

Deno.test("a folder in the program's place is refused, also with force", async () => {
  using home = new Home();
  Deno.mkdirSync(`${home.path}/.local/bin/pmz`, { recursive: true });
  await assert.rejects(home.setup().install(home.request({ force: true })), { message: /is not a file/ });
});

Deno.test("a link in the program's place is replaced and not followed", async () => {
  using home = new Home();
  Deno.mkdirSync(`${home.path}/.local/bin`, { recursive: true });
  Deno.writeTextFileSync(`${home.path}/checkout`, "built");
  Deno.symlinkSync("../../checkout", `${home.path}/.local/bin/pmz`);
  await assert.rejects(home.setup().install(home.request()), { code: "conflict" });
  await home.setup().install(home.request({ force: true }));
  assert.equal(home.files()["/checkout"], "built");
  assert.equal(home.files()["/.local/bin/pmz"], "pmz 1");
});

Deno.test("what is in a folder that can't be made is named, with what to do", async () => {
  using home = new Home();
  Deno.writeTextFileSync(`${home.path}/.local`, "a file");
  await assert.rejects(home.setup().install(home.request()), ({ message, hint }) => {
    assert.match(message, /\.local\/bin\/pmz can't be read: Not a directory/);
    assert.match(hint, /--system/);
    return true;
  });
});

Deno.test("after an installation that broke off, the next one and an uninstallation know all of its files", async () => {
  using home = new Home();
  await home.setup().install(home.request());
  home.download("pmz 2");
  const blocked = `${home.path}/.local/share/man/man1`;
  const next = home.request({ release: "1.1.0" });
  Deno.renameSync(blocked, `${blocked}.away`);
  Deno.symlinkSync("/proc/self", blocked); // nobody can make a file there
  await assert.rejects(home.setup("another").install(next));
  Deno.removeSync(blocked);
  Deno.renameSync(`${blocked}.away`, blocked);
  assert.equal(home.files()["/.local/bin/pmz"], "pmz 2");
  const plan = await home.setup().plan({ scope: "user", purge: [] });
  assert.deepEqual(plan.changed, []);
  assert.equal(plan.files.length, 7);
  await home.setup("another").install(next);
  assert.equal(home.files()["/.local/share/man/man1/pmz.1"], "another");
});

Deno.test("no half-written file stays where the disk is full", { ignore: Deno.uid() !== 0 }, async () => {
  using home = new Home();
  home.download("x".repeat(300_000));
  const script = new URL("./testing/install_on_full_disk.ts", import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command("unshare", {
    args: [
      "--mount",
      "sh",
      "-ec",
      'mkdir "$1/.local"; mount -t tmpfs -o size=100k small "$1/.local"; "$0" run -A -q --no-check "$2" "$1"; find "$1/.local" -type f',
      Deno.execPath(),
      home.path,
      script,
    ],
    env: { HOME: Deno.env.get("HOME") ?? "/" },
  }).output();
  const [said, ...files] = new TextDecoder().decode(stdout).trim().split("\n");
  assert.match(
    said ?? "",
    /bin\/pmz can't be written: No space left.*: free some space there$/,
    new TextDecoder().decode(stderr),
  );
  assert.deepEqual(files, [`${home.path}/.local/share/pmz/installed.json`]);
});
