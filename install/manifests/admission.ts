import type { Manifest } from "../../kube/apply/apply.ts";
import { GROUP, RULE_PLURAL, SESSION_PLURAL } from "../../wire/intercept.ts";
import { labelsOf } from "./options.ts";

/** The first minor version of Kubernetes 1 that has ValidatingAdmissionPolicy as a stable kind. */
export const ADMISSION_SINCE = 30;

/**
 * Ties the user named by a rule or session to the user who creates it, and a session's renewal to that user; without the
 * policy the name is only claimed. Deletions need no policy: the agent deletes expired sessions, and their rules with them.
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
          // Others may change labels, finalizers and the like: the cluster itself does.
          expression: `(request.operation == 'UPDATE' && object.spec == oldObject.spec) || ${own}`,
          messageExpression:
            `"spec.user is '" + object.spec.user + "', but it must be the user who creates or renews the object: '" + request.userInfo.username + "'"`,
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
