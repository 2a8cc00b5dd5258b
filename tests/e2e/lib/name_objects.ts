/** Objects of every kind that a name can lead to, in the namespace default. */
const meta = (name: string, more: object = {}) => ({ metadata: { namespace: "default", name, ...more } });

const service = (name: string, spec: object) => ({ apiVersion: "v1", kind: "Service", ...meta(name), spec });
const headless = (name: string, spec: object = {}) =>
  service(name, { clusterIP: "None", ports: [{ name: "http", port: 80, targetPort: 8080 }], ...spec });
const alias = (name: string, externalName: string) => service(name, { type: "ExternalName", externalName });

const slice = (of: string, number: number, ports: readonly object[], endpoints: readonly object[]) => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  ...meta(`${of}-${number}`, { labels: { "kubernetes.io/service-name": of } }),
  addressType: "IPv4",
  ports,
  endpoints,
});
const endpoint = (address: string, hostname?: string, conditions: object = {}) => ({
  addresses: [address],
  conditions,
  ...(hostname === undefined ? {} : { hostname }),
});
const http = (port: number) => [{ name: "http", port, protocol: "TCP" }];

const container = (more: object = {}) => ({ name: "echo", image: "pmz.test/echo:1", ...more });
const statefulSet = (name: string, pod: object) => ({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  ...meta(name),
  spec: {
    serviceName: name,
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { terminationGracePeriodSeconds: 1, ...pod } },
  },
});

/** An address that is no pod's. */
export const OUTSIDE = "198.51.100.7";

/** Ports of a pod on its node's network, where the usual ones may be taken. */
const env = [["HTTP_PORT", "18080"], ["TCP_PORT", "19000"], ["UDP_PORT", "19001"]].map(([name, value]) => ({
  name,
  value,
}));

/** @param first @param second addresses of two pods that are there */
export function nameObjects(first: string, second: string): readonly object[] {
  return [
    headless("mongo"),
    slice("mongo", 1, http(8080), [
      endpoint(first, "mongo-0"),
      endpoint(second, "mongo-2", { ready: false }),
    ]),
    slice("mongo", 2, http(9090), [endpoint(second, "mongo-1")]),
    headless("portless", { ports: undefined }),
    slice("portless", 1, [], [endpoint(first)]),
    headless("anyport"),
    slice("anyport", 1, [{ name: "http", protocol: "TCP" }], [endpoint(first), endpoint(second, "other")]),
    service("made", { ports: [{ name: "http", port: 80 }, { name: "dns", port: 53, protocol: "UDP" }] }),
    slice("made", 1, [...http(8080), { name: "dns", port: 53, protocol: "UDP" }], [
      endpoint(first, "made-0"),
      endpoint(second),
    ]),
    headless("nobody", { selector: { app: "nobody" } }),
    headless("outside"),
    slice("outside", 1, http(80), [endpoint(OUTSIDE, "outside-0")]),
    alias("alias-in", "echo.other.svc.cluster.local"),
    alias("alias-twice", "alias-in.default.svc.cluster.local"),
    alias("alias-headless", "mongo.default.svc.cluster.local"),
    alias("alias-out", "internet.test"),
    alias("alias-missing", "nosuch.default.svc.cluster.local"),
    alias("alias-address", "192.0.2.7"),
    statefulSet("unready", {
      containers: [container({ readinessProbe: { tcpSocket: { port: 1 }, periodSeconds: 1 } })],
    }),
    headless("unready", { selector: { app: "unready" }, publishNotReadyAddresses: true }),
    headless("unready-hidden", { selector: { app: "unready" } }),
    statefulSet("onhost", { hostNetwork: true, containers: [container({ env })] }),
    headless("onhost", { selector: { app: "onhost" }, publishNotReadyAddresses: true }),
    statefulSet("ending", {
      terminationGracePeriodSeconds: 30,
      containers: [container({ lifecycle: { preStop: { sleep: { seconds: 15 } } } })],
    }),
    service("ending", { selector: { app: "ending" }, ports: [{ name: "http", port: 80, targetPort: 8080 }] }),
  ];
}
