/** nginx in the cluster: as a reverse proxy in front of Services, and as a web server of its own. */
import { certificates } from "../../../kube/testing/certificates.ts";
import { output } from "./command.ts";
import { cluster } from "./laptop.ts";
import type { World } from "./world.ts";

/** The shop's Service: nginx asks for names once, when it starts. */
const SHOP = "10.96.200.80";

/** What every configuration has: no file is written but in /tmp. */
const common = `
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr;
events {}
`;
const http = `
access_log off;
client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
`;

/** A shop that answers by HTTP and HTTPS with its pod's name. */
const shop = `${common}
env HOSTNAME;
http {
  ${http}
  server {
    listen 8080;
    listen 8443 ssl;
    ssl_certificate /config/leaf.crt;
    ssl_certificate_key /config/leaf.key;
    location / { return 200 '{"pod":"shop"}\\n'; }
  }
}`;

/** As an Ingress controller is: HTTP by Host over kept connections to the Service, TLS by its server name, unopened. */
const ingress = `${common}
http {
  ${http}
  upstream shop { server ${SHOP}:80; keepalive 4; }
  server {
    listen 80;
    server_name .shop.example;
    location / {
      proxy_pass http://shop;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
    }
  }
  server { listen 80 default_server; return 404; }
}
stream {
  map $ssl_preread_server_name $service { default ${SHOP}:443; }
  server { listen 443; ssl_preread on; proxy_pass $service; }
}`;

/** The shop with two pods and its Service, and the ingress in front of it; gone when it is disposed of. */
export async function shopBehindIngress(world: World): Promise<AsyncDisposable> {
  const image = (await output([cluster, "nginx"], { timeout: 5 * 60_000 })).trim();
  await output([cluster, "--name", world.name, "load", image], { timeout: 60_000 });
  using made = await certificates();
  const files = { "leaf.crt": made.cert, "leaf.key": made.key };
  await using undo = new AsyncDisposableStack();
  undo.defer(async () => {
    const all = "deployments,services,configmaps";
    await world.kubectl(["delete", all, "-l", "test=ingress", "--grace-period=0"]);
  });
  const parts = { shop: [shop, 2, files], ingress: [ingress, 1, {}] } as const;
  const items = Object.entries(parts).flatMap(([name, [config, replicas, files]]) =>
    objects(name, config, replicas, files)
  );
  await world.apply({ apiVersion: "v1", kind: "List", items });
  for (const name of Object.keys(parts)) {
    await world.kubectl(["rollout", "status", `deployment/${name}`, "--timeout=60s"], { timeout: 70_000 });
  }
  return undo.move();
}

function objects(name: string, config: string, replicas: number, files: Record<string, string>): object[] {
  const metadata = { name, namespace: "default", labels: { test: "ingress" } };
  const ports = name === "shop" ? { http: 8080, https: 8443 } : { http: 80, https: 443 };
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: { ...files, "nginx.conf": config } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name, test: "ingress" } },
          spec: {
            terminationGracePeriodSeconds: 0,
            containers: [{
              name: "nginx",
              image: "pmz.test/nginx:1",
              args: ["-c", "/config/nginx.conf"],
              readinessProbe: { tcpSocket: { port: ports.https }, periodSeconds: 1 },
              volumeMounts: [{ name: "config", mountPath: "/config" }],
            }],
            volumes: [{ name: "config", configMap: { name } }],
          },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: {
        ...(name === "shop" ? { clusterIP: SHOP } : {}),
        selector: { app: name },
        ports: [
          { name: "http", port: 80, targetPort: ports.http },
          { name: "https", port: 443, targetPort: ports.https },
        ],
      },
    },
  ];
}
