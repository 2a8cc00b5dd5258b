import { type Flow, formatCaller, formatTarget } from "../../wire/flow.ts";
import type { Log } from "./log.ts";

/**
 * Writes a failed flow into the daemon's log. A reset by the flow's own client is a change of state, not a failure.
 * @param omitted how many failed before it that are not logged, since there were too many
 */
export function logFailedFlow(log: Log, flow: Flow, omitted: number): void {
  const { id, to, cluster, intercept, outcome, ms, times } = flow;
  const target = formatTarget(flow);
  if (outcome.kind === "open" || outcome.kind === "done") return;
  const byClient = outcome.kind === "reset" && outcome.by === "client";
  log(byClient ? "info" : "warn", "a flow failed", {
    flow: id,
    from: formatCaller(flow),
    to: target === to ? to : `${target}, ${to}`,
    ...(cluster === "" ? {} : { cluster }),
    ...(intercept === undefined ? {} : { intercept }),
    outcome: outcome.kind === "no-tunnel" ? outcome.kind : `${outcome.kind} by ${outcome.by}`,
    details: outcome.details,
    ...(ms === undefined ? {} : { ms }),
    ...(times === undefined ? {} : { times }),
    ...(omitted === 0 ? {} : { omitted }),
  });
}
