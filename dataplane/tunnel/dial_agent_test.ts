import assert from "node:assert/strict";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import type { Forward } from "../../kube/port_forward/forward.ts";
import { PortForwardError } from "../../kube/port_forward/port_forward.ts";
import { NotOffered } from "../../kube/port_forward/spdy/not_offered.ts";
import { JOINED, type Lane, LANE_OPENING, parseLaneOpening } from "../../wire/lanes.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { agentDialler } from "./dial_agent.ts";
import { dialLanes, LanesLate } from "./lanes.ts";
import type { AgentPlace } from "../protocol.ts";

const access = { tls: false, hostname: "api.test", port: 443, pathPrefix: "", caCerts: [], headers: {} };
const place: AgentPlace = { access, namespace: "pmz", pod: "gateway-1", port: 1, lanes: 2 };
const never = new AbortController().signal;

/** An agent that joins lanes, unless it's made to do otherwise, and how it was dialled. */
function agent(
  makes: {
    main?: () => Error | undefined;
    bulk?: () => Error | undefined;
    joins?: () => boolean;
    single?: () => Error | undefined;
  } = {},
) {
  const dialled: string[] = [];
  const ends: AbortableTransport[] = [];
  const lane = (which: Lane): Forward => async (_access, { port, signal }) => {
    dialled.push(`${which} ${port}`);
    const failure = makes[which]?.();
    if (failure) throw failure;
    const [ours, theirs] = memoryPair();
    signal?.addEventListener("abort", () => ours.abort());
    ends.push(theirs);
    answer(which, theirs).catch(() => {}); // given up meanwhile
    return await Promise.resolve(ours);
  };
  const answer = async (which: Lane, theirs: AbortableTransport) => {
    const opening = new Uint8Array(LANE_OPENING);
    if (await theirs.read(opening).catch(() => null) === null) return;
    assert.equal(parseLaneOpening(opening)?.lane, which);
    if (makes.joins && !makes.joins()) return theirs.abort(new PortForwardError("connection refused"));
    if (which === "main") await theirs.write(Uint8Array.of(JOINED));
  };
  const single: Forward = (_access, { port }) => {
    dialled.push(`single ${port}`);
    const failure = makes.single?.();
    return failure ? Promise.reject(failure) : Promise.resolve(memoryPair()[0]);
  };
  let minutes = 0;
  const dial = agentDialler({ main: lane("main"), bulk: lane("bulk"), single }, () => minutes * 60_000);
  return { dial, dialled, ends, at: (minute: number) => void (minutes = minute) };
}

Deno.test("an agent that takes lanes is dialled by two, and told on the main one", async () => {
  const to = agent();
  const transport = await to.dial(place, never);
  assert.deepEqual(to.dialled, ["main 2", "bulk 2"]);
  const [main] = to.ends;
  assert(main);
  await transport.write(Uint8Array.of(7));
  const into = new Uint8Array(4);
  assert.equal(await main.read(into), 1);
  await main.write(Uint8Array.of(1, 2));
  assert.equal(await transport.read(into), 2);
  transport.close();
});

Deno.test("an agent without lanes is dialled by one port-forward", async () => {
  const to = agent();
  const { lanes: _, ...without } = place;
  (await to.dial(without, never)).close();
  assert.deepEqual(to.dialled, ["single 1"]);
});

Deno.test("where lanes can't be had, one port-forward is opened, and lanes are tried again after ten minutes", async () => {
  let able = false;
  const cases = {
    "a server without SPDY": {
      bulk: () => able ? undefined : new NotOffered("no", { status: 403, reason: "" }),
    },
    "an older gateway": { joins: () => able },
    "a port that's refused": { main: () => able ? undefined : new PortForwardError("refused") },
  };
  for (const [name, makes] of Object.entries(cases)) {
    able = false;
    const to = agent(makes);
    for (const minute of [0, 5, 9.9]) {
      to.at(minute);
      (await to.dial(place, never)).close();
    }
    assert.deepEqual(to.dialled, ["main 2", "bulk 2", "single 1", "single 1", "single 1"], name);
    able = true;
    to.at(10);
    (await to.dial(place, never)).close();
    assert.deepEqual(to.dialled.slice(-2), ["main 2", "bulk 2"], name);
  }
});

Deno.test("lanes that broke with all else are tried again with the next dial", async () => {
  let broken = true;
  const to = agent({
    joins: () => !broken,
    single: () => broken ? new ApiError("restarting", { status: 0, reason: "Unreachable" }) : undefined,
  });
  await assert.rejects(to.dial(place, never), /restarting/);
  broken = false;
  (await to.dial(place, never)).close();
  assert.deepEqual(to.dialled, ["main 2", "bulk 2", "single 1", "main 2", "bulk 2"]);
});

Deno.test("lanes that hang are dialled again, and where they hang again one port-forward is opened", async () => {
  const dialled: string[] = [];
  const hanging = (which: string): Forward => (_access, { signal }) => {
    dialled.push(which);
    const [ours] = memoryPair();
    if (which === "single") return Promise.resolve(ours);
    return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  };
  const forwards = { main: hanging("main"), bulk: hanging("bulk"), single: hanging("single") };
  const dial = agentDialler(forwards, () => 0, [20, 30]);
  await assert.rejects(dial(place, never), LanesLate);
  (await dial(place, never)).close();
  assert.deepEqual(dialled, ["main", "bulk", "main", "bulk", "single"]);
});

Deno.test("a server that refuses isn't asked in another way", async () => {
  const forbidden = new ApiError("no rights", { status: 401, reason: "Unauthorized" });
  const to = agent({ main: () => forbidden });
  await assert.rejects(to.dial(place, never), forbidden);
  assert.deepEqual(to.dialled, ["main 2", "bulk 2"]);
});

Deno.test("when one lane fails, or the dial is given up, the other one is closed", async () => {
  const failing = agent({ bulk: () => new ApiError("gone", { status: 404, reason: "NotFound" }) });
  await assert.rejects(failing.dial(place, never), ApiError);
  await assert.rejects(async () => await failing.ends[0]?.read(new Uint8Array(99)));

  const giveUp = new AbortController();
  const open: AbortableTransport[] = [];
  const silent = dialLanes(
    (_lane, signal) => {
      const [ours, theirs] = memoryPair();
      signal.addEventListener("abort", () => ours.abort());
      open.push(theirs);
      return Promise.resolve(ours);
    },
    giveUp.signal,
    10_000,
  );
  giveUp.abort(new Error("enough"));
  await assert.rejects(silent, /enough/);
  for (const lane of open) await assert.rejects(lane.read(new Uint8Array(99)));
});

Deno.test("a gateway that says nothing isn't waited for longer than allowed", async () => {
  const silent = () => Promise.resolve(memoryPair()[0]);
  await assert.rejects(dialLanes(silent, never, 30), LanesLate);
});

Deno.test("a dial that is given up leaves no connection to an API server that says nothing", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const silent = { ...access, tls: true, hostname: "127.0.0.1", port };
  const giveUp = new AbortController();
  const { lanes: _, ...without } = place;
  const rejected = assert.rejects(agentDialler()({ ...without, access: silent }, giveUp.signal), /enough/);
  const theirs = await listener.accept();
  const late = setTimeout(() => theirs.close(), 3_000); // the read rejects then
  const into = new Uint8Array(65_536);
  await theirs.read(into); // the ClientHello
  giveUp.abort(new Error("enough"));
  await rejected;
  assert.equal(await theirs.read(into), null);
  clearTimeout(late);
  theirs.close();
});
