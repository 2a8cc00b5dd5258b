import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { ClosingHistory } from "./closing_history.ts";

const [pod, port, rule] = ["pod", "8080/tcp", "rule"];

Deno.test("open connections are closed when a rule gets a port, and once more for the next rule", () => {
  const history = new ClosingHistory(new FakeClock());
  assert.equal(history.begins(pod, port, rule), true);
  assert.equal(history.begins(pod, "9090/tcp", rule), true);
  history.ends(pod, port);
  assert.equal(history.begins(pod, port, "another"), true);
});

Deno.test("a laptop that is away for a moment, again and again, closes nothing", async () => {
  const clock = new FakeClock();
  const history = new ClosingHistory(clock);
  history.begins(pod, port, rule);
  for (let i = 0; i < 20; i++) {
    history.ends(pod, port);
    await clock.advance(30_000);
    assert.equal(history.begins(pod, port, rule), false);
  }
});

Deno.test("a laptop that was away for long has its callers back, at most every five minutes", async () => {
  const clock = new FakeClock();
  const history = new ClosingHistory(clock);
  history.begins(pod, port, rule);
  const away = async () => {
    history.ends(pod, port);
    await clock.advance(90_000);
    return history.begins(pod, port, rule);
  };
  assert.deepEqual([await away(), await away(), await away(), await away()], [false, false, false, true]);
  assert.equal(await away(), false);
});

Deno.test("what no rule wants any more is forgotten", () => {
  const history = new ClosingHistory(new FakeClock());
  history.begins(pod, port, rule);
  history.ends(pod, port);
  history.keep(new Map());
  assert.equal(history.begins(pod, port, rule), true);
});
