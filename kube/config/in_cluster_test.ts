import assert from "node:assert/strict";
import { certificatesHash } from "../client/access.ts";
import { certificates } from "../testing/certificates.ts";
import { folder } from "../testing/kubeconfig.ts";
import { inClusterAccess } from "./in_cluster.ts";

Deno.test("in a pod, the service account's token is used, and read again after a refusal", async () => {
  using made = await certificates();
  using account = folder();
  account.write("ca.crt", made.ca);
  account.write("namespace", "pmz");
  account.write("token", "first\n");
  const env = (name: string) =>
    ({ KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" })[name];
  const cluster = await inClusterAccess({ root: account.path, env });
  assert.deepEqual([cluster.context, cluster.namespace, cluster.server], [
    "in-cluster",
    "pmz",
    "https://[fd00::1]:443",
  ]);
  assert.equal(cluster.caHash, await certificatesHash(made.ca));
  const access = await cluster.access();
  assert.deepEqual([access.hostname, access.headers.authorization, access.caCerts], [
    "fd00::1",
    "Bearer first",
    [made.ca],
  ]);
  account.write("token", "second\n");
  assert.equal((await cluster.access()).headers.authorization, "Bearer first");
  assert.equal((await cluster.access({ renew: true })).headers.authorization, "Bearer second");
  await assert.rejects(inClusterAccess({ root: account.path, env: () => undefined }), /doesn't run in a pod/);
  await assert.rejects(
    inClusterAccess({ root: `${account.path}/none`, env }),
    /no service account token mounted/,
  );
});
