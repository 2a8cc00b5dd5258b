import assert from "node:assert/strict";
import { rateLimited } from "./rate_limited_log.ts";

Deno.test("lines above the rate are left out, and the next one counts them", async () => {
  const written: { message: string; omitted: unknown }[] = [];
  const log = rateLimited(
    (_level, message, fields) => void written.push({ message, omitted: fields?.omitted }),
    { burst: 2, perSecond: 100 },
  );
  for (const message of ["first", "second", "third", "fourth"]) log("info", message);
  assert.deepEqual(written, [{ message: "first", omitted: undefined }, {
    message: "second",
    omitted: undefined,
  }]);
  let more = 0;
  for (; written.length < 3; more++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    log("info", "later");
  }
  assert.deepEqual(written[2], { message: "later", omitted: 2 + more - 1 });
});

Deno.test("ordinary events don't displace failures", () => {
  const written: string[] = [];
  const log = rateLimited((_level, message) => void written.push(message), { burst: 1, perSecond: 0.001 });
  for (const message of ["reset by its caller", "reset by its caller"]) log("info", message);
  log("warn", "the laptop refused it");
  assert.deepEqual(written, ["reset by its caller", "the laptop refused it"]);
});
