import assert from "node:assert/strict";
import { grantArguments } from "../wire/helper.ts";
import { BadGrant, parseGrant } from "./grant.ts";

Deno.test("a grant is the same behind sudo's command line", () => {
  for (
    const grant of [
      { uid: 1000, cap: 20_000, also: [], ranges: [], never: [] },
      {
        uid: 0,
        cap: 1,
        also: ["www-data", "DOM\\jo", "1001"],
        ranges: ["203.0.113.0/24", "2001:db8::/32"],
        never: ["10.0.0.1", "fd00::1"],
      },
    ]
  ) assert.deepEqual(parseGrant(grantArguments(grant)), grant);
});

Deno.test("arguments that aren't a grant are refused, and never read as less strict than they look", () => {
  for (
    const args of [
      [],
      ["--uid=1000"],
      ["--uid=-1", "--cap=1"],
      ["--uid=1000", "--cap=1000000"],
      ["--uid=4294967295", "--cap=1"],
      ["--uid=1000", "--cap=1", "--uid=0"],
      ["--uid=1000", "--cap=1", "--never=10.0.0.0/40"],
      ["--uid=1000", "--cap=1", "--also=root,"],
      ["--uid=1000", "--cap=1", "--also=-x"],
      ["--uid=1000", "--cap=1", "--also=two words"],
      ["--uid=1000", "--cap=1", "--also=a,b,c,d,e,f,g,h,i"],
      ["--uid=1000", "--cap=1", "--never=10.0.0.1,"],
      ["--uid=1000", "--cap=1", "--cgroup=/"],
      ["--uid=1000", "--cap=1", "never"],
    ]
  ) assert.throws(() => parseGrant(args), BadGrant, args.join(" "));
});
