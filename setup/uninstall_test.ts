import assert from "node:assert/strict";
import { sha256 } from "./file_on_disk.ts";
import { placesOf } from "./places.ts";
import { formatRecord } from "./record.ts";
import { Home } from "./testing/home.ts";
import { planUninstall, uninstall } from "./uninstall.ts";

const nothing = { scope: "user", purge: [] } as const;

Deno.test("an uninstallation leaves a home folder as it was before the installation", async () => {
  using home = new Home();
  Deno.mkdirSync(`${home.path}/.local/share/man`, { recursive: true });
  Deno.writeTextFileSync(`${home.path}/.local/share/man/own`, "mine");
  const before = [home.files(), home.folders()];
  await home.setup().install(home.request());
  assert.equal(await home.setup().isInstalled("user"), true);
  const plan = await home.setup().plan(nothing);
  assert.equal(plan.isInstalled, true);
  assert.deepEqual(await home.setup().uninstall(plan), []);
  assert.deepEqual([home.files(), home.folders()], before);
  assert.equal(await home.setup().isInstalled("user"), false);
});

Deno.test("what was changed since it was installed stays, and is named", async () => {
  using home = new Home();
  const { program } = await home.setup().install(home.request());
  Deno.writeTextFileSync(program, "something else by now");
  Deno.removeSync(`${home.path}/.local/bin/kubectl-pmz`);
  Deno.symlinkSync("another", `${home.path}/.local/bin/kubectl-pmz`);
  const plan = await home.setup().plan(nothing);
  assert.deepEqual(plan.changed, [program, `${home.path}/.local/bin/kubectl-pmz`]);
  assert.deepEqual(await home.setup().uninstall(plan), []);
  assert.deepEqual(home.files(), {
    "/.local/bin/kubectl-pmz": "-> another",
    "/.local/bin/pmz": "something else by now",
  });
});

Deno.test("what is changed between the question and the answer stays, and is named", async () => {
  using home = new Home();
  const { program } = await home.setup().install(home.request());
  const plan = await home.setup().plan(nothing);
  Deno.writeTextFileSync(program, "changed meanwhile");
  assert.deepEqual(await home.setup().uninstall(plan), [`${program}: it was changed meanwhile`]);
  assert.equal(Deno.readTextFileSync(program), "changed meanwhile");
});

Deno.test("unpacked versions go; what else lies there stays", async () => {
  using home = new Home();
  const cache = `${home.path}/.cache/pmz`;
  for (const name of ["0".repeat(32), `.${"a".repeat(32)}.17`, "notes"]) {
    Deno.mkdirSync(`${cache}/${name}/assets`, { recursive: true });
    Deno.writeTextFileSync(`${cache}/${name}/deno`, "");
  }
  const plan = await home.setup().plan(nothing);
  assert.deepEqual([plan.isInstalled, plan.caches], [false, [cache]]);
  assert.deepEqual(await home.setup().uninstall(plan), []);
  assert.deepEqual(home.files(), { "/.cache/pmz/notes/deno": "" });
});

Deno.test("state and settings go where they are asked for, and nothing next to them", async () => {
  using home = new Home();
  const [state, settings] = [`${home.path}/.local/state/pmz`, `${home.path}/.config/pmz/config.yaml`];
  Deno.mkdirSync(`${state}/more`, { recursive: true });
  Deno.writeTextFileSync(`${state}/daemon.log`, "");
  Deno.mkdirSync(settings.replace(/\/[^/]*$/, ""), { recursive: true });
  Deno.writeTextFileSync(settings, "");
  Deno.writeTextFileSync(`${home.path}/.config/other`, "");
  assert.deepEqual((await home.setup().plan(nothing)).purged, []);
  const plan = await home.setup().plan({ scope: "user", purge: [state, settings, `${home.path}/gone`] });
  assert.deepEqual(plan.purged, [state, settings]);
  assert.deepEqual(await home.setup().uninstall(plan), []);
  assert.deepEqual([home.files(), home.folders()], [{ "/.config/other": "" }, [
    "/.config",
    "/.local",
    "/.local/state",
  ]]);
});

Deno.test("a link that has taken the place of a folder stays, and so does a file", async () => {
  using home = new Home();
  await home.setup().install(home.request());
  const [programs, data] = [`${home.path}/.local/bin`, `${home.path}/.local/share/man`];
  Deno.renameSync(programs, `${home.path}/dotfiles`);
  Deno.symlinkSync("../dotfiles", programs);
  Deno.removeSync(data, { recursive: true });
  Deno.mkdirSync(`${home.path}/elsewhere`);
  Deno.symlinkSync("../../elsewhere", data);
  const settings = `${home.path}/.config/pmz/config.yaml`;
  Deno.mkdirSync(`${home.path}/.config`);
  Deno.symlinkSync("../dotfiles", `${home.path}/.config/pmz`);
  Deno.writeTextFileSync(settings, "");
  const plan = await home.setup().plan({ scope: "user", purge: [settings] });
  assert.deepEqual(await home.setup().uninstall(plan), []);
  assert.deepEqual(home.files(), {
    "/.config/pmz": "-> ../dotfiles",
    "/.local/bin": "-> ../dotfiles",
    "/.local/share/man": "-> ../../elsewhere",
  });
});

Deno.test("root does nothing in another's home folder, whose list may name any file", {
  ignore: Deno.uid() !== 0,
}, async () => {
  using home = new Home();
  await home.setup().install(home.request());
  const [victim, data] = [`${home.path}/victim`, new TextEncoder().encode("root's")];
  Deno.writeFileSync(victim, data);
  Deno.writeTextFileSync(
    `${home.path}/.local/share/pmz/installed.json`,
    formatRecord({ release: "1.0.0", files: [{ path: victim, sha256: await sha256(data) }], folders: [] }),
  );
  Deno.chownSync(home.path, 1000, 1000);
  const refused = {
    code: "usage",
    message: `${home.path} belongs to uid 1000, and this is root`,
    hint: "without sudo it is done for that user; --system is for everybody",
  };
  await assert.rejects(home.setup().plan(nothing), refused);
  await assert.rejects(home.setup().install(home.request({ force: true })), refused);
  assert.equal(Deno.readTextFileSync(victim), "root's");
});

Deno.test("root removes no folder that isn't the machine's, whatever the list says", async () => {
  using home = new Home();
  const folder = `${home.path}/empty`;
  Deno.mkdirSync(folder);
  const record = `${home.path}/installed.json`;
  Deno.writeTextFileSync(record, formatRecord({ release: "1.0.0", files: [], folders: [folder] }));
  const places = { ...placesOf("system", { get: () => undefined }), record, cache: `${home.path}/cache` };
  const plan = await planUninstall({ scope: "system", purge: [] }, places, []);
  assert.deepEqual(await uninstall(plan, places), []);
  assert.deepEqual(home.folders(), ["/empty"]);
});

Deno.test("a list that can't be read as one removes nothing", async () => {
  using home = new Home();
  await home.setup().install(home.request());
  Deno.writeTextFileSync(`${home.path}/.local/share/pmz/installed.json`, "{");
  const plan = await home.setup().plan(nothing);
  assert.deepEqual([plan.isInstalled, plan.files], [false, []]);
});
