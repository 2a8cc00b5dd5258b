import assert from "node:assert/strict";
import { FakeClock } from "../async/testing/fake_clock.ts";
import { defaultAnswers, doneFlow } from "../cli/testing/fake_daemon.ts";
import type { Status } from "../wire/control.ts";
import type { Source } from "./daemon_source.ts";
import { Live, type LiveEvent } from "./live.ts";

/** What all tabs see of a source that counts how often it is asked, by a clock that stands still. */
function living(
  { status: lookAt = () => Promise.resolve(), untilEnd = () => new Promise(() => {}) }: {
    status?: () => Promise<void>;
    /** How long the daemon tells of flows. */
    untilEnd?: () => Promise<void>;
  } = {},
) {
  const clock = new FakeClock();
  const { status, services, names, flows } = defaultAnswers();
  const asked = { snapshots: 0, directories: 0, followers: 0 };
  const state: { status: Status } = { status };
  const source: Source = {
    async snapshot() {
      asked.snapshots++;
      await lookAt();
      return { status: state.status, intercepts: status.intercepts, flows, protect: [] };
    },
    directory() {
      asked.directories++;
      return Promise.resolve({ services, names });
    },
    async *flows() {
      asked.followers++;
      yield { flow: doneFlow };
      await untilEnd();
    },
  };
  const live = new Live({ source: () => source, clock, now: () => 0 });
  return { live, clock, asked, state };
}

/** A tab that reads what it is told, until it is closed. */
function tabOf(live: Live) {
  const told: LiveEvent[] = [];
  const closing = new AbortController();
  const reading = (async () => {
    for await (const event of live.events(closing.signal)) told.push(event);
  })();
  return {
    told,
    names: () => told.map(({ name }) => name),
    async close() {
      closing.abort();
      await reading;
    },
  };
}

Deno.test("nothing is asked while no tab is open", async () => {
  const { live, clock, asked } = living();
  await clock.advance(3_600_000);
  assert.deepEqual(asked, { snapshots: 0, directories: 0, followers: 0 });
  const tab = tabOf(live);
  await clock.advance(10_000);
  await tab.close();
  const before = { ...asked };
  await clock.advance(3_600_000);
  assert.deepEqual(asked, before);
  assert.equal(clock.pending, 0);
});

Deno.test("the daemon is asked once for all tabs", async () => {
  const one = living(), ten = living();
  const tabs = [tabOf(one.live), ...Array.from({ length: 10 }, () => tabOf(ten.live))];
  for (const { clock } of [one, ten]) await clock.advance(60_000);
  assert.ok(one.asked.snapshots > 10);
  assert.deepEqual(ten.asked, one.asked);
  for (const tab of tabs) await tab.close();
});

Deno.test("a tab is told all sections, and later only what has changed", async () => {
  const { live, clock, state } = living();
  const tab = tabOf(live);
  await clock.advance(1_000);
  assert.deepEqual(tab.names().toSorted(), ["directory", "ended", "flows", "intercepts", "status"]);
  await clock.advance(10_000);
  assert.equal(tab.told.length, 5);
  state.status = { ...state.status, pid: 1, release: "0.2.0" };
  await clock.advance(3_000);
  assert.deepEqual(tab.names().slice(5), ["status"]);
  assert.match(tab.told.at(-1)?.data ?? "", /0\.2\.0/);
  await tab.close();
});

Deno.test("for a tab that doesn't read nothing is asked, and it gets the latest when it does", async () => {
  const { live, clock, asked, state } = living();
  const stuck = live.events(new AbortController().signal);
  const first = stuck.next(); // it reads one event, and no more
  await clock.advance(1_000);
  assert.equal((await first).done, false);
  await clock.advance(3_600_000);
  assert.ok(asked.snapshots <= 2, `${asked.snapshots} snapshots`);
  state.status = { ...state.status, release: "0.3.0" };
  const names: string[] = [];
  const reading = (async () => {
    for await (const { name, data } of stuck) {
      names.push(name);
      if (data?.includes("0.3.0")) return;
    }
  })();
  await clock.advance(5_000);
  await reading;
  assert.ok(names.length < 8, names.join());
});

Deno.test("looks that take long are made seldom", async () => {
  const clocks: FakeClock[] = [];
  const { live, clock, asked } = living({
    status: async () => {
      const done = Promise.withResolvers<void>();
      clocks[0]?.after(1_000, done.resolve);
      await done.promise;
    },
  });
  clocks.push(clock);
  const tab = tabOf(live);
  await clock.advance(204_500); // a look and its pause: 51 s
  assert.ok(asked.snapshots >= 4 && asked.snapshots <= 5, `${asked.snapshots}`);
  await tab.close();
});

Deno.test("after a command it is looked at once", async () => {
  const { live, clock, asked } = living();
  const tab = tabOf(live);
  await clock.advance(500);
  assert.deepEqual([asked.snapshots, asked.directories], [1, 1]);
  live.refresh();
  await clock.advance(100);
  assert.deepEqual([asked.snapshots, asked.directories], [2, 2]);
  await tab.close();
});

Deno.test("Services are asked for at once when another cluster is connected", async () => {
  const { live, clock, asked, state } = living();
  const { clusters } = state.status;
  state.status = { ...state.status, clusters: [] };
  const tab = tabOf(live);
  await clock.advance(5_000);
  assert.equal(asked.directories, 1);
  state.status = { ...state.status, clusters };
  await clock.advance(2_500);
  assert.equal(asked.directories, 2);
  await clock.advance(10_000);
  assert.equal(asked.directories, 2);
  await tab.close();
});

Deno.test("a silent stream says from time to time that it lives", async () => {
  const { live, clock } = living();
  const tab = tabOf(live);
  await clock.advance(61_000);
  const heartbeats = tab.names().filter((name) => name === "heartbeat").length;
  assert.ok(heartbeats >= 2 && heartbeats <= 4, String(heartbeats));
  await tab.close();
});

Deno.test("texts of a cluster that turn the direction of others are spelt out", async () => {
  const { live, clock, state } = living();
  const [cluster] = state.status.clusters;
  assert.ok(cluster);
  const name = { ...cluster.cluster, user: "jo\u202egnp.exe" };
  state.status = { ...state.status, clusters: [{ ...cluster, cluster: name }] };
  const tab = tabOf(live);
  await clock.advance(100);
  const status = tab.told.find(({ name }) => name === "status")?.data ?? "";
  assert.ok(!status.includes("\u202e"));
  assert.match(status, /jo\\\\u\{202e\}gnp/);
  await tab.close();
});

Deno.test("a look that a tab which is gone has asked for tells the next tab nothing", async () => {
  const looks: PromiseWithResolvers<void>[] = [];
  const { live, clock } = living({
    status: () => {
      looks.push(Promise.withResolvers());
      return looks.at(-1)?.promise ?? Promise.resolve();
    },
  });
  const first = tabOf(live);
  await clock.advance(0);
  await first.close();
  const second = tabOf(live);
  await clock.advance(0);
  looks[0]?.reject(new Error("the page went away"));
  await clock.advance(0);
  looks[1]?.resolve();
  await clock.advance(0);
  const statuses = second.told.filter(({ name }) => name === "status");
  assert.deepEqual(statuses.map(({ data = "" }) => "why" in JSON.parse(data)), [false]);
  await second.close();
});

Deno.test("flows of a daemon that takes another's place are followed at once, however long the other lived", async () => {
  const clocks: FakeClock[] = [];
  const { live, clock, asked } = living({
    untilEnd: async () => {
      const ended = Promise.withResolvers<void>();
      clocks[0]?.after(600_000, ended.resolve);
      await ended.promise;
    },
  });
  clocks.push(clock);
  const tab = tabOf(live);
  await clock.advance(599_000);
  assert.equal(asked.followers, 1);
  await clock.advance(5_000);
  assert.equal(asked.followers, 2);
  await tab.close();
});
