/** What the commands make of the settings. */
import assert from "node:assert/strict";
import { World } from "./testing/run.ts";

/** A world whose user has this config file. */
function configured(text: string, env: Record<string, string> = {}) {
  const home = Deno.makeTempDirSync();
  Deno.mkdirSync(`${home}/.config/pmz`, { recursive: true });
  Deno.writeTextFileSync(`${home}/.config/pmz/config.yaml`, text);
  const world = new World({ env: { HOME: home, ...env } });
  return {
    world,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      Deno.removeSync(home, { recursive: true });
    },
  };
}

/** The body of the last request of this kind. */
const asked = ({ daemon }: World, request: string) =>
  daemon.asked.findLast((one) => one.request === request)?.body as Record<string, unknown>;

Deno.test("up takes context, namespace, ranges, images and names from the settings", async () => {
  await using at = configured(`context: staging
namespace: shop
acceptRanges: [10.96.0.0/12]
neverRanges: [10.20.0.0/16]
names: {shop.example: echo}
agent: {baseImage: mirror/deno, allowRanges: [10.1.0.0/16]}
`);
  const { code, stderr } = await at.world.pmz("up --yes");
  assert.equal(code, 0, stderr);
  assert.deepEqual(asked(at.world, "POST /plan"), {
    context: "staging",
    namespace: "shop",
    ranges: ["10.96.0.0/12"],
    neverRanges: ["10.20.0.0/16"],
    mode: "capture",
  });
  const { installOptions } = asked(at.world, "POST /up");
  assert.deepEqual(installOptions, { baseImage: "mirror/deno", ranges: ["10.1.0.0/16"] });
  assert.deepEqual(asked(at.world, "POST /names"), {
    domain: "shop.example",
    service: "echo",
    namespace: "default",
    context: "dev",
  });
});

Deno.test("options come before the settings; ranges that are accepted count both, but for those taken back", async () => {
  await using at = configured(
    "context: staging\nacceptRanges: [10.96.0.0/12, 10.97.0.0/16]\nneverRanges: [10.1.0.0/16]\n",
  );
  const line =
    "up --context dev --accept-range 10.98.0.0/16 --forget-range 10.97.0.0/16 --never-range 10.2.0.0/16";
  assert.equal((await at.world.pmz(line)).code, 0);
  const { context, ranges, neverRanges } = asked(at.world, "POST /plan");
  assert.deepEqual([context, ranges, neverRanges], ["dev", ["10.98.0.0/16", "10.96.0.0/12"], [
    "10.2.0.0/16",
  ]]);
  assert.equal((await at.world.pmz("up --proxy")).code, 0);
  assert.equal(asked(at.world, "POST /plan").ranges, undefined, "a proxy captures nothing");
});

Deno.test("an intercept is of the settings' context and namespace", async () => {
  await using at = configured("context: staging\nnamespace: shop\n");
  assert.equal((await at.world.pmz("intercept echo 8081")).code, 0);
  assert.deepEqual([asked(at.world, "POST /plan").context, asked(at.world, "POST /plan").namespace], [
    "staging",
    "shop",
  ]);
  assert.equal((await at.world.pmz("intercept echo.other 8081")).code, 0);
  assert.equal(asked(at.world, "POST /plan").namespace, "other");
});

Deno.test("a file that is wrong keeps nothing from ending: down and status work", async () => {
  await using at = configured("contxt: dev\n");
  const { code, stderr } = await at.world.pmz("up");
  assert.equal(code, 2);
  assert.match(stderr, /config\.yaml:1: contxt is not a setting: did you mean context\?/);
  assert.equal((await at.world.pmz("status")).code, 0);
  assert.equal((await at.world.pmz("down")).code, 0);
});

Deno.test("config view says where each value is from", async () => {
  await using at = configured("protect: ['*prod*']\n", { PMZ_NAMESPACE: "shop" });
  const { stdout } = await at.world.pmz("config view");
  assert.match(stdout, /^protect +\*prod\* +\S+\/\.config\/pmz\/config\.yaml:1$/m);
  assert.match(stdout, /^namespace +shop +PMZ_NAMESPACE$/m);
  assert.match(stdout, /^context +- +default: the kubeconfig's current context$/m);
  const json = JSON.parse((await at.world.pmz("config view -o json")).stdout);
  assert.equal(json.kind, "Config");
  assert.deepEqual(json.items.find(({ key }: { key: string }) => key === "protect").value, ["*prod*"]);
});
