import assert from "node:assert/strict";
import type { Rule } from "../ffi/netlink/rule.ts";
import { FIRST_TABLE } from "../wire/helper.ts";
import { AccountError, accountsOf, claimAccounts } from "./accounts.ts";

const [JO, SAM] = [1_000, 1_001];
const rule = (table: number, uid: number): Rule => ({
  family: 4,
  priority: 10,
  action: "lookup",
  table,
  iif: "lo",
  uids: { first: uid, last: uid },
  from: undefined,
});
/** Jo has root inside. */
const rules = [rule(FIRST_TABLE, JO), rule(FIRST_TABLE, 0), rule(300, SAM)];

Deno.test("accounts are found by name or uid, each once, and the user isn't among them", () => {
  assert.deepEqual(accountsOf(["root", "0", "4711", "1000"], JO), [
    { name: "root", uid: 0 },
    { name: "4711", uid: 4_711 },
  ]);
  assert.throws(() => accountsOf(["no-such-account"], JO), AccountError);
});

Deno.test("an account is inside of one user's pmz at most", () => {
  const isInUse = () => true;
  const claim = (...uids: number[]) => () => claimAccounts(uids, rules, isInUse);
  assert.throws(claim(SAM, 0), /account 0 is inside of the pmz of account 1000/);
  assert.throws(claim(0), /account 0 is inside of the pmz of account 1000/, "root's own pmz");
  assert.throws(claim(SAM, JO), /account 1000 has a pmz of its own/);
  claim(SAM)();
  claim(JO, 0)(); // the user's own rules, of a helper that was killed
  claimAccounts([SAM, 0], rules, () => false);
});
