import assert from "node:assert/strict";
import { bundle } from "./bundle.ts";
import { singleFile } from "./single_file.ts";
import { typedVariables } from "../kube/config/command_environment.ts";
import { root } from "./versions.ts";

const folder = `${root}/build/sample`;
const nobody = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"];

/** The sample program as a single file, in a folder that anyone may enter; `home` belongs to nobody in particular. */
interface Sample extends AsyncDisposable {
  file: string;
  home: string;
}

async function sample(): Promise<Sample> {
  const scratch = await Deno.makeTempDir({ prefix: "pmz-single-" });
  const [file, home] = [`${scratch}/sample`, `${scratch}/home`];
  await Deno.chmod(scratch, 0o755);
  await Deno.mkdir(home);
  await Deno.chown(home, 12345, 12345);
  await bundle(folder, "main.ts", `${scratch}/tree`);
  await singleFile(`${scratch}/tree`, file);
  return { file, home, [Symbol.asyncDispose]: () => Deno.remove(scratch, { recursive: true }) };
}

interface Said {
  args: string[];
  npm: string;
  worker: string;
  shared: string;
  environment: Record<string, string>;
  program: string;
}

async function run(command: string[], env: Record<string, string> = {}) {
  const [program = "", ...args] = command;
  const ended = await new Deno.Command(program, { args, env, stdin: "null" }).output();
  const text = new TextDecoder();
  const [stdout, stderr] = [text.decode(ended.stdout), text.decode(ended.stderr)];
  return { code: ended.code, stderr, said: ended.code === 0 ? JSON.parse(stdout) as Said : undefined };
}

/** Runs the file as root with a /var/cache of its own, after `prepare`, a script that finds the file as $0. */
const asRoot = (file: string, prepare: string, ...args: string[]) =>
  run([
    "unshare",
    "--mount",
    "sh",
    "-ec",
    `mount -t tmpfs cache /var/cache; ${prepare}; exec "$0" "$@"`,
    file,
    ...args,
  ]);

const options = { ignore: Deno.uid() !== 0, sanitizeResources: true };

Deno.test("the single file, for an ordinary user", options, async (t) => {
  await using it = await sample();
  const command = [...nobody, it.file];

  await t.step("has workers, npm packages and files with it, and runs the same twice", async () => {
    for (const args of [["first"], ["second", "with a space", "--help"]]) {
      const { said, stderr } = await run([...command, ...args], {
        HOME: it.home,
        DENO_V8_FLAGS: "--nonsense",
        KEPT: "yes",
        NODE_OPTIONS: "--nonsense",
      });
      assert.equal(stderr, "");
      assert.deepEqual([said?.args, said?.npm, said?.worker, said?.shared], [
        args,
        "hono",
        "from main, hello from a file",
        "hello from a file",
      ]);
      assert.match(said?.program ?? "", new RegExp(`^${it.home}/.cache/pmz/[0-9a-f]{32}/deno$`));
      assert.equal(said?.environment.PMZ_SELF, it.file);
      assert.equal(said?.environment.KEPT, "yes");
      assert.equal(said?.environment.DENO_V8_FLAGS, undefined);
      const { DENO_V8_FLAGS, NODE_OPTIONS, KEPT, PMZ_SELF, DENO_DIR } = typedVariables(
        said?.environment ?? {},
      );
      assert.deepEqual([DENO_V8_FLAGS, NODE_OPTIONS, KEPT], ["--nonsense", "--nonsense", "yes"]);
      assert.deepEqual([PMZ_SELF, DENO_DIR], [undefined, undefined]);
    }
    assert.equal(((await Deno.stat(`${it.home}/.cache/pmz`)).mode ?? 0) & 0o777, 0o700);
  });

  await t.step("runs where the current folder is gone", async () => {
    const gone = 'mkdir "$HOME/gone"; cd "$HOME/gone"; rmdir "$HOME/gone"; exec "$0"';
    const { said, stderr } = await run([...nobody, "sh", "-c", gone, it.file], { HOME: it.home });
    assert.equal(said?.npm, "hono");
    assert.match(stderr, /^pmz: the current folder is gone: going on in \/\n/);
  });

  await t.step("raises a soft limit of the address space, and names a hard one that is too low", async () => {
    const limited = (limit: string) =>
      run([...nobody, "sh", "-c", `${limit}; exec "$0"`, it.file], { HOME: it.home });
    assert.equal((await limited("ulimit -S -v 1000000")).said?.npm, "hono");
    const { code, stderr } = await limited("ulimit -v 10000000");
    assert.equal(code, 70);
    assert.match(
      stderr,
      /^pmz: won't start in 9 GiB of address space: V8 reserves 40 GiB\n {5}run: ulimit -v unlimited\n/,
    );
  });

  await t.step("unpacks anew what was cut short", async () => {
    const [version] = [...Deno.readDirSync(`${it.home}/.cache/pmz`)];
    const main = `${it.home}/.cache/pmz/${version?.name}/main.js`;
    await Deno.truncate(main, 10);
    assert.equal((await run(command, { HOME: it.home })).said?.npm, "hono");
    assert.ok((await Deno.stat(main)).size > 10);
  });

  await t.step("may be started many times at once before it was unpacked", async () => {
    const cache = `${it.home}/other`;
    const started = Array.from({ length: 4 }, () => run(command, { XDG_CACHE_HOME: cache }));
    for (const { said, stderr } of await Promise.all(started)) assert.equal(said?.npm, "hono", stderr);
    assert.equal([...Deno.readDirSync(`${cache}/pmz`)].length, 1);
  });

  await t.step("doesn't use a folder of another user's, or one that others may write to", async () => {
    await Deno.mkdir(`${it.home}/planted/pmz`, { recursive: true });
    await Deno.chown(`${it.home}/planted`, 12345, 12345);
    assert.match((await run(command, { XDG_CACHE_HOME: `${it.home}/planted` })).stderr, /folder of yours/);
    await Deno.chown(`${it.home}/planted/pmz`, 12345, 12345);
    await Deno.chmod(`${it.home}/planted/pmz`, 0o777);
    assert.match((await run(command, { XDG_CACHE_HOME: `${it.home}/planted` })).stderr, /folder of yours/);
    await Deno.remove(`${it.home}/planted/pmz`);
    await Deno.symlink("/tmp", `${it.home}/planted/pmz`);
    assert.equal((await run(command, { XDG_CACHE_HOME: `${it.home}/planted` })).code, 70);
  });

  await t.step("leaves nothing half unpacked on a full disk, and says what to do", async () => {
    const script = `mkdir "$HOME/small"; mount -t tmpfs -o size=8m,mode=777 small "$HOME/small"
      XDG_CACHE_HOME="$HOME/small" ${
      nobody.join(" ")
    } "$0" || code=$?; ls -A "$HOME/small/pmz" >&2; exit $code`;
    const { code, stderr } = await run(["unshare", "--mount", "sh", "-ec", script, it.file], {
      HOME: it.home,
    });
    assert.equal(code, 70);
    assert.match(
      stderr,
      /^pmz: can't unpack deno in \S+\/small\/pmz: No space left on device\n {5}is there space\? XDG_CACHE_HOME can name another folder\n$/,
    );
  });

  await t.step("names a home folder that can't be written to, and what to do", async () => {
    const script = `mkdir "$HOME/kept"; mount -t tmpfs -o ro,mode=777 kept "$HOME/kept"
      export HOME="$HOME/kept"; exec ${nobody.join(" ")} "$0"`;
    const { code, stderr } = await run(["unshare", "--mount", "sh", "-ec", script, it.file], {
      HOME: it.home,
    });
    assert.equal(code, 70);
    assert.match(
      stderr,
      /^pmz: can't keep the program in \S+\/kept\/\.cache\/pmz: .*\n.*XDG_CACHE_HOME can name another\n$/,
    );
  });

  await t.step("says so when it is damaged", async () => {
    const bytes = await Deno.readFile(it.file);
    await Deno.writeFile(`${it.file}.short`, bytes.subarray(0, bytes.length - 100), { mode: 0o755 });
    assert.match((await run([`${it.file}.short`])).stderr, /get it again/);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    await Deno.writeFile(`${it.file}.changed`, bytes, { mode: 0o755 });
    const { code, stderr } = await run([...nobody, `${it.file}.changed`], {
      XDG_CACHE_HOME: `${it.home}/new`,
    });
    assert.equal(code, 70);
    assert.match(stderr, /can't unpack deno/);
  });
});

Deno.test("the single file says on a terminal that it unpacks, once", options, async () => {
  await using it = await sample();
  const onTerminal = async () => {
    const args = ["-qec", [...nobody, it.file].join(" "), "/dev/null"];
    const { stdout } = await new Deno.Command("script", { args, env: { HOME: it.home }, stdin: "null" })
      .output();
    return new TextDecoder().decode(stdout);
  };
  assert.match(await onTerminal(), /^pmz: unpacking, once for this version\r?\n\{/);
  assert.doesNotMatch(await onTerminal(), /unpacking/);
});

Deno.test("the single file, for root", options, async (t) => {
  await using it = await sample();

  await t.step(
    "unpacks into root's own folder, whatever the environment says, and gives the helper none of it",
    async () => {
      const { said } = await asRoot(
        it.file,
        "export XDG_CACHE_HOME=/tmp LD_LIBRARY_PATH=/tmp SECRET=x",
        "helper",
        "x",
      );
      assert.deepEqual(said?.args, ["helper", "x"]);
      assert.match(said?.program ?? "", /^\/var\/cache\/pmz\/[0-9a-f]{32}\/deno$/);
      assert.deepEqual(Object.keys(said?.environment ?? {}).sort(), [
        "DENO_DIR",
        "DENO_NO_PACKAGE_JSON",
        "DENO_NO_UPDATE_CHECK",
        "PATH",
        "PMZ_SELF",
      ]);
    },
  );

  await t.step("refuses files whose bytes changed, though size and owner are right", async () => {
    const change =
      `"$0" >/dev/null; printf X | dd of=$(echo /var/cache/pmz/*/main.js) conv=notrunc status=none`;
    const { code, stderr } = await asRoot(it.file, change);
    assert.equal(code, 70);
    assert.match(stderr, /is not what was unpacked there/);
  });

  await t.step("runs where no program may be run from the folder", async () => {
    const { said, stderr } = await asRoot(it.file, "mount -o remount,noexec /var/cache");
    assert.equal(said?.npm, "hono", stderr);
  });

  await t.step("takes away what another version left a day ago, unless that still runs", async () => {
    const old =
      `mkdir -p -m 700 /var/cache/pmz/old/sub /var/cache/pmz/running; touch /var/cache/pmz/old/sub/file
      touch -d '2 days ago' /var/cache/pmz/*; exec 8</var/cache/pmz/running; flock -s 8; "$0" >/dev/null
      [ ! -e /var/cache/pmz/old ] && [ -e /var/cache/pmz/running ]`;
    assert.equal((await asRoot(it.file, old)).code, 0);
  });
});
