import assert from "node:assert/strict";
import { remedyOf } from "./refused_pods.ts";

/** What API servers of 1.34 say, behind what the installer says. */
const cases: readonly [said: string, todo: RegExp][] = [
  [
    'DaemonSet pmz-node/node-agent isn\'t ready (0 of 2 pods): pods are refused: pods "node-agent-x" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities',
    /kubectl label namespace pmz-node pod-security.kubernetes.io\/enforce=privileged --overwrite/,
  ],
  [
    'Deployment pmz/gateway isn\'t ready (0 of 1 pods): pods are refused: pods "gateway-x" is forbidden: failed quota: compute: must specify limits.cpu for: gateway',
    /^quota compute asks for limits.cpu for/,
  ],
  [
    'Deployment pmz/gateway isn\'t ready (0 of 1 pods): pods are refused: pods "gateway-x" is forbidden: exceeded quota: small, requested: limits.memory=1Gi, used: limits.memory=0, limited: limits.memory=512Mi',
    /^raise it: kubectl -n pmz edit resourcequota small$/,
  ],
  [
    'Deployment pmz/gateway isn\'t ready (0 of 1 pods): pods are refused: pods "gateway-x" is forbidden: maximum memory usage per Container is 512Mi, but limit is 1Gi',
    /kubectl -n pmz edit limitranges/,
  ],
  [
    "Deployment pmz/gateway isn't ready (0 of 1 pods): pods are refused: pods \"gateway-x\" is forbidden: ValidatingAdmissionPolicy 'no-fixed-uid' with binding 'no-fixed-uid' denied request: uids are chosen by the platform",
    /leave namespace pmz out of the policy.*grep no-fixed-uid$/,
  ],
  [
    'DaemonSet pmz-node/node-agent isn\'t ready (0 of 2 pods): pods are refused: admission webhook "validate.kyverno.svc-fail" denied the request: policy X',
    /leave namespace pmz-node out of the policies of validate\.kyverno\.svc-fail.*--base-image/,
  ],
  [
    "DaemonSet pmz-node/node-agent isn't ready (0 of 2 pods): container attach of pod x: the image y can't be pulled (ErrImagePull): no such host",
    /--base-image/,
  ],
];

for (const [said, todo] of cases) {
  Deno.test(`what to do when the cluster says: ${said.slice(said.indexOf("pods): ") + 7, 140)}`, () => {
    assert.match(remedyOf(said) ?? "", todo);
  });
}

Deno.test("nothing is advised about a pod that just isn't ready", () => {
  assert.equal(
    remedyOf("Deployment pmz/gateway isn't ready (0 of 1 pods): pod x isn't ready yet (Pending)"),
    undefined,
  );
});
