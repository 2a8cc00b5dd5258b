import type { Component } from "../../wire/installer.ts";
import { type Architecture, type Payload, payloadOf } from "../../wire/payload.ts";

/** Where payloads come from. */
export interface PayloadSource {
  /** @throws when it can't be read. */
  payload(component: Component): Promise<Payload>;
  /** The nodes' architectures that the node agent's payload has a libbpf for, by Kubernetes' names: "amd64". */
  readonly architectures: readonly string[];
}

const kubernetesNames: Readonly<Record<Architecture, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** Payloads that build.ts made: files COMPONENT.payload in a folder, each read once. */
export function builtPayloads(
  folder: URL,
  architectures: readonly Architecture[] = [Deno.build.arch],
): PayloadSource {
  const read = async (component: Component) =>
    await payloadOf(await Deno.readFile(new URL(`${component}.payload`, folder)));
  const payloads = new Map<Component, Promise<Payload>>();
  return {
    architectures: architectures.map((each) => kubernetesNames[each]),
    payload: (component) => {
      const payload = payloads.get(component) ?? read(component);
      payloads.set(component, payload);
      return payload;
    },
  };
}
