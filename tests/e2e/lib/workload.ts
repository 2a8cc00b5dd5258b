import type { World } from "./world.ts";

/** A Deployment of one container, or of several, and a Service over it; deleted when it is disposed of. */
export async function workload(
  world: World,
  { name, container, others = [], services = [name], ports = [{ name: "http", port: 80, targetPort: 8080 }] }:
    {
      readonly name: string;
      /** Of the Services. */
      readonly ports?: readonly object[];
      readonly container: object;
      readonly others?: readonly object[];
      readonly services?: readonly string[];
    },
): Promise<AsyncDisposable> {
  const metadata = (name: string) => ({ name, namespace: "default" });
  await world.apply({
    apiVersion: "v1",
    kind: "List",
    items: [
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: metadata(name),
        spec: {
          selector: { matchLabels: { app: name } },
          template: {
            metadata: { labels: { app: name } },
            spec: {
              terminationGracePeriodSeconds: 0,
              containers: [container, ...others].map((of, i) => ({
                name: `c${i}`,
                image: "pmz.test/base:1",
                ...of,
              })),
            },
          },
        },
      },
      ...services.map((service) => ({
        apiVersion: "v1",
        kind: "Service",
        metadata: metadata(service),
        spec: { selector: { app: name }, ports },
      })),
    ],
  });
  return {
    async [Symbol.asyncDispose]() {
      const objects = [`deployment/${name}`, ...services.map((service) => `service/${service}`)];
      await world.kubectl(["delete", ...objects, "--wait=false", "--ignore-not-found"]);
    },
  };
}
