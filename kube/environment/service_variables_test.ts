import assert from "node:assert/strict";
import { serviceVariables } from "./service_variables.ts";
import { serviceOf } from "./testing/pod.ts";

const api = serviceOf("kubernetes", "10.96.0.1", [{ name: "https", port: 443 }], "default");
const apiVariables = {
  KUBERNETES_SERVICE_HOST: "10.96.0.1",
  KUBERNETES_SERVICE_PORT: "443",
  KUBERNETES_SERVICE_PORT_HTTPS: "443",
  KUBERNETES_PORT: "tcp://10.96.0.1:443",
  KUBERNETES_PORT_443_TCP: "tcp://10.96.0.1:443",
  KUBERNETES_PORT_443_TCP_PROTO: "tcp",
  KUBERNETES_PORT_443_TCP_PORT: "443",
  KUBERNETES_PORT_443_TCP_ADDR: "10.96.0.1",
};

Deno.test("a Service of the namespace has its address, its ports, and what Docker's links had", () => {
  const dns = serviceOf("my-dns", "fd00::a", [
    { name: "dns-udp", port: 53, protocol: "UDP" },
    { name: "dns", port: 53, protocol: "TCP" },
  ]);
  assert.deepEqual(Object.fromEntries(serviceVariables([api, dns], "shop", true)), {
    ...apiVariables,
    MY_DNS_SERVICE_HOST: "fd00::a",
    MY_DNS_SERVICE_PORT: "53",
    MY_DNS_SERVICE_PORT_DNS_UDP: "53",
    MY_DNS_SERVICE_PORT_DNS: "53",
    MY_DNS_PORT: "udp://[fd00::a]:53",
    MY_DNS_PORT_53_UDP: "udp://[fd00::a]:53",
    MY_DNS_PORT_53_UDP_PROTO: "udp",
    MY_DNS_PORT_53_UDP_PORT: "53",
    MY_DNS_PORT_53_UDP_ADDR: "fd00::a",
    MY_DNS_PORT_53_TCP: "tcp://[fd00::a]:53",
    MY_DNS_PORT_53_TCP_PROTO: "tcp",
    MY_DNS_PORT_53_TCP_PORT: "53",
    MY_DNS_PORT_53_TCP_ADDR: "fd00::a",
  });
});

Deno.test("headless Services and those of other namespaces have none", () => {
  const services = [
    serviceOf("headless", "None", [{ port: 80 }]),
    serviceOf("other", "10.96.0.9", [{ port: 80 }], "other"),
  ];
  assert.deepEqual(serviceVariables(services, "shop", true), new Map());
});

Deno.test("without enableServiceLinks only the API server is told", () => {
  const services = [api, serviceOf("echo", "10.96.0.7", [{ port: 80 }])];
  assert.deepEqual(Object.fromEntries(serviceVariables(services, "shop", false)), apiVariables);
});
