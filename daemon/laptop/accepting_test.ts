import assert from "node:assert/strict";
import { acceptingRanges } from "./accepting.ts";

Deno.test("to accept a range, the one captured cluster goes down, or all of them do and are told to come back", () => {
  const ranges = ["10.96.0.0/12", "10.244.0.0/16"];
  assert.equal(
    acceptingRanges("dev", ranges, []),
    "pmz down --context dev, then pmz up --context dev --accept-range 10.96.0.0/12 --accept-range 10.244.0.0/16",
  );
  assert.match(
    acceptingRanges("dev", ["10.96.0.0/12"], ["prod", "test"]),
    /^pmz down, then pmz up --context dev --accept-range \S+, then pmz up --context prod, pmz up --context test again/,
  );
});
