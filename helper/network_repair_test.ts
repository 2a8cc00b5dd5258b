import assert from "node:assert/strict";
import { NetworkRepair, type RepairablePart } from "./network_repair.ts";

/** A device that another program may break. */
function parts() {
  const state = { isBroken: false, refused: "", repairs: 0 };
  const device: RepairablePart = {
    part: "device",
    look: () =>
      state.isBroken
        ? () => {
          if (state.refused) throw new Error(state.refused);
          state.isBroken = false;
          state.repairs++;
        }
        : undefined,
  };
  return { state, repair: new NetworkRepair([device, { part: "routes", look: () => undefined }]) };
}

Deno.test("what is right is no damage", () => {
  const { repair } = parts();
  repair.run();
  assert.deepEqual(repair.damage, []);
});

Deno.test("what another program breaks is put right, and counted with its time", () => {
  const { state, repair } = parts();
  for (let i = 0; i < 2; i++) {
    state.isBroken = true;
    repair.run();
    repair.run();
  }
  const [damage] = repair.damage;
  assert.deepEqual([damage?.part, damage?.repaired, damage?.problem], ["device", 2, undefined]);
  assert.ok(Date.now() - (damage?.last ?? 0) < 10_000);
});

Deno.test("after ten times in a minute another program has its way, until the user asks for it", () => {
  const { state, repair } = parts();
  for (let i = 0; i < 30; i++) {
    state.isBroken = true;
    repair.run();
  }
  assert.equal(state.repairs, 10);
  assert.match(repair.damage[0]?.problem ?? "", /again and again/);
  repair.runAnew();
  assert.equal(state.isBroken, false);
  assert.equal(repair.damage[0]?.problem, undefined);
});

Deno.test("what can't be put right is told with its reason, until it can", () => {
  const { state, repair } = parts();
  Object.assign(state, { isBroken: true, refused: "another device is called pmz0 now" });
  repair.run();
  assert.equal(repair.damage[0]?.problem, "another device is called pmz0 now");
  state.refused = "";
  repair.run();
  assert.deepEqual([repair.damage[0]?.repaired, repair.damage[0]?.problem], [1, undefined]);
});
