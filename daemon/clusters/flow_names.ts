import { parseEndpoint } from "../../net/address.ts";
import type { Flow } from "../../wire/flow.ts";
import type { ClusterIndex } from "../discovery/cluster_index.ts";

/** The flow with the name of what was dialled, where its cluster knows one: "payments.default.svc:8080". */
export function namedFlow(flow: Flow, index: Pick<ClusterIndex, "nameAt"> | undefined): Flow {
  if (flow.name !== undefined) return flow;
  const to = parseEndpoint(flow.to);
  const name = to && index?.nameAt(to.address.text);
  return name === undefined ? flow : { ...flow, name: `${name}:${to?.port}` };
}
