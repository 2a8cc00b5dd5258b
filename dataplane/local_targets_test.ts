import assert from "node:assert/strict";
import { LocalTargets } from "./local_targets.ts";

const at = (rule: string, localPort = 3000) => ({
  rule,
  intercept: `${rule}.default:80`,
  port: 80,
  host: "127.0.0.1",
  localPort,
});

Deno.test("only a rule's own port leads to the laptop", () => {
  const targets = new LocalTargets();
  targets.replace([at("rule")]);
  assert.equal(targets.get("rule", 81), undefined);
  assert.equal(targets.get("other", 80), undefined);
  assert.deepEqual(targets.get("rule", 80)?.target, at("rule"));
});

Deno.test("connections are counted, also over a change of where they go", () => {
  const targets = new LocalTargets();
  targets.replace([at("rule")]);
  const first = targets.get("rule", 80);
  first?.begin();
  targets.replace([at("rule", 3001), at("other")]);
  const second = targets.get("rule", 80);
  assert.equal(second?.target.localPort, 3001);
  second.begin();
  second.end();
  assert.deepEqual(targets.counts(), [
    { rule: "rule", open: 1, total: 2 },
    { rule: "other", open: 0, total: 0 },
  ]);
  first?.end();
  assert.deepEqual(targets.counts()[0], { rule: "rule", open: 0, total: 2 });
  targets.replace([]);
  assert.deepEqual(targets.counts(), []);
});
