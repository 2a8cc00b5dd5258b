import type { InterceptEntry, Status } from "../wire/control.ts";
import type { Flow } from "../wire/flow.ts";

/** The fields of a status that a report has; what an intercept matches stays out, for it may be a cookie or a header's value. */
export function reportedStatus(status: Status): object {
  const { release, since, clusters, helper, proxy, names, intercepts, failures, warnings } = status;
  return {
    release,
    since,
    clusters: clusters.map((
      {
        cluster,
        mode,
        tunnel,
        roundTripMs,
        services,
        answering,
        openStreams,
        limits,
        acceptedRanges,
        unreachable,
      },
    ) => ({
      cluster: {
        context: cluster.context,
        server: cluster.server,
        namespace: cluster.namespace,
        user: cluster.user,
      },
      mode,
      tunnel,
      roundTripMs,
      services,
      answering,
      openStreams,
      limits,
      acceptedRanges,
      unreachable,
    })),
    helper,
    proxy,
    names,
    intercepts: intercepts.map(reportedIntercept),
    failures: failures.map(reportedFlow),
    warnings: warnings.map(({ message, hint }) => ({ message, hint })),
  };
}

function reportedIntercept(entry: InterceptEntry): object {
  const { id, cluster, namespace, service, port, portName, local, since, mine, mirror, until } = entry;
  const { pods, connections, requests, alsoTaken, silentSince, match, others, problems } = entry;
  return {
    id,
    cluster,
    namespace,
    service,
    port,
    portName,
    local,
    since,
    until,
    mine,
    mirror,
    matchers: match && Object.keys(match),
    pods,
    connections,
    requests,
    alsoTaken,
    silentSince,
    others: others.length,
    problems,
  };
}

/** The fields of a flow that a report has. */
export function reportedFlow(flow: Flow): object {
  const { id, kind, protocol, from, program, to, name, cluster, intercept, started, ms, sent, received } =
    flow;
  const { outcome, times } = flow;
  return {
    id,
    kind,
    protocol,
    from,
    program,
    to,
    name,
    cluster,
    intercept,
    started,
    ms,
    sent,
    received,
    outcome,
    times,
  };
}
