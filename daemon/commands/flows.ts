import { onAbort } from "../../async/abort.ts";
import type { FlowEvent } from "../../wire/control.ts";
import { endOf, type Flow } from "../../wire/flow.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";

/** Flows that wait for a follower; beyond, it is told how many it missed. */
const MOST_WAITING = 1_024;
/** Failed flows in the status. */
const LAST_FAILURES = 10;

/** The flows that are open, and the last ones that failed, each with the name of what was dialled. */
export async function flows(clusters: ClusterRegistry): Promise<Flow[]> {
  return (await clusters.data.flows()).map((flow) => clusters.named(flow));
}

/** The last flows that failed, the newest last; without those that their own clients broke off. */
export async function lastFailures(clusters: ClusterRegistry): Promise<Flow[]> {
  return (await clusters.data.failedFlows())
    .filter(({ outcome }) => !(outcome.kind === "reset" && outcome.by === "client"))
    .sort((a, b) => endOf(a) - endOf(b))
    .slice(-LAST_FAILURES)
    .map((flow) => clusters.named(flow));
}

/** Each flow that ends from now on, until the signal aborts. */
export async function* followFlows(
  clusters: ClusterRegistry,
  signal: AbortSignal,
): AsyncGenerator<FlowEvent> {
  const waiting: Flow[] = [];
  let missed = 0;
  let news = Promise.withResolvers<void>();
  using _following = clusters.data.followFlows((flow) => {
    if (waiting.length < MOST_WAITING) waiting.push(flow);
    else missed++;
    news.resolve();
  });
  using _ending = onAbort(signal, () => news.resolve());
  while (!signal.aborted) {
    await news.promise;
    news = Promise.withResolvers();
    for (let flow = waiting.shift(); flow && !signal.aborted; flow = waiting.shift()) {
      yield { flow: clusters.named(flow) };
    }
    if (missed === 0 || signal.aborted) continue;
    const count = missed;
    missed = 0;
    yield { missed: count };
  }
}
