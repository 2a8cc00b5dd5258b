import assert from "node:assert/strict";
import type { InterceptSession } from "../../wire/intercept.ts";
import { SessionClock } from "./sessions.ts";

function session(uid: string, renewal: string, durationSeconds = 10): InterceptSession {
  return {
    namespace: "a",
    name: uid,
    uid,
    publicKey: "k",
    user: "u",
    machine: "m",
    durationSeconds,
    renewal,
  };
}

function clockAt() {
  const time = { now: 1000 };
  return { time, clock: new SessionClock(() => time.now) };
}

Deno.test("a session lives as long as its renewal changes within its duration", () => {
  const { time, clock } = clockAt();
  clock.observe([session("s", "1")]);
  time.now += 9_999;
  assert.equal(clock.alive().has("s"), true);
  clock.observe([session("s", "2")]);
  time.now += 9_999;
  assert.equal(clock.alive().has("s"), true);
  assert.equal(clock.expired().size, 0);
});

Deno.test("seeing the same renewal again doesn't prolong a session", () => {
  const { time, clock } = clockAt();
  clock.observe([session("s", "1")]);
  time.now += 6_000;
  clock.observe([session("s", "1")]);
  time.now += 4_000;
  assert.deepEqual([...clock.expired().keys()], ["s"]);
  assert.equal(clock.alive().size, 0);
});

Deno.test("an expired session that is renewed lives again", () => {
  const { time, clock } = clockAt();
  clock.observe([session("s", "1")]);
  time.now += 20_000;
  clock.observe([session("s", "2")]);
  assert.equal(clock.alive().has("s"), true);
});

Deno.test("a deleted session is neither alive nor expired", () => {
  const { time, clock } = clockAt();
  clock.observe([session("s", "1")]);
  clock.observe([]);
  time.now += 20_000;
  assert.equal(clock.alive().size + clock.expired().size, 0);
  assert.equal(clock.untilNextExpiry(), undefined);
});

Deno.test("the next expiry is the soonest of the live sessions", () => {
  const { time, clock } = clockAt();
  clock.observe([session("s", "1", 10), session("t", "1", 30)]);
  time.now += 4_000;
  assert.equal(clock.untilNextExpiry(), 6_000);
  time.now += 6_000;
  assert.equal(clock.untilNextExpiry(), 20_000);
});

Deno.test("an outage of the API server expires no sessions: their durations start again with the first list after it", () => {
  const { time, clock } = clockAt();
  clock.observe([session("s", "1")]);
  time.now += 60_000;
  clock.restart();
  assert.equal(clock.alive().has("s"), true);
  time.now += 10_000;
  assert.equal(clock.expired().has("s"), true);
});
