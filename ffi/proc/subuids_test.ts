import assert from "node:assert/strict";
import { type AccountFacts, accountFinder, hasAccount, namesOf, parseSubuids, uidsOf } from "./subuids.ts";

Deno.test("a user's subordinate uids are by name or by number, and nobody else's", () => {
  const text = "ann:100000:65536\nbob:165536:65536\n# x\n1000:231072:65536\nann2:1:1\n";
  assert.deepEqual(parseSubuids(text, ["1000", "ann"]), [
    { first: 100_000, last: 165_535 },
    { first: 231_072, last: 296_607 },
  ]);
  assert.deepEqual(parseSubuids(text, ["1001", undefined]), []);
});

Deno.test("accounts of the system are nobody's subordinates", () => {
  for (
    const line of [
      "ann:0:65536",
      "ann:999:10",
      "ann:100000:0",
      "ann:1000:4294967295",
      "ann:x:1",
      "ann:100000",
    ]
  ) {
    assert.deepEqual(parseSubuids(line, ["ann"]), [], line);
  }
});

Deno.test("a range that somebody else has a part of is nobody's", () => {
  const text = "ann:100000:65536\nann:231072:65536\nbob:165535:65536\nbob:0:0";
  assert.deepEqual(parseSubuids(text, ["1000", "ann"]), [{ first: 231_072, last: 296_607 }]);
  assert.deepEqual(parseSubuids(text, ["1001", "bob"]), []);
  const twice = "ann:100000:65536\n1000:100000:65536";
  assert.equal(parseSubuids(twice, ["1000", "ann"]).length, 2, "both lines are the user's");
});

const range = { first: 100_000, last: 165_535 };
const facts = (more: Partial<AccountFacts> = {}): AccountFacts => ({
  passwd: "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh",
  used: () => [0, 1000],
  isAccount: () => false,
  ...more,
});

Deno.test("a range in which somebody else has an account is left out", () => {
  assert.equal(hasAccount(range, 1000, facts()), false);
  const directory = facts({ used: () => [0, 1000, 100_500], isAccount: (uid) => uid === 100_500 });
  assert.equal(hasAccount(range, 1000, directory), true, "a colleague of a directory, who is logged in");
  assert.equal(hasAccount(range, 100_500, directory), false, "the user's own uid isn't somebody else's");
  const files = facts({ passwd: "kim:x:100001:100::/home/kim:/bin/sh" });
  assert.equal(hasAccount(range, 1000, files), true, "an account of /etc/passwd, logged in or not");
});

Deno.test("containers' own uids are used and are nobody's account", () => {
  assert.equal(hasAccount(range, 1000, facts({ used: () => [100_000, 100_999] })), false);
});

Deno.test("a line for a number is a user's, unless that is another account's name", () => {
  const passwd = "ann:x:1000:1000::/home/ann:/bin/sh\n1000:x:1005:1005::/home/n:/bin/sh";
  assert.deepEqual(namesOf(1000, passwd), ["ann"]);
  assert.deepEqual(namesOf(1005, passwd), ["1000", "1005"]);
  assert.deepEqual(namesOf(7, passwd), ["7"]);
});

Deno.test("the user comes first, whatever this machine has", () => {
  assert.deepEqual(uidsOf(4_242_424)[0], { first: 4_242_424, last: 4_242_424 });
});

Deno.test("a directory is asked for a uid once, until it is somebody's account", () => {
  const asked: number[] = [];
  const used = [0, 1000, 100_000, 100_500];
  const accounts = new Set<number>();
  const isAccount = (uid: number) => {
    asked.push(uid);
    return accounts.has(uid);
  };
  const has = accountFinder(1000, () => facts({ used: () => used, isAccount }));
  for (let i = 0; i < 3; i++) assert.equal(has(range), false);
  assert.deepEqual(asked, [100_000, 100_500]);
  used.push(100_600);
  accounts.add(100_600);
  assert.equal(has(range), true);
});
