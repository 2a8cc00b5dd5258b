import assert from "node:assert/strict";
import { parseService } from "../../kube/objects/objects.ts";
import { worthTrying } from "./worth_trying.ts";

/** A Service of one port, as a candidate. */
function candidate(name: string, port: number, portName = "", appProtocol?: string) {
  const service = parseService({
    metadata: { name, namespace: "shop", uid: name },
    spec: {
      clusterIP: "10.96.0.7",
      ports: [{ port, ...(portName && { name: portName }), ...(appProtocol && { appProtocol }) }],
    },
  });
  const [only] = service.ports;
  assert.ok(only);
  return { service, port: only };
}

const urls = (...candidates: ReturnType<typeof candidate>[]) =>
  worthTrying(candidates).map(({ name, port, scheme }) => `${scheme ?? "tcp"}://${name}:${port}`);

Deno.test("HTTP comes before HTTPS, each with its scheme", () => {
  assert.deepEqual(urls(candidate("secure", 443), candidate("web", 3000, "http-web"), candidate("api", 80)), [
    "http://web.shop.svc:3000",
    "http://api.shop.svc:80",
    "https://secure.shop.svc:443",
  ]);
});

Deno.test("gRPC and databases are not offered where there is something for curl", () => {
  const others = [
    candidate("grpc", 50051, "grpc"),
    candidate("db", 5432),
    candidate("h2", 80, "", "kubernetes.io/h2c"),
  ];
  assert.deepEqual(urls(...others, candidate("web", 8080)), ["http://web.shop.svc:8080"]);
  assert.deepEqual(urls(...others), [
    "tcp://grpc.shop.svc:50051",
    "tcp://db.shop.svc:5432",
    "tcp://h2.shop.svc:80",
  ]);
});

Deno.test("an appProtocol says more than a name or a number", () => {
  assert.deepEqual(urls(candidate("a", 80, "http", "https"), candidate("b", 8080, "", "postgres")), [
    "https://a.shop.svc:80",
  ]);
});
