import assert from "node:assert/strict";
import { openAllowedDomains } from "./allowed_domains.ts";
import { Failure } from "./failure.ts";

Deno.test("allowed domains outlive the daemon, each once, up to a limit", async () => {
  const path = `${await Deno.makeTempDir()}/allowed.json`;
  const domains = await openAllowedDomains(path);
  await Promise.all(["corp.example", "corp.example", "lan"].map((domain) => domains.add({ domain })));
  assert.deepEqual((await openAllowedDomains(path)).all(), [{ domain: "corp.example" }, { domain: "lan" }]);
  assert.deepEqual(await domains.remove("lan"), { domain: "lan" });
  assert.equal(await domains.remove("lan"), undefined);
  for (let i = 0; domains.all().length < 200; i++) await domains.add({ domain: `n${i}.example` });
  await assert.rejects(domains.add({ domain: "more.example" }), Failure);
  assert.equal((await openAllowedDomains(path)).all().length, 200);
});
