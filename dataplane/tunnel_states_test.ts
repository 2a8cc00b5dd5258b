import assert from "node:assert/strict";
import type { TunnelNews } from "./protocol.ts";
import { TunnelStates } from "./tunnel_states.ts";

const connected = (pod: string): TunnelNews => ({ cluster: "dev", state: "connected", pod });
const connecting: TunnelNews = { cluster: "dev", state: "connecting", why: "first connection" };
const ended: TunnelNews = { cluster: "dev", state: "ended", why: "the gateway closed the tunnel" };

function states(workers: number) {
  const told: TunnelNews[] = [];
  return { told, of: new TunnelStates(workers, (news) => told.push(news)) };
}

Deno.test("what one worker reports is passed on as it is", () => {
  const { told, of } = states(1);
  const news = [connecting, connected("g1"), ended, connecting, connected("g2")];
  for (const one of news) of.report(0, one);
  assert.deepEqual(told, news);
});

Deno.test("a cluster is connected once all of its workers are, and no longer when one isn't", () => {
  const { told, of } = states(2);
  of.report(0, connecting);
  of.report(0, connected("g1"));
  assert.deepEqual(told, [connecting]);
  of.report(1, connected("g2"));
  assert.deepEqual(told.at(-1), connected("g2"));
  of.report(1, ended);
  of.report(1, connecting);
  assert.deepEqual(told.at(-1), connecting);
  of.report(0, connected("g1")); // a further connection of the other worker
  assert.deepEqual(told.at(-1), connecting);
  of.report(1, connected("g1"));
  assert.deepEqual(told.at(-1), connected("g1"));
});

Deno.test("a cluster that is connected again begins without tunnels", () => {
  const { told, of } = states(2);
  of.report(0, connected("g1"));
  of.forget("dev");
  of.report(1, connected("g1"));
  assert.deepEqual(told, []);
});
