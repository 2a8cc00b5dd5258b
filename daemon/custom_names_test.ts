import assert from "node:assert/strict";
import { CustomNames, refuseReserved } from "./custom_names.ts";
import { Failure } from "./failure.ts";

const shop = { domain: "shop.example", service: "echo", namespace: "default" };

Deno.test("custom domains outlive the daemon", async () => {
  const path = `${await Deno.makeTempDir()}/names.json`;
  const names = await CustomNames.open(path);
  await names.add(shop);
  assert.deepEqual((await CustomNames.open(path)).all(), [shop]);
  assert.deepEqual(await names.remove("shop.example"), shop);
  assert.deepEqual((await CustomNames.open(path)).all(), []);
});

Deno.test("a domain that isn't there can't be removed", async () => {
  const names = await CustomNames.open(`${await Deno.makeTempDir()}/names.json`);
  await assert.rejects(
    names.remove("shop.example"),
    (error) => error instanceof Failure && error.code === "not-found",
  );
});

Deno.test("changes that come together are all kept", async () => {
  const path = `${await Deno.makeTempDir()}/names.json`;
  const names = await CustomNames.open(path);
  const all = ["a.example", "b.example", "c.example"].map((domain) => ({ ...shop, domain }));
  await Promise.all([...all.map((one) => names.add(one)), names.remove("b.example")]);
  const kept = (await CustomNames.open(path)).all();
  assert.deepEqual(kept.map(({ domain }) => domain), ["a.example", "c.example"]);
});

Deno.test("a file that makes no sense is not overwritten", async () => {
  const path = `${await Deno.makeTempDir()}/names.json`;
  await Deno.writeTextFile(path, "{");
  await assert.rejects(CustomNames.open(path), Failure);
  assert.equal(await Deno.readTextFile(path), "{");
});

Deno.test("what can't be saved has not changed", async () => {
  const folder = await Deno.makeTempDir();
  const names = await CustomNames.open(`${folder}/names.json`);
  await Deno.remove(folder);
  await assert.rejects(names.add(shop), Failure);
  assert.deepEqual(names.all(), []);
});

Deno.test("a domain that would never answer is refused, with the reason", () => {
  assert.throws(() => refuseReserved({ ...shop, domain: "box" }, [], "Box.corp"), {
    code: "usage",
    message: "box is not a valid domain of yours: this machine is called that",
  });
  assert.throws(() => refuseReserved({ ...shop, domain: "echo.default.svc" }, [], "box"), {
    code: "usage",
    message:
      "echo.default.svc is not a valid domain of yours: names under svc belong to the cluster's Services",
  });
  assert.throws(() => refuseReserved(shop, [], "box", new Set(["shop.example"])), {
    code: "usage",
    message: "shop.example is not a valid domain of yours: /etc/hosts has it, and programs look there first",
  });
  refuseReserved(shop, [], "box", new Set());
});
