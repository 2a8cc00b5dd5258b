import assert from "node:assert/strict";
import { bytesOf } from "../../http/testing/heads.ts";
import { RoutableRequest } from "../routing/request.ts";
import { RoutedRules } from "./routed_rules.ts";

Deno.test("counts are told once, also where a rule takes a request long after it saw it", () => {
  const rules = new RoutedRules(() => true);
  rules.set({ rule: "a", match: { methods: ["GET"] } });
  rules.set({ rule: "b", match: { methods: ["PUT"] } });
  const request = new RoutableRequest(bytesOf("GET / HTTP/1.1\r\nHost: e\r\n\r\n"));
  const rule = rules.router(["a", "b"]).byRequest(request, "10.244.1.7") ?? assert.fail();
  assert.deepEqual(rules.takeCounts(), [{ rule: "a", seen: 1, taken: 0, declined: 0 }]);
  rule.counts.taken++;
  assert.deepEqual(rules.takeCounts(), [{ rule: "a", seen: 0, taken: 1, declined: 0 }]);
  assert.deepEqual(rules.takeCounts(), []);
});
