import { endOf, FAILED_FLOWS_KEPT, type Flow } from "../wire/flow.ts";
import { FoldedFlows } from "./folded_flows.ts";
import type { FailedFlows } from "./protocol.ts";

/**
 * The failed flows of all workers: the last 512, of which equal ones are one, and besides them those that the laptop's
 * kernel refused.
 */
export function joinedFailures(workers: readonly FailedFlows[]): Flow[] {
  const folded = new FoldedFlows(FAILED_FLOWS_KEPT);
  const failed = workers.flatMap(({ failed }) => failed);
  for (const flow of failed.toSorted((a, b) => endOf(a) - endOf(b))) folded.add(flow);
  return [...folded.flows, ...workers.flatMap(({ refused }) => refused)];
}
