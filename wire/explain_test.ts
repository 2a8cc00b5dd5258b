import assert from "node:assert/strict";
import { type Hop, verdictOf } from "./explain.ts";

const ok: Hop = { hop: "name", level: "ok", saw: "a Service" };
const warned: Hop = { hop: "proxy", level: "warning", saw: "http_proxy is set", remedy: "unset it" };
const failed = (hop: Hop["hop"]): Hop => ({ hop, level: "failed", saw: `${hop} failed`, remedy: "mend it" });

Deno.test("a connection works where no hop failed, and the first warning is named", () => {
  assert.deepEqual(verdictOf([ok]), { works: true });
  assert.deepEqual(verdictOf([ok, warned]), { works: true, because: warned });
});

Deno.test("the first hop that failed is the cause, since the later ones follow from it", () => {
  const verdict = verdictOf([ok, warned, failed("port"), failed("address")]);
  assert.deepEqual([verdict.works, verdict.because?.hop], [false, "port"]);
});

Deno.test("what keeps connections from leaving this machine is the cause of names that aren't answered", () => {
  assert.equal(verdictOf([ok, failed("programs"), failed("machine")]).because?.hop, "machine");
  assert.equal(verdictOf([ok, failed("programs"), failed("endpoints")]).because?.hop, "programs");
});

Deno.test("a policy that may apply is named as the cause of a dial that failed", () => {
  const policies: Hop = { hop: "policies", level: "warning", saw: "default/deny", remedy: "allow it" };
  assert.equal(verdictOf([ok, failed("dial"), policies]).because?.hop, "policies");
});
