import type { Manifest } from "../../kube/apply/apply.ts";
import { GROUP, RULE_PLURAL, SESSION_PLURAL } from "../../wire/intercept.ts";
import { labelsOf } from "./options.ts";

/** The first minor version of Kubernetes 1 that has ValidatingAdmissionPolicy as a stable kind. */
export const ADMISSION_SINCE = 30;

/**
 * Ties the user that a rule or session names to whoever makes it, and a session's renewal to that user: without it, the
 * name is what the object claims. Deleting is left to rights alone: the agent deletes sessions that are over, and their
 * rules go with them.
 */
export function admissionManifests(): Manifest[] {
  const metadata = { name: "pmz-intercept-user", labels: labelsOf("intercept") };
  const own = "object.spec.user == request.userInfo.username";
  return [
    {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingAdmissionPolicy",
      metadata,
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          resourceRules: [{
            apiGroups: [GROUP],
            apiVersions: ["*"],
            operations: ["CREATE", "UPDATE"],
            resources: [RULE_PLURAL, SESSION_PLURAL],
          }],
        },
        validations: [{
          // Labels, finalizers and the like may be changed by others: the cluster itself does.
          expression: `(request.operation == 'UPDATE' && object.spec == oldObject.spec) || ${own}`,
          messageExpression:
            `"spec.user is '" + object.spec.user + "', and you are '" + request.userInfo.username + "': it has to be who makes or renews it"`,
          reason: "Forbidden",
        }],
      },
    },
    {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingAdmissionPolicyBinding",
      metadata,
      spec: { policyName: metadata.name, validationActions: ["Deny"] },
    },
  ];
}
