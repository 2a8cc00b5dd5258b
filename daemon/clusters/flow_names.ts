import { parseAddress, parseEndpoint } from "../../net/address.ts";
import type { Flow } from "../../wire/flow.ts";
import { mayRun } from "../../kube/objects/selectors.ts";
import type { Topology } from "../discovery/topology.ts";

/**
 * Names what flows lead to: a Service by its clusterIP ("echo.default.svc:80"), a pod by its own address
 * ("pod/echo-1.default:8080"). Reads the whole topology once, for many flows.
 */
export function flowNames({ services, pods }: Topology): (flow: Flow) => Flow {
  const names = new Map<string, string>();
  const add = (addresses: readonly string[], name: string) => {
    for (const address of addresses) names.set(parseAddress(address)?.text ?? address, name);
  };
  for (const pod of pods.values()) {
    if (!pod.hostNetwork && mayRun(pod)) add(pod.podIPs, `pod/${pod.name}.${pod.namespace}`);
  }
  for (const { name, namespace, clusterIPs } of services.values()) {
    add(clusterIPs, `${name}.${namespace}.svc`);
  }
  return (flow) => {
    const to = parseEndpoint(flow.to);
    const name = to && names.get(to.address.text);
    return name === undefined ? flow : { ...flow, name: `${name}:${to?.port}` };
  };
}
