import { PAYLOAD_ANNOTATION } from "../../../wire/places.ts";
import type { Pmz } from "./pmz.ts";
import type { World } from "./world.ts";

/** Where each component's annotation stands. */
const workloads = {
  gateway: ["pmz", "deployment/gateway"],
  node: ["pmz-node", "daemonset/node-agent"],
} as const;

/** What the built file would install, by a run of it that is made once. */
let own: Promise<string> | undefined;

/**
 * Replaces installed agents that are not the built file's: of a build before, in a world that stays. pmz itself keeps them, since
 * they speak its protocols.
 */
export async function renewAgents(world: World, person: Pmz): Promise<void> {
  const path = `jsonpath={.metadata.annotations.${PAYLOAD_ANNOTATION.replaceAll(".", "\\.")}}`;
  const installed = await Promise.all(
    Object.entries(workloads).map(async ([component, [namespace, name]]) => {
      const get = ["get", "-n", namespace, name, "--ignore-not-found", "-o", path];
      return { component, payload: await world.kubectl(get) };
    }),
  );
  const there = installed.filter(({ payload }) => payload !== "");
  if (there.length === 0) return;
  own ??= person.done(["agent", "manifests"]).then(({ stdout }) => stdout);
  const manifests = await own;
  const stale = there.filter(({ payload }) => !manifests.includes(payload));
  if (stale.length === 0) return;
  const named = stale.flatMap(({ component }) => ["--component", component]);
  await person.done(["agent", "deploy", "--force", ...named], { timeout: 60_000 });
  await person.done(["down"]);
}
