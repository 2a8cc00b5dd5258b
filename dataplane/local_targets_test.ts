import assert from "node:assert/strict";
import { LocalTargets } from "./local_targets.ts";

const none = { seen: 0, taken: 0, declined: 0 };

const at = (rule: string, localPort = 3000) => ({
  protocol: "tcp" as const,
  rule,
  intercept: `${rule}.default:80`,
  port: 80,
  host: "127.0.0.1",
  localPort,
});

Deno.test("only a rule's own port leads to the laptop", () => {
  const targets = new LocalTargets();
  targets.replace([at("rule")]);
  assert.equal(targets.get("rule", 81, "tcp"), undefined);
  assert.equal(targets.get("other", 80, "tcp"), undefined);
  assert.equal(targets.get("rule", 80, "udp"), undefined);
  assert.deepEqual(targets.get("rule", 80, "tcp")?.target, at("rule"));
});

Deno.test("connections are counted, also over a change of where they go", () => {
  const targets = new LocalTargets();
  targets.replace([at("rule")]);
  const first = targets.get("rule", 80, "tcp");
  first?.begin();
  targets.replace([at("rule", 3001), at("other")]);
  const second = targets.get("rule", 80, "tcp");
  assert.equal(second?.target.localPort, 3001);
  second.begin();
  second.end();
  assert.deepEqual(targets.counts(), [
    { rule: "rule", open: 1, total: 2, requests: none },
    { rule: "other", open: 0, total: 0, requests: none },
  ]);
  first?.end();
  assert.deepEqual(targets.counts()[0], { rule: "rule", open: 0, total: 2, requests: none });
  targets.replace([]);
  assert.deepEqual(targets.counts(), []);
});

Deno.test("requests that agents counted are added up, also over a change of where they go", () => {
  const targets = new LocalTargets();
  targets.replace([at("rule")]);
  const counts = [{ rule: "rule", seen: 3, taken: 2, declined: 1 }, {
    rule: "unknown",
    seen: 1,
    taken: 1,
    declined: 0,
  }];
  targets.counted(counts);
  targets.replace([at("rule", 3001)]);
  targets.counted(counts);
  assert.deepEqual(targets.counts(), [
    { rule: "rule", open: 0, total: 0, requests: { seen: 6, taken: 4, declined: 2 } },
  ]);
});
