import type { Api, Call } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import {
  GROUP,
  type InterceptRule,
  parseRule,
  ruleName,
  ruleResource,
  VERSION,
} from "../../wire/intercept.ts";
import { ruleFingerprint, ruleSuffix } from "../../wire/personal_rule.ts";
import { Failure } from "../failure.ts";
import type { Session } from "./session.ts";
import { type InterceptTarget, takenOf } from "./target.ts";

const WITHDRAW_TIMEOUT_MS = 3_000;

/**
 * Creates the rule of a session for a Service's port, or returns the one that the session has already.
 * @param had UID of the rule that exists already, if there is one: it stays when this is given up
 * @throws {Failure} `conflict` when another session has the port; the message says whose. @throws {ApiError}
 */
export async function createRule(
  api: Api,
  session: Session,
  target: InterceptTarget,
  call: Call = {},
  had?: string,
): Promise<InterceptRule> {
  const { namespace, name: sessionName, uid, user } = session.object;
  const service = target.service.name;
  const port = target.port.port;
  const what = takenOf(target);
  const name = ruleName(service, port, ruleSuffix(sessionName, what));
  const body = {
    apiVersion: `${GROUP}/${VERSION}`,
    kind: "InterceptRule",
    metadata: {
      name,
      namespace,
      ownerReferences: [{
        apiVersion: `${GROUP}/${VERSION}`,
        kind: "InterceptSession",
        name: sessionName,
        uid,
      }],
    },
    spec: {
      service,
      port,
      session: { name: sessionName, uid },
      keyFingerprint: ruleFingerprint(session.key.fingerprint, what),
      user,
      ...what,
    },
  };
  for (let attempt = 1;; attempt++) {
    try {
      return parseRule(await api.create(ruleResource, body, { namespace, ...call }));
    } catch (error) {
      if (call.signal?.aborted) await withdraw(api, { namespace, name }, uid, had);
      if (!ApiError.is(error, "AlreadyExists") || attempt === 3) throw error;
    }
    const there = await find(api, { namespace, name }, call);
    if (!there) continue;
    if (there.session.uid === uid) return there;
    // The rule belongs to an earlier session of this user on this machine, which is gone: it is deleted.
    if (there.session.name === sessionName) await deleteRule(api, there, call);
    else throw taken(there);
  }
}

/** Undoes a creation that was given up and has happened all the same, as far as that can be known soon. */
async function withdraw(
  api: Api,
  of: { namespace: string; name: string },
  session: string,
  had: string | undefined,
): Promise<void> {
  using limit = new TimeLimit(WITHDRAW_TIMEOUT_MS);
  try {
    const there = await find(api, of, { signal: limit.signal });
    if (there?.session.uid === session && there.uid !== had) {
      await deleteRule(api, there, { signal: limit.signal });
    }
  } catch { /* it's swept away, or goes with its session */ }
}

/** Deletes a rule, unless it is gone or another rule has its name. */
export async function deleteRule(
  api: Api,
  rule: Pick<InterceptRule, "namespace" | "name" | "uid">,
  call: Call = {},
): Promise<void> {
  try {
    await api.delete(ruleResource, { namespace: rule.namespace, name: rule.name }, {
      ...call,
      preconditions: { uid: rule.uid },
    });
  } catch (error) {
    if (!ApiError.is(error, "NotFound") && !ApiError.is(error, "Conflict")) throw error;
  }
}

async function find(
  api: Api,
  of: { namespace: string; name: string },
  call: Call,
): Promise<InterceptRule | undefined> {
  try {
    return parseRule(await api.get(ruleResource, of, call));
  } catch (error) {
    if (ApiError.is(error, "NotFound")) return undefined;
    throw error;
  }
}

function taken(by: InterceptRule): Failure {
  return new Failure(
    "conflict",
    `${by.service}.${by.namespace}:${by.port}${
      by.protocol === undefined ? "" : "/udp"
    } is intercepted by ${by.user} since ${by.created}`,
    {
      hint:
        `ask ${by.user} to leave it; \`kubectl get interceptsessions -n ${by.namespace}\` shows the machine`,
    },
  );
}
