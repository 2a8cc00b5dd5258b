import assert from "node:assert/strict";
import { AcceptedRanges } from "./accepted_ranges.ts";
import { fails } from "./testing/fails.ts";

/** The ranges in a state folder of their own; `again` reads it as the next daemon does. */
async function folder() {
  const path = await Deno.makeTempDir();
  return {
    ranges: await AcceptedRanges.open(path),
    again: () => AcceptedRanges.open(path),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("accepted ranges are remembered by context, until they are taken back", async () => {
  await using at = await folder();
  await at.ranges.change("dev", { ranges: ["34.118.224.0/20", "10.96.5.5/12"] });
  await at.ranges.change("prod", { ranges: ["10.96.0.0/12"] });
  const next = await at.again();
  assert.deepEqual(next.of("dev"), ["34.118.224.0/20", "10.96.0.0/12"]);
  assert.deepEqual(next.of("prod"), ["10.96.0.0/12"]);
  assert.deepEqual(next.of("other"), []);
  assert.deepEqual(next.after("dev", { ranges: ["172.20.0.0/16"], forgetRanges: ["10.96.0.0/12"] }), [
    "34.118.224.0/20",
    "10.96.0.0/12", // prod's
    "172.20.0.0/16",
  ]);
  await next.change("dev", { forgetRanges: ["10.96.0.0/12"] });
  assert.deepEqual((await at.again()).of("dev"), ["34.118.224.0/20"]);
  await next.restore("dev", ["10.96.0.0/12"]);
  assert.deepEqual((await at.again()).of("dev"), ["10.96.0.0/12"]);
});

Deno.test("what can't be accepted, or taken back, is said, and nothing changes", async () => {
  await using at = await folder();
  const change = (change: Parameters<AcceptedRanges["change"]>[1]) => at.ranges.change("dev", change);
  await change({ ranges: ["10.96.0.0/12"] });
  for (
    const [range, says] of [
      ["10.0.0.0/99", /10\.0\.0\.0\/99 is not a valid range of addresses: expected one such as/],
      ["127.0.0.0/8", /127\.0\.0\.0\/8 can't be accepted: no cluster may have it \(loopback\)/],
      ["169.254.169.254/32", /no cluster may have it \(the metadata service/],
      ["fe80::/64", /no cluster may have it \(link-local\)/],
    ] as const
  ) await assert.rejects(change({ ranges: ["172.20.0.0/16", range] }), fails("usage", says), range);
  await assert.rejects(
    change({ forgetRanges: ["10.0.0.0/8"] }),
    fails("not-found", /10\.0\.0\.0\/8 was not accepted for dev.*accepted: 10\.96\.0\.0\/12/),
  );
  assert.deepEqual((await at.again()).of("dev"), ["10.96.0.0/12"]);
  await change({ ranges: ["0.0.0.0/0"] }); // special addresses in it stay out one by one
});
