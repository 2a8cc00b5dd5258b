import assert from "node:assert/strict";
import { agentVersions, fitOf } from "../wire/agent_versions.ts";
import { PROTOCOL_ANNOTATION, VERSIONS_ANNOTATION } from "../wire/places.ts";
import { versionsOf } from "./running.ts";

const reader = (annotations: Record<string, string>) => (name: string) => annotations[name];

Deno.test("an agent's versions are those of its annotation", () => {
  const annotations = { [VERSIONS_ANNOTATION]: "tunnel=3-2", [PROTOCOL_ANNOTATION]: "1-1" };
  assert.deepEqual(versionsOf("gateway", reader(annotations)), { tunnel: { newest: 3, oldest: 2 } });
});

Deno.test("an agent of pmz 0.1.0 has the first version of everything", () => {
  const annotations = { [PROTOCOL_ANNOTATION]: "1-1" };
  const first = { newest: 1, oldest: 1 };
  assert.deepEqual(versionsOf("gateway", reader(annotations)), { tunnel: first });
  assert.deepEqual(versionsOf("node", reader(annotations)), { "reversed-tunnel": first, rules: first });
});

Deno.test("an agent without a valid annotation is older", () => {
  for (const text of ["", "1", "a-b", "1-1-1", "-1", "1 - 1"]) {
    for (const name of [VERSIONS_ANNOTATION, PROTOCOL_ANNOTATION]) {
      assert.equal(fitOf(versionsOf("node", reader({ [name]: text })), agentVersions.node), "older", text);
    }
  }
});
