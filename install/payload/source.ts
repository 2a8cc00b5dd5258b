import type { Component } from "../../wire/installer.ts";
import { buildPayload } from "./build.ts";
import { type Architecture, type Payload, payloadOf } from "../../wire/payload.ts";

/** Where payloads come from. */
export interface PayloadSource {
  /** @throws when it can't be read or made. */
  payload(component: Component): Promise<Payload>;
  /** What the node agent's payload runs on, as Kubernetes calls it: "amd64". */
  readonly architectures: readonly string[];
}

const names: Readonly<Record<Architecture, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** Payloads that were built before: files COMPONENT.payload in a folder, as build.ts makes them. */
export function builtPayloads(
  folder: URL,
  architectures: readonly Architecture[] = [Deno.build.arch],
): PayloadSource {
  return {
    architectures: architectures.map((each) => names[each]),
    payload: once(async (component) =>
      await payloadOf(await Deno.readFile(new URL(`${component}.payload`, folder)))
    ),
  };
}

/** Payloads made from source when they're asked for: for development. `libbpf`: path of this machine's, for the node agent. */
export function madePayloads(libbpf: string): PayloadSource {
  const architecture: Architecture = Deno.build.arch;
  return {
    architectures: [names[architecture]],
    payload: once((component) => buildPayload(component, { libbpf: { [architecture]: libbpf } })),
  };
}

function once(make: (component: Component) => Promise<Payload>): (component: Component) => Promise<Payload> {
  const made = new Map<Component, Promise<Payload>>();
  return (component) => {
    const payload = made.get(component) ?? make(component);
    made.set(component, payload);
    return payload;
  };
}
